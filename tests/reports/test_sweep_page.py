"""The pictures of a sweep's page, made of real runs of made-up points: what they say, and why they are not drawn."""

import csv
import io
import re
from base64 import b64decode
from dataclasses import replace
from html import unescape

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once,
import vl_convert  # noqa: F401  # and so does the drawing library

from harness import session
from harness.types import Estimate, Outcome
from reports.charts.bars import bars
from reports.charts.grid import SHADES, Cell, Grid, grid
from reports.charts.parallel import Rail
from reports.charts.plane import Kind
from reports.html import write_report
from reports.load import load
from reports.page import build
from reports.spreadsheet import as_link, points_csv
from reports.sweep import Point
from reports.sweep_page import view
from reports.trials import Trial, placed
from tests.playground import finished_run, make_model, run_gate
from tests.reports.reader import ANCHORS, Outline, sections
from tests.sweeping import CONFTEST
from tests.training import BASE, make_suites

pytest_plugins = "pytester"

GRID = (
    "r4-qv=700:200:lora.rank=4,lora.target_modules=qv,cut=2",
    "r16-qv=772:800:lora.rank=16,lora.target_modules=qv,cut=9",
    "r4-all=745:1200:lora.rank=4,lora.target_modules=all,cut=4",
    "r16-all=776:4800:lora.rank=16,lora.target_modules=all,cut=60",
    "r64-all=fails:9600:lora.rank=64,lora.target_modules=all",
)


