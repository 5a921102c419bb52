"""Suite results made by hand: one metric, one value a row."""

from collections.abc import Mapping, Sequence

from harness.types import FinishReason, Row, Score, SuiteResult

FINGERPRINT = {"data": "d1", "prompt": "p1", "decode": "g1", "score": "s1"}


def result(
    values: Sequence[float | None],
    *,
    model: str = "candidate",
    metric: str = "accuracy",
    clusters: Sequence[str] | None = None,
    fingerprint: Mapping[str, str] = FINGERPRINT,
) -> SuiteResult:
    """A result whose i-th row has id `r<i>` and scores `values[i]`."""
    names = clusters or [f"r{i}" for i in range(len(values))]
    rows = tuple(
        Row(f"r{i}", cluster, (), "prompt", "target", "output", FinishReason.STOP, 1, 1, (Score(metric, value),))
        for i, (value, cluster) in enumerate(zip(values, names, strict=True))
    )
    return SuiteResult("suite", fingerprint, model, rows, 1.0, len(rows))


def paired(
    gained: int, lost: int, n: int, *, both_right: int = 0, metric: str = "accuracy"
) -> tuple[SuiteResult, SuiteResult]:
    """A base and a candidate of n rows with that many gained and lost; the rest are wrong but for `both_right`."""
    agreed = [1.0] * both_right + [0.0] * (n - gained - lost - both_right)
    base = [0.0] * gained + [1.0] * lost + agreed
    candidate = [1.0] * gained + [0.0] * lost + agreed
    return result(base, model="base", metric=metric), result(candidate, metric=metric)
