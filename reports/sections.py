"""The tables of the page, as values: what was measured, what failed and why, slices, health of the outputs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from harness.types import Estimate, FinishReason, Row, Verdict
from reports.headline import absolute, floor
from reports.load import Key, Result, Run
from reports.pairs import Transitions, pairs, primary_metric, score_of, transitions

__all__ = ["Cause", "Health", "Line", "Slice", "SuiteSlices", "causes", "health", "lines", "slices"]

_ENOUGH_FOR_TAIL = 20


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


@dataclass(frozen=True, slots=True)
class Slice:
    """The examples of a suite that carry one tag. Counts of right answers; `candidate` None in a run of the base."""

    tag: str
    n: int
    base: int
    candidate: int | None
    fixed: int
    broken: int

    @property
    def delta(self) -> float | None:
        """Candidate minus base, in [-1, 1]."""
        return None if self.candidate is None else (self.candidate - self.base) / self.n


@dataclass(frozen=True, slots=True)
class SuiteSlices:
    """The slices of one suite by first tag, largest loss first."""

    suite: str
    metric: str
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """What the outputs of one measurement look like, whatever their score. Lengths in tokens."""

    suite: str
    model: str
    n: int
    truncated: int
    empty: int
    prompt_length: float
    median_length: float
    tail_length: int
    longest: int
    seconds: float
    fresh: int


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


def slices(run: Run, model: str, suites: Iterable[str]) -> tuple[SuiteSlices, ...]:
    """Right answers by first tag, for those of `suites` that have at least two. No gate looks at them."""
    made = (SuiteSlices(s, primary_metric(run, s), _slices(run, model, s)) for s in suites)
    return tuple(each for each in made if len(each.slices) > 1)


def health(run: Run) -> tuple[Health, ...]:
    """One entry for each measurement, in the order of the run."""
    first = {Key(result.suite, result.model): result for result in reversed(run.results)}
    keys = dict.fromkeys(Key(result.suite, result.model) for result in run.results)
    return tuple(_health(key, run.rows[key], first[key]) for key in keys if run.rows.get(key))


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


def _slices(run: Run, model: str, suite: str) -> tuple[Slice, ...]:
    metric = primary_metric(run, suite)
    alone = model == run.base.name
    groups: dict[str, list[tuple[bool, bool]]] = {}
    for pair in pairs(run, suite, model, metric):
        right = (score_of(pair.base, metric).value == 1, score_of(pair.candidate, metric).value == 1)
        groups.setdefault(pair.base.tags[0] if pair.base.tags else "untagged", []).append(right)
    made = [
        Slice(
            tag=tag,
            n=len(rights),
            base=sum(old for old, _ in rights),
            candidate=None if alone else sum(new for _, new in rights),
            fixed=sum(new and not old for old, new in rights),
            broken=sum(old and not new for old, new in rights),
        )
        for tag, rights in groups.items()
    ]
    return tuple(sorted(made, key=lambda s: s.base / s.n if s.delta is None else s.delta))


def _health(key: Key, rows: Sequence[Row], result: Result) -> Health:
    lengths = sorted(row.new_tokens for row in rows)
    return Health(
        suite=key.suite,
        model=key.model,
        n=len(rows),
        truncated=sum(row.finish_reason is FinishReason.LENGTH for row in rows),
        empty=sum(not row.output.strip() for row in rows),
        prompt_length=median(row.prompt_tokens for row in rows),
        median_length=median(lengths),
        tail_length=round(quantiles(lengths, n=20)[-1]) if len(lengths) >= _ENOUGH_FOR_TAIL else lengths[-1],
        longest=lengths[-1],
        seconds=result.seconds,
        fresh=result.fresh,
    )
