"""The index of runs: every run once, a trend for each gate, numbers only, and nothing that leaves the page."""

import json
import re
import sys
from dataclasses import replace

import pytest

from harness import cli
from harness.errors import UsageProblem
from reports.load import load
from reports.numbers import percent, points
from reports.publish.gate_file import write_gate_file
from reports.publish.history import entries, trends, write_history
from reports.publish.of_run import gate_file
from tests.reports.maker import demo


@pytest.fixture
def place(tmp_path):
    """Three runs of the demo over three days, as two gate.json files and one run directory with its page."""
    base = gate_file(load(demo(120).write(tmp_path / "first")))
    for day in (3, 4):
        made = replace(base, run=f"{day:012x}", finished_at=f"2026-01-0{day}T00:00:00+00:00")
        (tmp_path / f"{day}.json").write_bytes(write_gate_file(made))
    (tmp_path / "first" / "report.html").write_text("page")
    return tmp_path


def test_runs_stand_once_and_in_order(place):
    """Whatever the order and number of places, runs are sorted by time, and one that is given twice is one."""
    places = [place / "4.json", place, place / "3.json", place / "first"]
    found = entries(places, place)
    assert [each.run.finished_at[:10] for each in found] == ["2026-01-02", "2026-01-03", "2026-01-04"]
    assert [each.link for each in found] == ["first/report.html", "", ""]


def test_the_page_holds_every_run_and_gate_and_asks_nobody(place):
    """A row for each run, a chart and a table for each gate; a strict policy, and no address but the run's page."""
    assert write_history([place, place / "3.json", place / "4.json"], place / "index.html") == 3
    page = (place / "index.html").read_text(encoding="utf-8")
    run = load(place / "first")
    assert page.count("<figcaption>") == len(run.verdicts)
    for verdict in run.verdicts:
        assert f"{verdict.suite}, {verdict.gate.replace('>', '&gt;').replace('<', '&lt;')}: " in page
        seen = verdict.observed.value
        assert f">{percent(seen) if verdict.lost is None else points(seen)}</td>" in page
    assert re.findall(r'(?:href|src)="([^"#]+)"', page) == ["first/report.html"]
    assert "default-src &#39;none&#39;" in page
    assert not re.search(r"<script|https?://(?!www\.w3\.org)", page)


def test_the_weakest_candidate_stands_for_a_run_and_advisory_gates_do_not(place):
    """Of two candidates the lower bound is drawn; a gate that does not decide has no trend."""
    run = gate_file(load(place / "first"))
    gate = run.gates[0]
    other = replace(gate, model="other", low=gate.low - 0.1)
    (trend,) = trends([replace(run, gates=(gate, other, replace(gate, gate="x", advisory=True)))])
    assert [line.model for _, line in trend.path] == ["other"]


def test_a_suite_that_changed_is_not_joined(place):
    """Two kinds of measurement are told apart in the caption, and no line leads from one to the other."""
    run = gate_file(load(place / "first"))
    gate = replace(run.gates[0], fingerprint="0" * 64)
    runs = [run, run, replace(run, gates=(gate, *run.gates[1:]))]
    first, second = trends(runs)[0], trends(runs)[1]
    assert "2 kinds of measurement" in first.figure.caption
    assert "kinds" not in second.figure.caption
    assert str(first.figure.wide).count("<path") > str(second.figure.wide).count("<path")


def test_a_place_without_runs_is_one_line(place, monkeypatch, capsys):
    """An empty folder, a torn file and a foreign file end with 4 and name the place."""
    (place / "empty").mkdir()
    (place / "torn.json").write_text('{"schema_version": 1')
    (place / "foreign.json").write_text(json.dumps({"a": 1}))
    for name in ("empty", "torn.json", "foreign.json", "nowhere"):
        monkeypatch.setattr(sys, "argv", ["tunegate", "history", str(place / name), "--out", str(place / "x.html")])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 4
        assert name in capsys.readouterr().err
    assert not (place / "x.html").exists()


def test_a_page_that_cannot_be_written_is_one_line(place):
    """A folder in the way is said, not traced."""
    (place / "index.html").mkdir()
    with pytest.raises(UsageProblem, match="--out"):
        write_history([place], place / "index.html")
