"""Do two bases rank the same points alike? What tuning on a small base says about a larger one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import BadRunDirectory
from harness.outputs import write_output
from reports.load import Run, load
from reports.numbers import percent, points

__all__ = ["Shared", "Transfer", "as_text", "compare_sweeps", "write_json"]

FEWEST = 3
"""Two points are always ranked alike or the other way round, so their agreement says nothing."""

LIKELY = 0.05
DRAWS = 9999
SEED = 0


@dataclass(frozen=True, slots=True)
class Shared:
    """A point that both sweeps measured whole: the settings asked for by dotted key, scores in [0, 1] on all rows."""

    name: str
    settings: Mapping[str, Any]
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Transfer:
    """How far the second base ranks the points as the first does.

    Attributes:
        suite, metric: what ranked them.
        points: in the first sweep's order, at least three.
        left_out: names of points that only one sweep has, or measured whole.
        tau: Kendall's tau-b, in [-1, 1]: 1 for the same order, 0 for none.
        p: chance of a tau as large from orders that have nothing to do with each other, in (0, 1].
        best: the first sweep's best point.
        lost: score that the second base loses by taking `best` in place of its own best, in [0, 1].
        sentence: what this comes to.
    """

    suite: str
    metric: str
    points: tuple[Shared, ...]
    left_out: tuple[str, ...]
    tau: float
    p: float
    best: str
    lost: float
    sentence: str


def compare_sweeps(first: Path, second: Path) -> Transfer:
    """Compare the rankings of two finished sweeps of the same points.

    Args:
        first: run directory of the sweep that was to tell, such as that on a small base.
        second: of the one that it was to tell about.

    Raises:
        BadRunDirectory: one holds no sweep; they are ranked by different rows, prompts or metrics; fewer than three
            points were measured whole by both; or all points of one score the same.
    """
    runs = [load(folder) for folder in (first, second)]
    one, other = (_Ranked.of(run) for run in runs)
    if differs := [key for key in one.yardstick if one.yardstick[key] != other.yardstick.get(key)]:
        raise BadRunDirectory(
            f"{second}: its points are ranked by another {differs[0]} than those of {first}; sweep both with one suite"
        )
    shared = tuple(
        Shared(name, one.settings[key], one.scores[key], other.scores[key])
        for key, name in one.names.items()
        if key in one.scores and key in other.scores
    )
    both = {key for key in one.scores if key in other.scores}
    left_out = sorted({name for each in (one, other) for key, name in each.names.items() if key not in both})
    if len(shared) < FEWEST:
        raise BadRunDirectory(
            f"{second}: shares {len(shared)} measured points with {first}, and a ranking needs {FEWEST}; "
            "sweep the same settings on both bases"
        )
    tau, p = _agreement([point.first for point in shared], [point.second for point in shared], (first, second))
    best = max(shared, key=lambda point: point.first)
    lost = max(point.second for point in shared) - best.second
    same_base = runs[0].base.fingerprint == runs[1].base.fingerprint
    sentence = _sentence(len(shared), p, same_base=same_base)
    metric = str(one.yardstick["metric"])
    return Transfer(str(one.yardstick["suite"]), metric, shared, tuple(left_out), tau, p, best.name, lost, sentence)


def as_text(found: Transfer) -> str:
    """For a terminal: the points in the first sweep's order of merit, then what they come to."""
    width = max(len(point.name) for point in found.points)
    ranked = sorted(found.points, key=lambda point: -point.first)
    lines = [f"{'point':<{width}}  first  second   ranked by {found.metric} of {found.suite}, all rows"]
    lines += [f"{point.name:<{width}}  {percent(point.first):>5}  {percent(point.second):>6}" for point in ranked]
    if found.left_out:
        lines.append(f"left out, because not measured whole in both: {', '.join(found.left_out)}")
    lines.append(f"Kendall's tau-b {found.tau:+.2f} over {len(found.points)} points, one-sided p {found.p:.3f}")
    lines.append(found.sentence)
    behind = (
        "is best on the second too"
        if found.lost == 0
        else f"stands at {points(-found.lost)} points to the second's own best"
    )
    return "\n".join([*lines, f"The first base's best, {found.best}, {behind}."])


def write_json(found: Transfer, path: Path) -> None:
    """Write it to a file.

    Raises:
        UsageProblem: the file cannot be written.
    """
    write_output(path, (json.dumps(asdict(found), indent=2) + "\n").encode())


@dataclass(frozen=True, slots=True)
class _Ranked:
    """One sweep: its points by what was asked for.

    Names are made from what differs within one sweep, and ranks may be derived from the base.
    """

    yardstick: Mapping[str, object]
    names: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]]
    scores: Mapping[str, float]

    @classmethod
    def of(cls, run: Run) -> "_Ranked":
        if run.sweep is None:
            raise BadRunDirectory(f"{run.folder}: is no sweep; give a run that was made with --sweep")
        suite = next(suite for suite in run.suites if suite.name == run.sweep.suite)
        settings = {point["model"]: point.get("given", point["settings"]) for point in run.plan["sweep"]["points"]}
        keys = {json.dumps(values, sort_keys=True): name for name, values in settings.items()}
        means = {
            result.model: result.estimate.value
            for result in run.results
            if (result.suite, result.metric) == (run.sweep.suite, run.sweep.metric) and result.estimate
        }
        return cls(
            yardstick={"suite": run.sweep.suite, "metric": run.sweep.metric, **suite.layers},
            names=keys,
            settings={key: settings[name] for key, name in keys.items()},
            scores={key: means[name] for key, name in keys.items() if name in means},
        )


def _agreement(first: Sequence[float], second: Sequence[float], folders: tuple[Path, Path]) -> tuple[float, float]:
    """Tau-b, and its one-sided p by shuffling: exact up to seven points, and right also where scores are equal."""
    import numpy as np
    from scipy.stats import kendalltau, permutation_test

    for scores, folder in zip((first, second), folders, strict=True):
        if len(set(scores)) == 1:
            raise BadRunDirectory(f"{folder}: all its points score {percent(scores[0])}; there is no order to compare")
    theirs = np.sign(np.subtract.outer(second, second))  # (points, points)
    drawn = permutation_test(
        (first,),
        lambda ours: (np.sign(np.subtract.outer(ours, ours)) * theirs).sum(),  # orders tau-b, and is quick
        permutation_type="pairings",
        alternative="greater",
        n_resamples=DRAWS,
        rng=SEED,
    )
    return float(kendalltau(first, second).statistic), float(drawn.pvalue)


def _sentence(n: int, p: float, *, same_base: bool) -> str:
    if same_base:
        return "Both sweeps are on one base: this says how well a ranking repeats, not whether it carries over."
    if p <= LIKELY:
        return "The ranking carries over beyond chance; what is lost by trusting it stands below."
    hope = "; with three, not even the same order would show it" if n == FEWEST else "; more points or rows would"
    return f"Whether the ranking carries over cannot be told from these {n} points{hope}."
