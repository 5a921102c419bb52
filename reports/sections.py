"""What was measured, and what failed and why, as values."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.types import Estimate, Row, Verdict
from reports.headline import absolute, floor
from reports.load import Key, Result, Run
from reports.pairs import Transitions, pairs, score_of, transitions

__all__ = ["Cause", "Line", "causes", "lines"]


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of one suite on one candidate, beside the base; without candidates the base stands alone.

    Attributes:
        delta: candidate minus base, in [-1, 1]; None when either is unmeasured or there is no candidate.
        bounds: the difference with its interval, from the gate that decided on it; None without such a gate.
        floor: the least difference that the gate lets pass, in [-1, 1]; None without such a gate.
    """

    suite: str
    metric: str
    n: int
    base: Result | None
    candidate: Result | None
    delta: float | None
    bounds: Estimate | None
    floor: float | None
    transitions: Transitions | None
    gates: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """How often one reason code was given on each side; None where that side was not measured."""

    suite: str
    metric: str
    reason: str
    base: int | None
    candidate: int | None

    @property
    def more(self) -> int | None:
        """How many more the candidate has than the base; None unless both were measured."""
        return None if self.base is None or self.candidate is None else self.candidate - self.base


def lines(run: Run, model: str) -> tuple[Line, ...]:
    """Every metric measured on `model`, in the order of the run, then what was to be decided but was not measured."""
    made = [_line(run, result) for result in run.results if result.model == model]
    shown = {(line.suite, line.metric) for line in made}
    missing: dict[tuple[str, str], list[Verdict]] = {}
    for each in run.verdicts:
        if each.model == model and (each.suite, each.metric) not in shown:
            missing.setdefault((each.suite, each.metric), []).append(each)
    return (*made, *(_missing_line(run, gates) for gates in missing.values()))


def causes(run: Run, model: str) -> tuple[Cause, ...]:
    """Reason codes other than `ok`, by suite and metric, most frequent first on the candidate's side."""
    found: list[Cause] = []
    for result in (each for each in run.results if each.model == model):
        base = _reasons(run.rows.get(Key(result.suite, run.base.name)), result.metric)
        own = _reasons(run.rows.get(Key(result.suite, model)), result.metric) if model != run.base.name else None
        codes = sorted(
            {*(base or ()), *(own or ())}, key=lambda code: (-(own or {}).get(code, 0), -(base or {}).get(code, 0))
        )
        found.extend(
            Cause(
                result.suite,
                result.metric,
                code,
                None if base is None else base[code],
                None if own is None else own[code],
            )
            for code in codes
        )
    return tuple(found)


def _line(run: Run, own: Result) -> Line:
    alone = own.model == run.base.name
    base = own if alone else _result(run, own.suite, run.base.name, own.metric)
    gates = tuple(v for v in run.verdicts if (v.suite, v.model, v.metric) == (own.suite, own.model, own.metric))
    compared = [v for v in gates if not absolute(v) and v.observed is not None]
    paired = () if alone else pairs(run, own.suite, own.model, own.metric)
    return Line(
        suite=own.suite,
        metric=own.metric,
        n=own.n,
        base=base,
        candidate=None if alone else own,
        delta=None if alone else compared[0].observed.value if compared and compared[0].observed else _delta(base, own),
        bounds=compared[0].observed if compared else None,
        floor=floor(compared[0]) if compared else None,
        transitions=transitions(paired) if paired else None,
        gates=gates,
    )


def _missing_line(run: Run, gates: Sequence[Verdict]) -> Line:
    suite, metric = gates[0].suite, gates[0].metric
    return Line(
        suite=suite,
        metric=metric or suite,
        n=gates[0].n,
        base=_result(run, suite, run.base.name, metric),
        candidate=None,
        delta=None,
        bounds=None,
        floor=None,
        transitions=None,
        gates=tuple(gates),
    )


def _delta(base: Result | None, own: Result) -> float | None:
    if base is None or base.estimate is None or own.estimate is None:
        return None
    return own.estimate.value - base.estimate.value


def _result(run: Run, suite: str, model: str, metric: str) -> Result | None:
    wanted = (suite, model, metric)
    return next((each for each in run.results if (each.suite, each.model, each.metric) == wanted), None)


def _reasons(rows: Sequence[Row] | None, metric: str) -> Counter[str] | None:
    if rows is None:
        return None
    codes = Counter(score_of(row, metric).reason_code for row in rows)
    del codes["ok"]
    return codes
