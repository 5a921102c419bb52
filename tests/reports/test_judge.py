"""The judge on the page: what it is worth, what it cost, whether it decides, and that nobody was asked."""

import openai  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once,
import pytest
import scipy.optimize
import scipy.stats  # noqa: F401
import statsmodels.regression.linear_model  # noqa: F401
import vl_convert  # noqa: F401  # and so does the drawing library

from reports.html import render
from reports.load import load
from reports.page import build
from tests.judge.courtroom import answers, calibrated, court, hold
from tests.judge.fake_judge import fake_judge, grade

pytest_plugins = "pytester"


@pytest.fixture
def page(pytester, monkeypatch):
    """Call to run the gate and get the page, with a calibrated judge, one that is not, or none."""
    monkeypatch.delenv("TUNEGATE_JUDGE_KEY", raising=False)
    root = court(pytester, plain=True)
    answers(root, "base", lambda i: f"A first answer {i}")
    answers(root, "tuned", lambda i: f"Another answer {i}")

    def made(*, judge=True, calibrate=True):
        options = ()
        with fake_judge(
            grade(lambda case: "A" if len(case["answers"]) == 2 else 5 if case["id"] == "ping" else 2)
        ) as on:
            if judge:
                options = ("--judge", on.asked, "--judge-calls", "500")
            if calibrate:
                calibrated(root, on)
            hold(pytester, *options, "--run-dir", "run")
        return render(build(load(root / "run"), 5))

    return made


def section(page):
    """The part of the page that tells of the judge."""
    return page.partition('<section id="judge"')[2].partition("</section>")[0]


def test_worth_consistency_failures_and_cost_are_shown(page):
    """Kappa with bounds, repeats, order, planted answers, lengths, calls; and that it decides."""
    shown = section(page())
    for said in (
        "1.00 to 1.00",
        "12 of 12 repeats",
        "60 of 60 pairs; first won 100.0%",
        "base 0 of 60, candidate 0 of 60, games 0 of 120",
        "0 of ",
        "calls",
        "from the store",
        "tokens",
        "It decides.",
    ):
        assert said in shown


def test_an_uncalibrated_judge_is_called_advisory(page):
    """With the reason, there and at its gates."""
    whole = page(calibrate=False)
    assert "not calibrated" in section(whole)
    assert "Advisory: the judge is not calibrated" in section(whole)
    assert "(advisory)" in whole.partition('id="suites"')[2]


def test_a_run_without_judge_says_that_nobody_was_asked(page):
    """And what to add."""
    whole = page(judge=False, calibrate=False)
    assert "judged: not requested" in section(whole)
    assert "not requested: add --judge" in whole.partition('id="warnings"')[2]
