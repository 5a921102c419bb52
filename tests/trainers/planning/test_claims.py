"""The page about memory is what the code says today, and misses no claim."""

import json

import pytest

from tests.bench.memory import Measured, points, row
from trainers.planning import claims
from trainers.planning.claim_rows import memory_claims
from trainers.planning.claim_times import time_claims
from trainers.planning.memory import footprint


def test_the_page_is_up_to_date():
    """docs/memory.md is what `python -m trainers.planning.claims` writes."""
    assert claims.PAGE.read_text(encoding="utf-8") == claims.page(), "run python -m trainers.planning.claims"


def test_every_claim_about_memory_time_and_cost_has_a_line():
    """No row of the list of claims is left out, and each has figures and a verdict."""
    found = [*memory_claims(), *time_claims()]
    assert {each.row for each in found} == {40, 41, 42, 43, 48, 49, *range(54, 77)}
    assert all(each.says and each.ours and each.verdict and each.where for each in found)


@pytest.mark.parametrize(
    ("row_number", "figure"),
    [
        (40, "0.373 bit"),
        (41, "Llama-3.2-3B 6.43 -> 2.24 GB, 2.87x; Llama-3.1-8B 16.06 -> 5.70 GB, 2.82x; Qwen2.5-0.5B 0.99 -> 0.46"),
        (49, "0.34 GB, with weights and gradients 0.67 GB"),
        (57, "8B 96 GB, Mixtral 560 GB, 70B 847 GB"),
        (59, "141 GB"),
        (71, "$1.1-3.0"),
    ],
)
def test_exact_figures(row_number, figure):
    """Figures that can be computed by hand are these."""
    ours = next(each.ours for each in [*memory_claims(), *time_claims()] if each.row == row_number)
    assert figure in ours


def test_measured_points_fill_the_table(tmp_path, monkeypatch):
    """A file of measurements turns into a table with errors of today's prediction, and their summary."""
    rows = []
    for share, (name, setup) in zip((1.0, 1.25), points().items(), strict=False):
        found = footprint(setup)
        rows.append(row(name, setup, Measured(int(found.allocated / share), int(found.reserved / share), 0)))
    rows.append(row("Llama-3.2-1B lora 1x512", points()["Llama-3.2-1B lora 1x512"], "skipped: no trl"))
    path = tmp_path / "points.json"
    path.write_text(json.dumps({"device": "GPU", "versions": {"torch": "2.11"}, "rows": rows}), encoding="utf-8")
    monkeypatch.setattr(claims, "POINTS", path)
    page = claims.page()
    assert "GPU; torch 2.11" in page
    assert "allocated: median 12.5%, worst 25.0%, lowest +0.0%" in page
    assert "Not measured yet" not in page
