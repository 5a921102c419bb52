"""Regression suites look only at what the base already does well: pool items that it passed every time.

Items chosen because the base passed them *once* partly fail for the base itself when it is asked again. So they are
chosen by several measurements with different batches, and the candidate is compared with yet another one of the base.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.errors import BadSpec, NotMeasured
from harness.hold import is_pinned
from harness.types import SuiteResult

__all__ = ["PassedByBase", "passed_by_base"]


@dataclass(frozen=True, slots=True)
class PassedByBase:
    """Keep the rows that the base scored 1 on in every measurement of the pool.

    Attributes:
        metric: whose score counts.
        at_least: rows that must remain when the whole pool is planned, or the suite cannot decide.
        repeats: measurements of the pool; one is enough where repetitions are identical by design.
    """

    metric: str
    at_least: int
    repeats: int

    def kept(self, pools: Sequence[SuiteResult]) -> tuple[str, ...]:
        """Ids of the rows that passed in all of `pools`, in the order of the first."""
        passed = [{row.id for row in pool.rows if row.score(self.metric).value == 1.0} for pool in pools]
        return tuple(row.id for row in pools[0].rows if all(row.id in ids for ids in passed))

    def restrict(self, result: SuiteResult, pools: Sequence[SuiteResult], *, whole: bool) -> SuiteResult:
        """Leave only the kept rows in `result`, and say so in its notes.

        Args:
            result: a measurement of the pool, of any model.
            pools: the base's measurements that choose.
            whole: whether the whole pool was planned; a `--limit` lifts the requirement of `at_least`.

        Raises:
            NotMeasured: fewer rows remain than required.
        """
        ids = set(self.kept(pools))
        size = len(pools[0].rows)
        required = self.at_least if whole else 1
        if len(ids) < required:
            raise NotMeasured(
                f"suite {result.suite!r}: the base passes {len(ids)} of {size} pool rows in each of {len(pools)} "
                f"measurements, {required} are required; give it a larger or easier pool"
            )
        how = (
            f"{self.repeats - 1} more measurements skipped: on this device they are identical by design"
            if len(pools) < self.repeats
            else f"chosen by {len(pools)} measurements with different batches; the base shown is a fresh one"
        )
        if lost := [row.id for row in result.rows if is_pinned(row) and row.id not in ids]:
            how = f"{how}; left out because the base itself fails them: pinned {', '.join(lost)}"
        note = f"{len(ids)} of {size} pool rows kept because the base passes them; {how}"
        return replace(result, rows=tuple(row for row in result.rows if row.id in ids), notes=(*result.notes, note))


def passed_by_base(metric: str, *, at_least: int = 400, repeats: int = 3) -> PassedByBase:
    """Keep what the base passes `repeats` times; see `PassedByBase`.

    Raises:
        BadSpec: `at_least` or `repeats` is below 1.
    """
    if at_least < 1 or repeats < 1:
        raise BadSpec(f"passed_by_base: at_least={at_least} and repeats={repeats} must both be at least 1")
    return PassedByBase(metric, at_least, repeats)
