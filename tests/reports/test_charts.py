"""Where letters of the pictures stand: beside lines and dots, in the lines of an axis, at both widths."""

import re

import pytest

from reports.charts.canvas import NARROW, WIDE
from reports.charts.parallel import Rail, Thread, parallel, spread
from reports.charts.plane import clear
from reports.charts.spans import Span, changes


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.9, 0.1], [0.9, 0.1]),
        ([0.5, 0.5, 0.5], [0.4, 0.5, 0.6]),
        ([0.0, 0.02, 0.9], [0.0, 0.1, 0.9]),
        ([1.0, 1.0], [0.9, 1.0]),
        ([0.0] * 11, [place / 10 for place in range(11)]),
    ],
)
def test_labels_keep_their_distance_and_stay_near(places, wanted):
    """Neighbours move apart by what is needed, within the ends; whoever has room stays."""
    assert spread(places, 0.1, 0.0, 1.0) == pytest.approx(wanted)


def test_labels_stand_beside_their_dots():
    """Nine dots in a heap: no label covers a dot or another label, or leaves the picture."""
    dots = [(100.0 + 14 * (place % 3), 60.0 + 14 * (place // 3)) for place in range(9)]
    labels = [str(place + 1) for place in range(9)]
    asides = clear(labels, dots, 200.0)
    boxes = [(x + a - 4, y + d - 5, x + a + 4, y + d + 5) for (x, y), (a, d) in zip(dots, asides, strict=True)]
    crowd = [*boxes, *((x - 4, y - 4, x + 4, y + 4) for x, y in dots)]
    apart = [
        min(one[2], other[2]) <= max(one[0], other[0]) or min(one[3], other[3]) <= max(one[1], other[1])
        for place, one in enumerate(boxes)
        for other in crowd[place + 1 :]
    ]
    assert all(apart)
    ((across, _),) = clear(["far right"], [(198.0, 60.0)], 200.0)
    assert across < 0


def test_a_telephone_has_the_parts_of_a_label_below_each_other():
    """Suite and metric in two lines, centred on their row; at a desk they are one. Letters are drawn at 12 pixels."""
    spans = [Span("mmlu_forgetting · acc", -0.01, -0.02, 0.0, floor=-0.02)]
    narrow, wide = changes(spans, NARROW), changes(spans, WIDE)
    assert re.findall(r'<tspan[^>]*dy="([-\d.]+)"[^>]*>([^<]*)', narrow) == [("-8", "mmlu_forgetting"), ("16", "acc")]
    assert "mmlu_forgetting · acc" in wide
    assert set(re.findall(r'font-size="(\w+)"', narrow)) == {"12px"}


def test_labels_that_would_run_into_others_are_not_drawn():
    """A narrow axis names fewer of its ticks, and nothing invisible stands in the page."""
    spans = [Span("task", 0.0, -0.6, 0.6, floor=-0.02)]
    ticks = [re.findall(r">([+−]\d+)<", changes(spans, width)) for width in (NARROW, WIDE)]
    assert 3 < len(ticks[0]) < len(ticks[1]) == 10
    assert 'opacity="0"' not in changes(spans, NARROW)


def test_axes_lie_below_each_other_on_a_telephone():
    """The narrow picture is tall, the wide one is not, and both have a line and a number for every point."""
    rails = [Rail("rank", (4.0, 8.0)), Rail("task · exact_match, points", (1.5, None), result=True)]
    threads = [Thread("1", winner=True, passed=True), Thread("2", winner=False, passed=False)]
    for width in (NARROW, WIDE):
        drawn = parallel(rails, threads, width)
        assert re.findall(r'data-point="(\d)"', drawn) == ["2", "1"]
        assert {"1", "2"} <= set(re.findall(r">(\d)<", drawn))
    assert "task · exact_match, points" in parallel(rails, threads, NARROW)
    assert "exact_match, points" in parallel(rails, threads, WIDE)
