"""Is there room? What a run may write is worked out beforehand, because a disk that fills up costs hours."""

import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from harness.errors import UsageProblem
from harness.plan import Plan, PlannedSuite

__all__ = ["refuse_full_disk", "run_bytes", "store_bytes"]

_ROW = 1_000  # ids, scores and reasons of a row in records and report, or keys and checksums of an answer
_TEXT = 4  # bytes of text that a token stands for, at most on average
_TOKEN = 8  # and of its id as JSON
_PARAMETER = 4


def refuse_full_disk(needs: Mapping[Path, int], advice: str) -> None:
    """Refuse work that may write more than is free.

    Args:
        needs: bytes by the folder that they go to, which need not be there yet; folders of one disk are added.
        advice: what to do, for the end of the line.

    Raises:
        UsageProblem: a disk has less room than is needed on it.
    """
    on_disk: dict[int, int] = defaultdict(int)
    places: dict[int, Path] = {}
    for folder, size in needs.items():
        place = _existing(folder)
        disk = place.stat().st_dev
        on_disk[disk] += size
        places.setdefault(disk, place)
    for disk, size in on_disk.items():
        free = shutil.disk_usage(places[disk]).free
        if size > free:
            raise UsageProblem(
                f"{places[disk].absolute()}: up to {_megabytes(size)} may be written there, and {_megabytes(free)} are "
                f"free; {advice}"
            )


def run_bytes(plan: Plan) -> int:
    """Bytes that records and report of a run may take: every row on every model, each answer as long as it can be."""
    return 2 * len(plan.models) * sum(_rows(planned, _TEXT) for planned in plan.suites)


def store_bytes(plan: Plan) -> int:
    """Bytes that answers, and the weights of the points of a sweep that are not there yet, may take in the store."""
    answers = len(plan.models) * sum(_rows(planned, _TEXT + _TOKEN) for planned in plan.suites)
    made = [point.model.adapter or point.model.base for point in plan.points]
    weights = sum(
        _PARAMETER * (point.parameters or 0)
        for point, folder in zip(plan.points, made, strict=True)
        if not Path(folder).exists()
    )
    return answers + weights


def _rows(planned: PlannedSuite, a_token: int) -> int:
    tokens = getattr(getattr(planned.suite, "sampling", None), "max_new_tokens", 0)
    asked = sum(_ROW + len(example.input.encode("utf-8", "replace")) for example in planned.examples)
    return asked + len(planned.examples) * tokens * a_token


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    place = folder.absolute()
    return next(each for each in (place, *place.parents) if each.is_dir())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
