"""The pictures of an audit: how long rows are, how answers are spread, how hard the rows are."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from reports.charts.canvas import CANDIDATE, MUTED, draw, labelled, row_axis

__all__ = ["bars", "histogram"]


def histogram(
    edges: Sequence[float], bins: Sequence[int], *, title: str, marks: Mapping[str, float], width: int
) -> Markup:
    """Counts between edges, with named lines across.

    Args:
        edges: (bins + 1,) ascending.
        bins: rows in each.
        title: of the horizontal axis, with the unit.
        marks: where lines stand, by what they say; those beyond the last edge widen the axis.
        width: of the picture in pixels.

    Returns:
        SVG.
    """
    import altair as alt

    rows = [
        {"from": edges[index], "to": edges[index + 1], "rows": count, "zero": 0} for index, count in enumerate(bins)
    ]
    ends = [edges[0], max(edges[-1], *marks.values())] if marks else [edges[0], edges[-1]]
    scale = alt.Scale(domain=ends, nice=False)
    axis = alt.Axis(tickCount=6, grid=False)
    left, at = (alt.X(f"{field}:Q", scale=scale, axis=axis, title=title) for field in ("from", "at"))
    tall = alt.Y("rows:Q", title="rows", axis=alt.Axis(tickCount=4, minExtent=44))
    data = alt.Chart(alt.InlineData(values=rows)).mark_rect(color=CANDIDATE, opacity=1)
    lines = alt.Chart(alt.InlineData(values=[{"at": value, "name": name} for name, value in marks.items()]))
    layers = (
        data.encode(x=left, x2="to:Q", y=tall, y2="zero:Q"),
        lines.mark_rule(color=MUTED, strokeDash=[4, 3], strokeWidth=1.5).encode(x=at),
        lines.mark_text(color=MUTED, align="left", dx=4, dy=6, baseline="top", fontSize=11).encode(
            x=at, y=alt.value(0), text="name:N"
        ),
    )
    return draw(alt.layer(*layers), width, 150)


def bars(counts: Sequence[tuple[str, int]], *, title: str, width: int) -> Markup:
    """One bar for each value, in the order given; nothing without values."""
    rows = labelled([{"label": name, "rows": count} for name, count in counts])
    if not rows:
        return Markup()
    import altair as alt

    chart = alt.Chart(alt.InlineData(values=rows)).mark_bar(color=CANDIDATE, height={"band": 0.7}, opacity=1)
    across = alt.X("rows:Q", title=title, axis=alt.Axis(tickCount=5))
    return draw(chart.encode(x=across, y=row_axis(rows, width)), width, {"step": 24})
