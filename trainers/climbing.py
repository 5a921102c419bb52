"""The points of a sweep that can be stopped on the way, and how they get from rung to rung."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from harness.errors import HarnessError, NotMeasured
from harness.halving import Reached
from harness.sweeps import Screen
from harness.types import ModelRef
from trainers.jobs import Job
from trainers.packed.jobs import train_stretch
from trainers.packed.plan import Packs
from trainers.packed.span import WHOLE, Span, Steps, part_of, steps_of

__all__ = ["reach"]


def reach(
    jobs: Mapping[str, Job], models: Mapping[str, ModelRef], packs: Packs, screen: Screen, span: Span
) -> dict[str, Reached | HarnessError]:
    """Train points over a span of their steps.

    Args:
        jobs: of the points that go on, by name.
        models: what is measured of each once it is trained to the end.
        packs: who is trained with whom; whoever goes on no further is left out.
        screen: shows how far it is.
        span: of the steps.

    Returns:
        For each of `jobs` what it is now, or why it could not be trained.
    """
    found: dict[str, Reached | HarnessError] = {}
    for pack in packs:
        going = [jobs[name] for name in pack if name in jobs]
        if not going:
            continue
        try:
            fresh, faults = train_stretch(going, screen, span)
            found |= {job.name: _reached(job, models[job.name], span.until, fresh) for job in going} | dict(faults)
        except HarnessError as error:
            found |= {job.name: NotMeasured(f"training {job.name}: {error}") for job in going}
    return found


def _reached(job: Job, model: ModelRef, until: Fraction, fresh: frozenset[str]) -> Reached:
    folder = part_of(job.out, until)
    steps = Steps(0, 0) if until == WHOLE or not folder.exists() else steps_of(folder)
    return Reached(replace(model, adapter=str(folder)), *steps, job.name in fresh)
