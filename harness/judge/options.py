"""The options of `--judge`. Those that only bound its work stay out of the plan: a larger budget continues a run."""

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.errors import UsageProblem
from harness.judge.asked import JudgeSettings, make_judge
from harness.judge.budget import UNBOUNDED, Caps
from harness.judge.endpoint import EndpointJudge
from harness.judge.panel import Panel

__all__ = ["add_judge_options", "read_judges"]

_BOUNDS = ("second_judge", "judge_calls", "judge_budget", "judge_prices", "judge_questions")


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
        "second-judge",
        default=None,
        metavar="URL#MODEL|hf:PATH|embedded",
        help="who grades, without giving reasons, the answers that read like orders to the judge; pays from the same "
        "budget (default: the judge itself, and they are named for people to look at)",
    )
    add(
        "judge-calls",
        default=None,
        type=_calls,
        metavar="N[,suite=N][,day=N]",
        help="most requests to the judge's endpoint, retries too: in this run, for each suite, and in a day (UTC) over "
        "all runs with this --store (default: no limit)",
    )
    add(
        "judge-budget",
        default=None,
        type=_money,
        metavar="MONEY[,suite=MONEY][,day=MONEY]",
        help="most to spend on the judge, likewise, in the currency of --judge-prices (default: no limit)",
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


def read_judges(values: Callable[[str], Any]) -> Panel | None:
    """The judges that were asked for, by the options' names; None without `--judge`.

    Raises:
        UsageProblem: no such judge, no key, no budget, a bound without a judge, or the same judge twice.
    """
    asked = values("tunegate_judge")
    if not asked:
        for name in _BOUNDS:
            if values(f"tunegate_{name}") is not None:
                raise UsageProblem(f"--{name.replace('_', '-')}: has no use without --judge; add --judge URL#model")
        return None
    settings = JudgeSettings(
        asked,
        calls=values("tunegate_judge_calls") or UNBOUNDED,
        money=values("tunegate_judge_budget") or UNBOUNDED,
        prices=values("tunegate_judge_prices"),
        concurrency=values("tunegate_judge_concurrency"),
        deadline_s=values("tunegate_judge_deadline"),
        device=values("tunegate_device"),
        store=values("tunegate_store"),
    )
    judge, other = make_judge(settings), values("tunegate_second_judge")
    if other == asked:
        raise UsageProblem(f"--second-judge {other}: is the judge itself; give another model")
    if not other:
        return Panel(judge)
    purse = judge.budget.purse if isinstance(judge, EndpointJudge) else None
    return Panel(judge, make_judge(replace(settings, asked=other, reasons=False), purse))


def _calls(text: str) -> Caps:
    return _caps(text, _whole)


def _money(text: str) -> Caps:
    return _caps(text, _amount)


def _caps(text: str, read: Callable[[str], float]) -> Caps:
    """`100`, `100,suite=20,day=500` or any part of it."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = part.partition("=")
        name, number = (name.strip(), number) if equals else ("run", part)
        if name not in Caps.__dataclass_fields__ or name in found:
            raise argparse.ArgumentTypeError(f"{text!r}: {part!r} is none of N, suite=N and day=N, or is given twice")
        found[name] = read(number.strip())
    return Caps(**found)


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
