"""Engines, metrics and suites that lose, invent or mix up what was measured."""

from collections.abc import Callable
from pathlib import Path

from harness.pins import Pins, write_pins
from tests.silent_pass.ways import PAIRED, Area, Way, both, edit, head, make_suite, rule


def other_prompt(root: Path) -> None:
    """The suite's system text is not the one that the adapter was trained with."""
    make_suite(root, gates=PAIRED, system="Answer yes or no.")
    write_pins(root / "good", Pins("0", "Answer in French.", "0", (1, 2)))


def lossy(rows: str) -> Callable[[Path], None]:
    """The suite gives back other rows than were planned: an expression of `rows`."""
    code = f"""
from dataclasses import replace

class Lossy(Suite):
    def measure(self, *args):
        result = Suite.measure(self, *args)
        rows = result.rows
        return replace(result, rows={rows})

suite = Lossy("""
    return lambda root: edit(root / "suites/test_asks.py", "suite = Suite(", code)


def metric(value: str, chance: str = "0.0") -> Callable[[Path], None]:
    """Score with a metric of one's own: an expression of the answer's text."""
    code = f'per_example("exact_match", lambda example, text: Judgement({value}), chance={chance})'

    def apply(root: Path) -> None:
        head("from harness.metrics import Judgement, per_example")(root)
        edit(root / "suites/test_asks.py", "exact_match()]", f"{code}]")

    return apply


WAYS = [
    Way("a metric gives NaN", metric("float('nan')"), 11, "a score is in [0, 1], or None"),
    Way("a metric gives 2", metric("2.0"), 11, "a score is in [0, 1], or None"),
    Way("a metric gives a negative number", metric("-0.5"), 11, "a score is in [0, 1], or None"),
    Way("a metric scores nothing", metric("None"), 11, "no example has a exact_match score under both models"),
    Way("a metric crashes", metric("1 / 0"), 11, "crashed in setup: ZeroDivisionError"),
    Way("the base is below chance", metric("float(text == 'yes')", chance="0.99"), 11, "that is below chance (99 %)"),
    Way("a suite loses a row", lossy("rows[1:]"), 11, "119 rows came back for 120 planned ones"),
    Way("a suite changes the order of its rows", lossy("rows[::-1]"), 11, "or in another order"),
    Way("a suite counts a row twice", lossy("rows + rows[:1]"), 11, "121 rows came back"),
    Way("a suite gives nothing", lossy("()"), 11, "0 rows came back"),
    Way("every answer is cut", rule("good", right=120, cut=120), 1, "a drop of 5 points"),
    Way(
        "the engine crashes",
        rule("good", right=114, crash="out of memory"),
        11,
        "crashed in setup: RuntimeError: out of memory",
    ),
    Way("the engine leaves rows unanswered", rule("good", right=114, silent=True), 11, "prompts unanswered"),
    Way(
        "the base's engine crashes",
        rule("base", right=108, crash="no memory"),
        11,
        "crashed in setup: RuntimeError: no memory",
    ),
    Way(
        "the adapter is refused",
        rule("good", right=114, refuse=True),
        11,
        "was trained on another base; train it again",
    ),
    Way("the base is refused", rule("base", right=108, refuse=True), 11, "was trained on another base; train it again"),
    Way("the prompt is not the adapter's", other_prompt, 11, "was trained with 'Answer in French.'"),
    Way(
        "the base cannot lose what the gate forbids",
        both(rule("base", right=0), rule("good", right=0, cut=1)),
        10,
        "cannot fail",
    ),
]

AREA = Area("Measurements that are lost, invented or mixed up", "pytest suites --model base --adapter good", WAYS)
