"""The first screen: may it ship, why, and what would change that. Made from the verdicts that set the exit code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.types import Outcome, Verdict
from reports.load import Run, aggregate
from reports.numbers import count, interval, percent, percent_interval, points, seconds
from reports.sweep import Sweep
from reports.texts import measure

__all__ = [
    "Banner",
    "Decider",
    "Tile",
    "absolute",
    "bounds",
    "candidate_banner",
    "cost_tile",
    "floor",
    "rule",
    "run_banner",
    "tiles",
]

_MAX_TILES = 5
_PAIR = 2
_RANK = (Outcome.INVALID, Outcome.NOT_RUN, Outcome.CUT, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)


@dataclass(frozen=True, slots=True)
class Decider:
    """A gate that settled the matter; `change` says what would settle it otherwise, empty when nothing needs to."""

    verdict: Verdict
    change: str


@dataclass(frozen=True, slots=True)
class Banner:
    """The answer in one sentence, and the gates it rests on, worst first."""

    outcome: Outcome
    sentence: str
    deciders: tuple[Decider, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """One number that sums up a suite. `link` is an anchor of the page."""

    label: str
    value: str
    detail: str
    outcome: Outcome | None
    link: str


def run_banner(run: Run) -> Banner:
    """The verdict on the whole run."""
    if len(run.candidates) == 1:
        return _banner(run.outcome, _decision(run, run.candidates[0].name, run.verdicts), run.verdicts)
    if not run.candidates:
        return _banner(run.outcome, _base_sentence(run), run.verdicts)
    if run.sweep and len(run.sweep.points) == len(run.candidates):
        return _banner(run.outcome, _sweep_sentence(run, run.sweep), run.verdicts)
    passed = sum(aggregate(_of(run, model.name)) is Outcome.PASS for model in run.candidates)
    return Banner(run.outcome, _many(run, passed), ())


def candidate_banner(run: Run, model: str) -> Banner:
    """The verdict on one model of the run."""
    verdicts = _of(run, model)
    return _banner(aggregate(verdicts), _decision(run, model, verdicts), verdicts)


def tiles(
    verdicts: Sequence[Verdict],
    flips: tuple[int, int] | None,
    places: Mapping[str, str] | None = None,
    cost: Tile | None = None,
) -> tuple[Tile, ...]:
    """At most five numbers: one a suite, from its worst gate, then the examples that changed sides, then the cost.

    Where there are too many suites, regression sets that pass give way first, because their examples are among those
    that changed sides, then the last of those that pass.

    Args:
        verdicts: on one model.
        flips: broken and fixed examples of all suites; None when nothing was compared.
        places: anchor of the section that says more of a suite, by its name; else it is that of all suites.
        cost: what training and measuring took, when any of it is known.
    """
    suites = dict.fromkeys(each.suite for each in verdicts)
    best = [max((v for v in verdicts if v.suite == suite), key=_telling) for suite in suites]
    made = [_tile(each, (places or {}).get(each.suite, "suites")) for each in best if each.observed is not None]
    further = [cost] if cost else []
    if flips is not None:
        broken, fixed = flips
        said = f"{count(broken)} / {count(fixed)}"
        further.insert(0, Tile("broken / fixed", said, "examples, all suites", None, "flips"))
    while len(made) + len(further) > _MAX_TILES:
        made.remove(max(reversed(made), key=_spared))
    return (*made, *further)


def cost_tile(training: float | None, measuring: float) -> Tile | None:
    """What it took, in seconds: the training, when its trainer told, and answers that this run computed; else None."""
    if training is None and not measuring:
        return None
    told = seconds(training) if training is not None else "not told"
    detail = f"{seconds(measuring)} to measure" if measuring else "to measure: nothing, all was stored"
    return Tile("training time", told, detail, None, "training")


def absolute(verdict: Verdict) -> bool:
    """Whether the gate looks at the candidate alone, so that its numbers are rates and not differences."""
    return verdict.lost is None and not _is_difference(verdict.gate)


def bounds(verdict: Verdict) -> str:
    """What was observed with its bounds: `+1.2 (−0.4 to +2.8) points`, or `97.0% (95.1 to 98.2%)`."""
    seen = verdict.observed
    if seen is None:
        return "not measured"
    if absolute(verdict):
        return f"{percent(seen.value)} ({percent_interval(seen.low, seen.high)})"
    return f"{points(seen.value)} ({interval(seen.low, seen.high)}) points"


def floor(verdict: Verdict) -> float:
    """The least lower bound that passes: a rate in [0, 1], or a signed difference in [-1, 1]."""
    return -abs(verdict.required) if "-drop<=" in verdict.gate else verdict.required


def rule(verdict: Verdict) -> str:
    """The gate in words: `at least 95.0%`, `drop at most 2.0 points`, `gain at least 20.0 points`, `measured`."""
    size = 100 * abs(verdict.required)
    if "-drop<=" in verdict.gate:
        return f"drop at most {size:.1f} points"
    if "-gain>=" in verdict.gate:
        return f"gain at least {size:.1f} points"
    return f"at least {percent(verdict.required)}" if ">=" in verdict.gate else verdict.gate


def _is_difference(gate: str) -> bool:
    return "-drop<=" in gate or "-gain>=" in gate


def _of(run: Run, model: str) -> tuple[Verdict, ...]:
    return run.own_verdicts(model)


def _banner(outcome: Outcome, sentence: str, verdicts: Sequence[Verdict]) -> Banner:
    counted = [each for each in verdicts if not each.advisory]
    settled = sorted((v for v in counted if v.outcome is not Outcome.PASS), key=lambda v: _RANK.index(v.outcome))
    if not settled and outcome is Outcome.PASS:
        settled = sorted((v for v in counted if v.observed is not None), key=_slack)[:1]
    return Banner(outcome, sentence, tuple(Decider(each, _would_change(each)) for each in settled))


def _decision(run: Run, name: str, verdicts: Sequence[Verdict]) -> str:
    counted = [each for each in verdicts if not each.advisory]
    outcome, total = aggregate(tuple(verdicts)), _gates(len(counted))
    if len(run.candidates) == 1 and outcome is not run.outcome:
        return f"No verdict on {name}: the run ended {run.outcome}."
    hit = _share(counted, outcome)
    match outcome:
        case Outcome.PASS if run.partial:
            return f"{name} passed the {total} that ran, but the run is partial: this is no decision to ship."
        case Outcome.PASS:
            return f"{name} may ship: {'the gate' if len(counted) == 1 else f'all {total}'} passed."
        case Outcome.FAIL:
            return f"Do not ship {name}: {hit} failed."
        case Outcome.INCONCLUSIVE:
            return f"Cannot tell whether {name} may ship: {hit} undecided."
        case _:
            cut = f"{name} was cut on the way: others scored better, and its gates were not asked."
            return cut if outcome is Outcome.CUT else f"No verdict on {name}: {hit} not measured."


def _base_sentence(run: Run) -> str:
    counted = [each for each in run.verdicts if not each.advisory]
    hit = _share(counted, run.outcome)
    match run.outcome:
        case Outcome.PASS:
            return f"The base alone passes {_gates(len(counted))}; no candidate was measured."
        case Outcome.FAIL:
            return f"The base alone misses the bar: {hit} failed."
        case Outcome.INCONCLUSIVE:
            return f"Cannot tell whether the base meets the bar: {hit} undecided."
        case _:
            return f"No verdict on the base: {hit} not measured."


def _sweep_sentence(run: Run, sweep: Sweep) -> str:
    total = len(sweep.points)
    if sweep.winner is None:
        return f"No verdict on the sweep: none of its {total} points could be ranked."
    won = f"{sweep.winner} won the sweep of {total} points"
    if run.outcome is Outcome.PASS:
        return f"{won} and passed, but the run is partial." if run.partial else f"{won} and may ship."
    return f"{won}; its own outcome, which decides, is {run.outcome}."


def _many(run: Run, passed: int) -> str:
    total = len(run.candidates)
    if run.outcome is Outcome.PASS:
        return f"{'Both' if total == _PAIR else f'All {total}'} candidates passed" + (
            ", but the run is partial." if run.partial else " and may ship."
        )
    return f"{passed} of {total} candidates passed; the run as a whole is {run.outcome}."


def _share(counted: Sequence[Verdict], outcome: Outcome) -> str:
    alike = {Outcome.INVALID, Outcome.NOT_RUN, Outcome.CUT} if outcome is Outcome.INVALID else {outcome}
    return f"{sum(each.outcome in alike for each in counted)} of {_gates(len(counted))}"


def _gates(number: int) -> str:
    return "1 gate" if number == 1 else f"{number} gates"


def _would_change(verdict: Verdict) -> str:
    seen = verdict.observed
    if verdict.outcome is Outcome.PASS:
        return ""
    if verdict.outcome is Outcome.CUT:
        return "training it to the end: sweep it without --halving, or with a larger keep."
    if seen is None or verdict.outcome in {Outcome.INVALID, Outcome.NOT_RUN}:
        return "a complete measurement: mend the cause and run again; stored answers are reused."
    if verdict.outcome is Outcome.INCONCLUSIVE and verdict.needed is not None:
        return f"about {count(verdict.needed)} examples; this run had {count(verdict.n)}."
    if absolute(verdict):
        return f"a lower bound of {percent(verdict.required)} or more; it is {percent(seen.low)}."
    return f"a lower bound of {points(floor(verdict))} points or more; it is {points(seen.low)}."


def _slack(verdict: Verdict) -> float:
    return verdict.observed.low - floor(verdict) if verdict.observed is not None else 0.0


def _telling(verdict: Verdict) -> tuple[int, int]:
    """Worst first, so that no green tile hides a red gate; then gains, then rates, then drops."""
    kind = 2 if "-gain>=" in verdict.gate else int(absolute(verdict))
    return -_RANK.index(verdict.outcome), kind


def _spared(tile: Tile) -> tuple[bool, bool]:
    """Which tile says least that others do not say: never a red one while a green one is left."""
    return tile.outcome is Outcome.PASS, tile.link == "regression"


def _tile(verdict: Verdict, place: str) -> Tile:
    seen = verdict.observed
    if seen is None:
        raise ValueError("a tile needs a measured verdict")
    if absolute(verdict):
        value, detail = (
            percent(seen.value),
            f"{percent_interval(seen.low, seen.high)}, needs {percent(verdict.required)}",
        )
    else:
        value, detail = f"{points(seen.value)} pts", f"{interval(seen.low, seen.high)}, needs {points(floor(verdict))}"
    return Tile(measure(verdict.suite, verdict.metric), value, detail, verdict.outcome, place)
