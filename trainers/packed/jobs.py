"""A pack as a process of its own: `python -m trainers pack A.toml B.toml ...`, each into the folder beside its file.

The command line always names the whole pack, also what is trained already, so that whoever is started again after a
kill finds the checkpoints of the same pack.
"""

import time
from collections.abc import Sequence

from harness.errors import NotMeasured
from harness.fingerprint import digest
from harness.sweeps import Screen
from trainers.jobs import INVALID, Job, run, surroundings
from trainers.product import failure_of, finished_job

__all__ = ["train_together"]


def train_together(jobs: Sequence[Job], wanted: Job, screen: Screen, *, place: str) -> frozenset[str] | None:
    """Train a pack, unless the wanted point is trained already.

    Args:
        jobs: of the whole pack.
        wanted: one of them.
        screen: shows how far it is.
        place: which of how many `wanted` is, for people.

    Returns:
        Names of the points that were trained now. None when the pack failed as a whole: then its points are to be
        trained one by one, which also tells what is wrong with them.

    Raises:
        NotMeasured: the wanted point failed, now or before.
        HarnessError: an adapter was damaged, its folder cannot be made, or the device is not there.
    """
    if finished_job(wanted.out) is not None:
        return frozenset()
    wanted.refuse_failed()
    before = _trained(jobs)
    for job in jobs:
        job.write()
    environment, chosen = surroundings(screen, wanted.device)
    screen.say(f"training {wanted.name} ({place}) in a pack of {len(jobs)}" + (f" on {chosen}" if chosen else ""))
    started = time.monotonic()
    log = wanted.out.with_name(f"pack-{digest([job.out.name for job in jobs])[:16]}.log")
    ended = run(["pack", *(str(job.beside(".toml")) for job in jobs)], log, screen, environment)
    if finished_job(wanted.out) is not None:
        fresh = _trained(jobs) - before
        screen.say(f"trained {', '.join(sorted(fresh))} in {time.monotonic() - started:.0f} s")
        return fresh
    failed = failure_of(wanted.out)
    if ended.code == INVALID and failed.exists():
        reason = failed.read_text(encoding="utf-8").strip()
        raise NotMeasured(f"training {wanted.name} failed (exit code {INVALID}): {reason}; all it said is in {log}")
    screen.say(f"the pack failed ({ended.how}): {ended.said}; its points are trained one by one; see {log}")
    return None


def _trained(jobs: Sequence[Job]) -> frozenset[str]:
    return frozenset(job.name for job in jobs if finished_job(job.out) is not None)
