"""One amount for each point of a sweep as bars, such as the memory that its training took."""

from collections.abc import Sequence

from markupsafe import Markup

from reports.charts.canvas import BASE, CANDIDATE, INK, draw, labelled, row_axis

__all__ = ["Bar", "bars"]

Bar = tuple[str, float, bool]
"""Label, amount >= 0, and whether it is the one that is marked."""


def bars(amounts: Sequence[Bar], title: str, width: int) -> Markup:
    """SVG of `width` pixels: a bar from zero for each amount (one at least is > 0), in order, its number at the end."""
    import altair as alt

    rows = labelled([{"label": label, "amount": amount, "marked": marked} for label, amount, marked in amounts])
    reach = 1.15 * max(row["amount"] for row in rows)
    axis = alt.Axis(tickCount=4)
    across = alt.X("amount:Q", scale=alt.Scale(domain=[0, reach], nice=False), title=title, axis=axis)
    colour = alt.condition(alt.datum.marked, alt.value(CANDIDATE), alt.value(BASE))
    chart = alt.Chart(alt.InlineData(values=rows)).encode(y=row_axis(rows, width), x=across)
    number = chart.mark_text(align="left", dx=6, color=INK, fontSize=12).encode(
        text=alt.Text("amount:Q", format=",.3~r")
    )
    return draw(alt.layer(chart.mark_bar(height={"band": 0.6}).encode(color=colour), number), width, {"step": 26})
