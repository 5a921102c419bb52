"""The simulations of docs/statistics.md, in small, with fixed seeds: rules keep their promise, and a breach is seen."""

from pathlib import Path

import pytest

from tests.bench import peers, statistics

ROOT = Path(__file__).parents[1]
FEW = 2000


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """A tenth of the repetitions, and a tolerance of three of their standard errors."""
    monkeypatch.setattr(statistics, "REPETITIONS", FEW)
    monkeypatch.setattr(statistics, "TOLERANCE", 3 * (0.05 * 0.95 / FEW) ** 0.5)
    monkeypatch.setattr(statistics, "SIZES", (50, 150))


def column(table, name):
    """One column's figures."""
    return [row[table.head.index(name)] for row in table.rows]


def test_the_best_of_many_is_no_better_for_being_the_best():
    """Of up to 32 equal configurations select and confirm passes one in 5 % of sweeps, the naive best in most."""
    table = statistics.configurations()
    assert not table.faults
    assert max(column(table, "best of K, same gate")) > 0.4
    assert max(column(table, "Holm")) <= 0.05 + statistics.TOLERANCE


def test_looking_often_is_paid_for_by_betting_alone():
    """Twenty looks keep the promise with e-values and bets, and break it with a test that was made for one."""
    table = statistics.peeking()
    assert not table.faults
    assert min(column(table, "a fixed test at each look")) > 0.15


def test_a_second_look_is_paid_for_by_halving_the_error():
    """A slice, and then all rows, at half the error each, keep the promise; at the whole error each they do not."""
    table = statistics.looks()
    assert not table.faults
    assert min(column(table, "whole error")) > 0.06
    assert all(own > 0.8 * once for own, once in zip(column(table, "power"), column(table, "one look"), strict=True))


def test_candidate_after_candidate_is_paid_for_by_spending_the_error():
    """However many that are no better come, one passes in 5 % of cases; without it some nearly always does."""
    table = statistics.attempts()
    assert not table.faults
    assert max(column(table, "--attempts count")) > 0.5


def test_margins_rates_and_flips_keep_their_promises():
    """Exactly at the limit, and for a base against itself, by the gate's own rule."""
    rates = statistics.rates()
    assert not [*rates.faults, *statistics.itself().faults]
    assert max(column(rates, "point threshold")) > 0.5


def test_drops_keep_their_promise_where_peers_do_not(monkeypatch):
    """At the margin ours passes at most 5 %, Wald's interval and the bootstrap many times that with few rows."""
    monkeypatch.setattr(statistics, "SHARES", (0.02, 0.10))
    table = statistics.drops()
    assert not table.faults
    assert max(column(table, "paired Wald")) > 0.2
    assert max(column(table, "percentile bootstrap")) > 0.2


def test_a_broken_promise_is_seen():
    """A figure above what is promised, or below what is wanted, is a fault of the table."""
    rows = [("x", 0.049), ("y", 0.06), ("z", 0.0)]
    assert statistics.Table("t", "", ("a", "b"), rows, ours=1, most=0.05).faults == ["t: ('y', 0.06)"]
    assert len(statistics.Table("t", "", ("a", "b"), rows, ours=1, least=0.05).faults) == 2


def test_a_rule_that_is_too_kind_is_seen(monkeypatch):
    """With Wald's rule in place of the gate's the tables report faults."""
    from harness.types import Outcome

    def kind(gate, b, c, n):
        return Outcome.PASS if peers.wald(b, c, n, gate.required) else Outcome.INCONCLUSIVE

    monkeypatch.setattr(statistics, "outcome", kind)
    monkeypatch.setattr(statistics, "SHARES", (0.05,))
    assert statistics.drops().faults


def test_looks_and_candidates_at_the_whole_error_are_seen(monkeypatch):
    """Without the sharing both tables report faults."""
    monkeypatch.setattr(statistics.chances, "shared", lambda gate, _share: gate)
    assert statistics.looks().faults
    assert statistics.attempts().faults


def test_the_page_holds_the_tables():
    """docs/statistics.md was written by the command that it names, with all tables in it."""
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    made = page.partition(statistics.START)[2].partition(statistics.END)[0]
    assert "20,000 repetitions where simulated" in made
    assert made.count("|---|") >= 8
    assert "`make bench-stats`" in made
    assert "bench-stats: install" in (ROOT / "Makefile").read_text(encoding="utf-8")
