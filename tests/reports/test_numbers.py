"""How numbers read."""

import pytest

from reports import numbers


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.percent(0.67), "67.0%"),
        (numbers.points(0.0124), "+1.2"),
        (numbers.points(-0.031), "−3.1"),
        (numbers.points(-0.0001), "0.0"),
        (numbers.interval(-0.005, 0.02), "−0.5 to +2.0"),
        (numbers.percent_interval(0.641, 0.698), "64.1 to 69.8%"),
        (numbers.count(12345), "12,345"),
        (numbers.seconds(0.44), "0.4 s"),
        (numbers.seconds(12.3), "12 s"),
        (numbers.seconds(185), "3 min 05 s"),
        (numbers.seconds(7800), "2 h 10 min"),
    ],
)
def test_numbers_are_written_for_people(written, expected):
    """Rates become percent, differences signed points, and durations words."""
    assert written == expected