@pytest.fixture
def swept(pytester, monkeypatch):
    """Call with points, and options: the finished run's directory. `task` is learned, `knows` may be forgotten."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suites(pytester.path)
    (pytester.path / "conftest.py").write_text(CONFTEST)
    make_model(pytester.path / "base", **BASE)

    def run(*points, options=()):
        run_gate(pytester, *(word for point in points for word in ("--sweep", point)), *options)
        return finished_run(pytester)[0]

    return run


def test_the_five_pictures_say_what_they_show(swept):
    """A grid of two settings is drawn as front, rails, maps, curves and cost, each with its finding in words."""
    folder = swept(*GRID)
    page = write_report(folder).read_text(encoding="utf-8")
    said = sections(page)
    assert tuple(name for name in said if name != "sweep") == ANCHORS
    words = said["sweep"]
    assert (
        "The number under a point's name marks it in the pictures. Point rank target_modules Own gates knows" in words
    )
    assert "No other point is better in both than 4 (r16-all), 2 (r16-qv), 3 (r4-all), 1 (r4-qv)." in words
    assert "1 of 4 may have lost more than the 5.0 points that are allowed." in words
    assert "The thick line is the winner, r16-all." in words
    assert "task · exact_match: best +" in words
    assert "at rank 16, target_modules all; least" in words
    assert "2 places were not measured." in words
    assert "Training loss of 4 of 5 points over optimiser steps, on one scale." in words
    assert "The cheapest that passes every gate of its own is 1 (r4-qv): 2.0 s of training and 200" in words
    assert "where the best of 5 looks better than it is" in words
    outline = Outline.of(page)
    assert outline.unbalanced == []
    assert len(outline.ids) == len(set(outline.ids))
    figures = re.findall(r"<figure>.*?</figure>", page[page.index('id="sweep"') : page.index('id="suites"')], re.DOTALL)
    assert len(figures) == 6
    assert all("<figcaption>" in each for each in figures)
    assert all('<details class="twin">' in each for each in figures[:-1])  # the last one's numbers are the table above
    assert {"pareto", "parallel", "map", "curves", "cost", "selection"} <= set(outline.ids)


def test_every_point_is_in_the_table_and_only_the_best_and_the_smallest_are_told_of_further(swept):
    """A row has settings, outcome and each gated difference, also of a point that could not be trained."""
    page = build(load(swept(*GRID)), 1)
    found = page.sweep.trials
    assert [each.model.name for each in page.subjects] == ["r16-qv", "r16-all"]
    assert (len(page.banners), page.title) == (5, "Sweep of 5 points against base")
    assert found.varied == ("lora.rank", "lora.target_modules")
    assert [name for name, _ in found.columns] == ["knows", "task"]
    assert [each.outcome for each in found.trials] == ["PASS", "PASS", "PASS", "FAIL", "INVALID"]
    assert found.trials[4].kind is None
    assert found.trials[0].changes["knows", "exact_match"].bounds.value == pytest.approx(-2 / 400)
    assert found.guard == ("knows", "exact_match")
    assert found.floor == -0.05


def test_what_cannot_be_drawn_says_why(swept):
    """One setting makes no map, no drop bound no front, no curve no curves, no known cost no cheapest."""
    words = sections(write_report(swept("good=780:2000", "poor=700:1000", options=("-k", "task"))).read_text())["sweep"]
    assert "No suite of this run only bounds drops, so there is nothing to weigh the gain against." in words
    assert "A map needs two settings that differ" in words
    assert "No point left a curve of its training." in words
    assert "No training told how much memory it held." in words
    assert "No point passes its gates with a known training time" in words


def trial(number, kept, gain, bar=0.01):
    """A point with two differences and equal bars."""
    point = Point(str(number), None, None, None, None, None, {})
    sides = [Estimate(value, value - bar, value + bar, 100, "made") for value in (gain, kept)]
    return Trial(number, point, {}, Outcome.PASS, {}, *sides, broken=None)


def test_the_front_its_ties_and_the_beaten():
    """On the front is what none outdoes; tied is what reaches one on it with its bars; the rest is beaten."""
    made = placed([trial(1, -0.01, 0.30), trial(2, -0.05, 0.40), trial(3, -0.02, 0.29), trial(4, -0.09, 0.20)])
    kinds = {each.number: each.kind for each in made}
    assert kinds == {1: Kind.FRONT, 2: Kind.FRONT, 3: Kind.TIED, 4: Kind.BEATEN}


def test_equal_points_share_the_front():
    """Of two that agree in both measures neither outdoes the other."""
    assert [each.kind for each in placed([trial(1, -0.01, 0.3), trial(2, -0.01, 0.3)])] == [Kind.FRONT, Kind.FRONT]


def test_rails_space_ranks_by_ratio_and_words_in_order():
    """4, 8, 16 stand at equal distances, a narrow range in proportion, words where they came."""
    assert [Rail("rank", (4, 16, 8)).height(value) for value in (4, 8, 16)] == [0.0, 0.5, 1.0]
    assert Rail("gain", (0.0, 2.0, 8.0), result=True).height(2.0) == 0.25
    assert [Rail("where", ("qv", "all", "mlp")).height(word) for word in ("qv", "all", "mlp")] == [0.0, 0.5, 1.0]
    assert Rail("same", (3, 3)).height(3) == 0.5


def test_settings_are_drawn_as_text_whatever_they_hold():
    """The labels of a map are part of an expression; quotes, brackets and markup in them end up as letters."""
    odd = ('"][0]+"x', "'];</text><script>", "${7*7}")
    cells = tuple(Cell(place, 0, change, shown=True) for place, change in enumerate((0.1, -0.1, 0.0)))
    drawn = str(grid(Grid("made", ("across", "down"), odd, ("one",), cells), 900))
    assert "<script" not in drawn
    assert [unescape(label) for label in re.findall(r">([^<]+)</text>", drawn)][:3] == list(odd)


def test_a_map_shades_losses_orange_gains_blue_and_the_base_in_between():
    """The palette is centred on zero, and an empty place is slanted and has no number."""
    cells = Cell(0, 0, -0.2, shown=True), Cell(1, 0, 0.0, shown=False), Cell(2, 0, 0.2, shown=True)
    drawn = str(grid(Grid("made", ("across", "down"), ("a", "b", "c", "d"), ("one",), cells), 900))
    assert [shade for shade in SHADES if f'fill="{shade}"' in drawn] == [SHADES[0], SHADES[3], SHADES[6]]
    assert {">−20.0<", ">0.0<", ">ns<", ">+20.0<"} <= set(re.findall(r">[^<>]+<", drawn))
    assert len(re.findall(r'stroke="#5f6873"', drawn)) == 6


def read(table):
    """The rows of CSV by column."""
    return list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))


def test_all_points_can_be_had_as_csv(swept):
    """The page holds a file with a line for each point: settings, outcome, unrounded differences, what it took."""
    folder = swept(*GRID)
    found = build(load(folder), 1).sweep.trials
    [address] = re.findall(
        r'href="(data:[^"]*)" download="sweep.csv"', write_report(folder).read_text(encoding="utf-8")
    )
    kind, _, content = address.partition(";base64,")
    assert kind == "data:text/csv;charset=utf-8"
    rows = read(b64decode(content))
    assert [row["point"] for row in rows] == ["r4-qv", "r16-qv", "r4-all", "r16-all", "r64-all"]
    assert [row["own_gates"] for row in rows] == ["PASS", "PASS", "PASS", "FAIL", "INVALID"]
    assert [row["lora.rank"] for row in rows] == ["4", "16", "4", "16", "64"]
    assert float(rows[0]["knows/exact_match/change"]) == pytest.approx(-2 / 400)
    assert float(rows[0]["task/exact_match/low"]) < found.trials[0].gain.value < float(rows[0]["task/exact_match/high"])
    assert (float(rows[0]["seconds"]), rows[0]["parameters"]) == (2.0, "200")
    unmeasured = {key for key, value in rows[4].items() if not value}
    assert {"knows/exact_match/change", "task/exact_match/low", "broken", "ranking_half", "seconds"} <= unmeasured


def test_a_spreadsheet_is_given_no_formula_and_no_hidden_character(swept):
    """Names and settings that others chose begin with an apostrophe where a spreadsheet would compute them."""
    found = build(load(swept(*GRID)), 1).sweep.trials
    names = ("=HYPERLINK(1)", "+1", "-1", "@sum", "\u202e=1", "plain, with a comma")
    trials = tuple(
        replace(each, point=replace(each.point, name=name)) for each, name in zip(found.trials * 2, names, strict=False)
    )
    rows = read(points_csv(replace(found, trials=trials), {}))
    assert [row["point"] for row in rows] == [
        *("'=HYPERLINK(1)", "'+1", "'-1", "'@sum"),
        "⟨U+202E⟩=1",
        "plain, with a comma",
    ]
    assert re.fullmatch("data:text/csv;charset=utf-8;base64,[A-Za-z0-9+/=]+", as_link(b"\xff,\"<>'&"))


def test_memory_is_drawn_where_it_is_known(swept):
    """Bars with the most and the least in words; a point without a figure has none."""
    view = build(load(swept(*GRID)), 1).sweep
    assert view.memory.caption == "Most memory: 4 (r16-all), 480 MB; least: 1 (r4-qv), 20 MB."
    assert [view.memory.wide.count(text) for text in (">0.48<", ">0.02<")] == [1, 1]
    assert view.memory.twin is None


def test_a_pack_is_told_to_hold_its_memory_for_all(swept):
    """What one training of several points held is not said of each as if it were its own."""
    run = load(swept(*GRID))
    found = build(run, 1).sweep.trials
    told = {"packed": {"k": 4, "shared_seconds": 1.0}, "peak_memory_bytes": 2 * 10**9}
    together = tuple(replace(each, point=replace(each.point, training=told)) for each in found.trials)
    drawn = view(run, replace(found, trials=together))
    assert drawn.memory is None
    assert drawn.missing["memory"] == "Peak memory: 2,000 MB. A pack's memory is that of all its points together."


def test_a_bar_has_its_number_at_its_end():
    """And hostile names are drawn as text."""
    drawn = bars([("1 </text><script>", 1.5, True), ("2 b", 0.0, False)], "peak memory, GB", 1060)
    assert ">1.5<" in drawn
    assert "<script" not in drawn
    assert ">0<" in drawn
