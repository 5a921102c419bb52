"""The options of `--judge`. Those that only bound its work stay out of the plan: a larger budget continues a run."""

import argparse
import math
from collections.abc import Callable
from typing import Any

from harness.errors import UsageProblem
from harness.judge.asked import JudgeSettings, make_judge
from harness.judge.judgement import Judge

__all__ = ["add_judge_options", "read_judge"]

_BOUNDS = ("judge_calls", "judge_budget", "judge_prices", "judge_questions")


def add_judge_options(add: Callable[..., None], *, existing: Callable[[str], str]) -> None:
    """Declare them.

    Args:
        add: declares one option by its name.
        existing: converter of paths that must be there.
    """
    add(
        "judge",
        default=None,
        metavar="URL#MODEL|hf:PATH|embedded",
        help="who grades the judged suites: an OpenAI-compatible endpoint (key in TUNEGATE_JUDGE_KEY), a local model, "
        "or the embedded base; decides only when calibrated, see `tunegate calibrate-judge` (default: nobody)",
    )
    add(
        "judge-calls",
        default=None,
        type=_whole,
        metavar="N",
        help="most requests to the judge's endpoint, retries too (default: no limit)",
    )
    add(
        "judge-budget",
        default=None,
        type=_amount,
        metavar="MONEY",
        help="most to spend on the judge, in the currency of --judge-prices (default: no limit)",
    )
    add(
        "judge-prices",
        default=None,
        metavar="FILE",
        type=existing,
        help='TOML file of prices for a million tokens: ["model"] with input = and output = (default: none)',
    )
    add("judge-concurrency", default=8, type=_whole, metavar="N", help="most requests to it at a time (default: 8)")
    add(
        "judge-deadline",
        default=120.0,
        type=_amount,
        metavar="SECONDS",
        help="most time for one question, retries included (default: 120)",
    )
    add(
        "judge-questions",
        default=None,
        metavar="FILE",
        type=existing,
        help="two-turn questions in MT-Bench's form that the judged suites ask instead of their own rows; answers in "
        "reference_answer.jsonl beside it are used (default: the rows of the suites)",
    )


def read_judge(values: Callable[[str], Any]) -> Judge | None:
    """The judge that was asked for, by the options' names; None without `--judge`.

    Raises:
        UsageProblem: no such judge, no key, no budget, or a bound without a judge.
    """
    asked = values("tunegate_judge")
    if not asked:
        for name in _BOUNDS:
            if values(f"tunegate_{name}") is not None:
                raise UsageProblem(f"--{name.replace('_', '-')}: has no use without --judge; add --judge URL#model")
        return None
    return make_judge(
        JudgeSettings(
            asked,
            calls=values("tunegate_judge_calls"),
            money=values("tunegate_judge_budget"),
            prices=values("tunegate_judge_prices"),
            concurrency=values("tunegate_judge_concurrency"),
            deadline_s=values("tunegate_judge_deadline"),
            device=values("tunegate_device"),
        )
    )


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def _amount(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number
