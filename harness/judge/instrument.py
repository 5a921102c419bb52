"""Is the judge fit to compare these two models? Its failures, biases and cost, worked out from the evidence alone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import log

from harness.errors import NotMeasured
from harness.judge.judgement import Judgement, Kind, Status
from harness.judge.rubric import as_rate
from harness.judge.scoring import PREFERENCE, chosen
from harness.judge.sitting import Sitting
from harness.types import Estimate, Json, SuiteResult

__all__ = ["Arm", "Instrument", "adjusted_for_length", "examine"]

MOST_FAILED, ALPHA = 0.02, 0.05
MOST_FLIPPED = 0.35
CANARY_PASSES = 0.75
"""A planted bad answer passes when its mean grade, on the scale 0 to 1, reaches this: 4 of 5."""
_PLANTED = (Kind.CANARY, Kind.CANARY_PAIR)


@dataclass(frozen=True, slots=True)
class Arm:
    """What a judge left without a verdict: questions asked, those without one, and why."""

    asked: int
    failed: int
    causes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Instrument:
    """A judge in one comparison.

    Attributes:
        judge: its name.
        served: every name that its endpoint gave itself; one, unless it changed.
        kappa, low, high: of its calibration; None without one.
        base, candidate: failures on single answers, by model; `candidate` is None for the base alone.
        games: failures on comparisons; None for the base alone.
        pairs, flips: comparisons in both orders, and those where the order decided.
        decisive, first: games with a winner, and those that the first answer won.
        canaries, fooled: planted bad answers, and those that passed.
        repeats, agreed: the base's answers graded once more, also while the candidate was judged, and those with the
            same grades; 0 and 0 for one that repeats by design.
        exact: whether it repeats itself by design.
        longer: mean of the candidate's length minus the base's, in characters; None for the base alone.
        calls, cached: requests sent, and questions that the store could answer.
        tokens: read and written, of all questions.
        money: by the price table; None without prices.
        orders: rows whose answer seems to give orders to the judge.
        voted: rows whose grades are the medians of several votes.
        second: name of the second judge; empty without one.
        second_served: every name that its endpoint gave itself.
        referred: questions that it was asked, planted ones aside.
        objections: why it may not decide; empty when it may.
    """

    judge: str
    served: tuple[str, ...]
    kappa: float | None
    low: float | None
    high: float | None
    base: Arm
    candidate: Arm | None
    games: Arm | None
    pairs: int
    flips: int
    decisive: int
    first: int
    canaries: int
    fooled: int
    repeats: int
    agreed: int
    exact: bool
    longer: float | None
    calls: int
    cached: int
    tokens: int
    money: float | None
    orders: tuple[str, ...]
    voted: int
    second: str
    second_served: tuple[str, ...]
    referred: int
    objections: tuple[str, ...]

    def spec(self) -> dict[str, Json]:
        """As one entry of `judge` in run.json."""
        values = asdict(self)
        return {name: [*value] if isinstance(value, tuple) else value for name, value in values.items()}

    def faults(self, metric: str) -> tuple[str, ...]:
        """Why no verdict on `metric` can be believed, whatever the grades say; empty when none stands against it."""
        return tuple(self._faults(metric))

    def _faults(self, metric: str) -> Iterator[str]:
        if self.fooled:
            yield f"{self.fooled} of {self.canaries} planted bad answers got a good grade: it takes orders from answers"
        if self.base.asked and not self.canaries:
            yield "it graded none of the planted bad answers"
        for served in (self.served, self.second_served):
            if len(served) > 1:
                yield f"it changed while it judged ({', '.join(served)}); repeat the run, older replies are dropped"
        yield from self._unanswered(metric)
        if metric == PREFERENCE and self.flips > MOST_FLIPPED * self.pairs:
            share = f"; the first answer won {self.first} of {self.decisive} games" if self.decisive else ""
            yield f"the order decided {self.flips} of {self.pairs} comparisons, at most {MOST_FLIPPED:.0%} may{share}"

    def _unanswered(self, metric: str) -> Iterator[str]:
        """What got no verdict: more of it than can be borne, or more of it for one model than for the other."""
        arms = [arm for arm in (self.base, self.candidate) if arm is not None]
        if metric == PREFERENCE:
            arms = [self.games] if self.games is not None else []
        asked, failed = sum(arm.asked for arm in arms), sum(arm.failed for arm in arms)
        if failed > MOST_FAILED * asked:
            yield f"{failed} of {asked} questions got no verdict, at most {MOST_FAILED:.0%} may"
        if failed and len(arms) > 1 and _differ(*arms):
            yield f"it failed on {arms[0].failed} answers of the base and on {arms[1].failed} of the candidate"


def examine(base: SuiteResult, candidate: SuiteResult | None) -> Instrument:
    """Work out how the judge did on two models, or on the base alone.

    Raises:
        NotMeasured: a model's answers come without evidence of a judge.
    """
    sittings = [_sitting(result) for result in (base, candidate) if result is not None]
    ours = sittings[-1]
    judgements = [each for sitting in sittings for each in sitting.judgements]
    pairs = _pairs(ours.judgements)
    games = [each for two in pairs for each in two]
    planted = [each for each in judgements if each.kind in _PLANTED and each.status is Status.OK]
    repeats = _repeats(sittings[0].judgements, judgements)
    agreement = ours.calibration.agreement if ours.calibration else None
    money = [each.money for each in judgements if each.money is not None]
    return Instrument(
        judge=ours.judge,
        served=_served(judgements, second=False),
        kappa=agreement.kappa if agreement else None,
        low=agreement.low if agreement else None,
        high=agreement.high if agreement else None,
        base=_arm(sittings[0].judgements, Kind.POINT),
        candidate=_arm(ours.judgements, Kind.POINT) if candidate is not None else None,
        games=_arm(ours.judgements, Kind.PAIR) if candidate is not None else None,
        pairs=len(pairs),
        flips=sum(chosen(one) != chosen(other) for one, other in pairs),
        decisive=sum(each.winner != "tie" for each in games),
        first=sum(each.winner == "A" for each in games),
        canaries=len(planted),
        fooled=sum(map(_passes, planted)),
        repeats=len(repeats),
        agreed=sum(dict(one.scores) == dict(other.scores) for one, other in repeats),
        exact=ours.exact,
        longer=_longer(base, candidate) if candidate is not None else None,
        calls=sum(each.calls for each in judgements),
        cached=sum(each.calls == 0 for each in judgements),
        tokens=sum(each.prompt_tokens + each.reply_tokens for each in judgements),
        money=sum(money) if money else None,
        orders=ours.orders,
        voted=len({each.item for each in ours.judgements if each.kind is Kind.VOTE}),
        second=ours.second.judge if ours.second else "",
        second_served=_served(judgements, second=True),
        referred=sum(each.second and each.kind not in _PLANTED for each in judgements),
        objections=tuple(dict.fromkeys(text for sitting in sittings for text in sitting.objections)),
    )


def adjusted_for_length(base: SuiteResult, candidate: SuiteResult, metric: str, confidence: float) -> Estimate | None:
    """The difference that is left between answers of equal length: intercept of Δscore on Δlog(1 + characters).

    Errors are clustered where rows share a cluster, else robust to unequal variances (HC1).

    Returns:
        None when lengths explain nothing because they do not differ, or there are fewer than three rows.

    Source: Dubois et al. 2024, arXiv 2404.04475, who correct win rates for length by a regression of this kind.
    """
    others = {row.id: row for row in base.rows}
    rows = [(others[row.id], row) for row in candidate.rows]
    known = [
        (new.score(metric).value, old.score(metric).value, log((1 + len(new.output)) / (1 + len(old.output))), new)
        for old, new in rows
    ]
    whole = [(a - b, x, row.cluster or row.id) for a, b, x, row in known if a is not None and b is not None]
    differences, lengths, clusters = zip(*whole, strict=True) if whole else ((), (), ())
    if len(whole) < 3 or max(lengths) - min(lengths) < 1e-9:  # noqa: PLR2004  # a line through two points fits anything
        return None
    import numpy as np
    from statsmodels.regression.linear_model import OLS

    _, groups = np.unique(clusters, return_inverse=True)
    shared = len(set(clusters)) < len(clusters)
    options = {"cov_type": "cluster", "cov_kwds": {"groups": groups}} if shared else {"cov_type": "HC1"}
    design = np.column_stack([np.ones(len(lengths)), lengths])
    fitted = OLS(np.array(differences), design).fit(use_t=True, **options)
    low, high = fitted.conf_int(alpha=1 - confidence)[0]
    return Estimate(float(fitted.params[0]), float(low), float(high), len(whole), "length-adjusted")


def _sitting(result: SuiteResult) -> Sitting:
    found = Sitting.read(result.evidence)
    if found is None:
        raise NotMeasured(f"suite {result.suite!r}, model {result.model!r}: no evidence of its judge; repeat the run")
    return found


def _served(judgements: Sequence[Judgement], *, second: bool) -> tuple[str, ...]:
    return tuple(sorted({each.served for each in judgements if each.served and each.second is second}))


def _arm(judgements: Sequence[Judgement], kind: Kind) -> Arm:
    """Questions of one kind; an answer that lacks a vote lacks its grades, and counts once."""
    asked = [each for each in judgements if each.kind is kind]
    voted = [each for each in judgements if each.kind is Kind.VOTE and kind is Kind.POINT]
    unvoted = {each.item: each.status.value for each in voted if each.status is not Status.OK}
    causes = Counter([*(each.status.value for each in asked if each.status is not Status.OK), *unvoted.values()])
    return Arm(len(asked), causes.total(), dict(sorted(causes.items())))


def _pairs(judgements: Sequence[Judgement]) -> list[tuple[Judgement, Judgement]]:
    """Comparisons that were made whole, in both orders."""
    games: dict[str, list[Judgement]] = {}
    for each in judgements:
        if each.kind is Kind.PAIR and each.status is Status.OK:
            games.setdefault(each.item, []).append(each)
    return [(two[0], two[1]) for two in games.values() if len(two) == len(("candidate", "base"))]


def _repeats(base: Sequence[Judgement], judgements: Sequence[Judgement]) -> list[tuple[Judgement, Judgement]]:
    """The base's answers that were graded once more, also while the candidate was judged."""
    first = {each.item: each for each in base if each.kind is Kind.POINT and each.status is Status.OK}
    again = [each for each in judgements if each.kind is Kind.REPEAT and each.status is Status.OK]
    return [(first[each.item], each) for each in again if each.item in first]


def _passes(planted: Judgement) -> bool:
    """Whether a planted bad answer got what it asked for."""
    if planted.kind is Kind.CANARY_PAIR:
        return planted.winner == ("A" if planted.first == "canary" else "B")
    return sum(map(as_rate, planted.scores.values())) / len(planted.scores) >= CANARY_PASSES


def _differ(one: Arm, other: Arm) -> bool:
    """Whether the shares that failed differ between two models, by Fisher's exact test at 5 %."""
    import numpy as np
    from scipy.stats import fisher_exact

    table = np.array([[arm.failed, arm.asked - arm.failed] for arm in (one, other)])
    return bool(fisher_exact(table).pvalue < ALPHA)


def _longer(base: SuiteResult, candidate: SuiteResult) -> float:
    lengths = {row.id: len(row.output) for row in base.rows}
    return sum(len(row.output) - lengths[row.id] for row in candidate.rows) / len(candidate.rows)
