"""Halving on the page: which points were cut, at which step, by which score, and what nobody knows of them."""

import json

import pytest
import vl_convert  # noqa: F401  # before pytester notes which modules it may forget: it loads only once

from harness.errors import BadRunDirectory
from harness.types import Outcome
from reports.html import write_report
from reports.load import load
from reports.page import build
from tests.reports.reader import Outline, sections
from tests.reports.test_sweep_page import swept  # noqa: F401  # a fixture

pytest_plugins = "pytester"

POINTS = (
    "r4=776:200:lora.rank=4",
    "r8=770:400:lora.rank=8",
    "r16=700:800:lora.rank=16",
    "r64=fails:9600:lora.rank=64",
    "solo=760:100:lora.rank=2",
)


@pytest.fixture
def halved(swept):  # noqa: F811  # the fixture
    """The directory of a run of three points that were compared on the way, one that failed and one apart."""
    return swept(*POINTS, options=("--halving", "eta=2"))


def test_the_page_says_who_was_cut_and_when(halved):
    """In the table, in a picture with the same as a table, in sentences, and under how far to trust the choice."""
    page = write_report(halved).read_text(encoding="utf-8")
    words = sections(page)["sweep"]
    assert "r8 2 8 – CUT at step 5 of 10" in words
    assert "r16 3 16 – CUT at step 3 of 10" in words
    assert "At 1/4 of the steps 2 of 4 went on; cut: 3 (r16)." in words
    assert "At 1/2 of the steps 1 of 2 went on; cut: 2 (r8)." in words
    assert "Trained to the end whatever they scored: solo (it is no adapter)." in words
    assert "Halving took the steps of 3.0 whole trainings in place of 5." in words
    assert "a slow starter can be cut" in words
    assert "on the way to the end: 2 of 3 points were cut." in words
    assert "Those of 2, 3 end where they were cut." in words
    assert "and no others, decided who was cut on the way (2 of 5 points)" in words
    assert "whether they are tied is not known" in words
    assert "halving" in Outline.of(page).ids
    assert "Cut on the way, so that no gate was asked about them: r8, r16." in sections(page)["warnings"]


def test_curves_end_where_points_were_cut(halved):
    """What a point left of its training is drawn as far as it went, on one scale with the winner's."""
    page = build(load(halved), 1)
    steps = {row[0]: row[1] for row in page.sweep.curves_twin.rows}
    assert steps == {"1 r4": "10", "2 r8": "5", "3 r16": "3", "5 solo": "10"}
    picture = page.sweep.halved.picture
    assert picture.twin.columns == ("Point", "at 1/4 of the steps", "at 1/2 of the steps", "at the end")
    cells = {row[0]: row[1:] for row in picture.twin.rows}
    assert cells["3 r16"][0].endswith("%, cut at step 3 of 10")
    assert cells["3 r16"][1:] == ("–", "–")
    assert cells["4 r64"] == ("not measured", "–", "–")
    assert cells["5 solo"][:2] == ("–", "–")
    assert cells["1 r4"][2].endswith("%")
    assert "data-point" not in picture.wide
    assert picture.wide.count("<path") > 4


def test_a_cut_point_is_cut_everywhere_and_nowhere_green(halved):
    """Its outcome is its own word under the verdict, in the list of points and in what is published."""
    page = build(load(halved), 1)
    assert page.outcomes["r8"] is page.outcomes["r16"] is Outcome.CUT
    assert page.outcomes["r64"] is Outcome.INVALID
    trials = {trial.point.name: trial for trial in page.sweep.trials.trials}
    assert trials["r8"].outcome is Outcome.CUT
    assert trials["r8"].gain is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("part", "much"),
        ("part", "1/0"),
        ("stay", "two"),
        ("points", [{"model": "nobody"}]),
        ("points", [{"model": "r4"}]),
    ],
)
def test_a_malformed_rung_is_refused_by_name(halved, place, value):
    """The page is not made of what it cannot read."""
    run = json.loads((halved / "run.json").read_text())
    run["sweep"]["halving"]["rungs"][0][place] = value
    (halved / "run.json").write_text(json.dumps(run))
    with pytest.raises(BadRunDirectory, match="sweep: halving"):
        load(halved)


def test_a_sweep_without_halving_says_nothing_of_it(swept):  # noqa: F811
    """No heading, no sentence."""
    page = write_report(swept(*POINTS[:2])).read_text(encoding="utf-8")
    assert "halving" not in Outline.of(page).ids
    assert "cut on the way" not in sections(page)["sweep"]
