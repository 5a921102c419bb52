"""What a training writes: checkpoints to go on from, the adapters that are kept, and the product."""

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.disk import refuse_full_disk
from harness.errors import BadSpec
from trainers.checkpoints import KEPT
from trainers.config import TrainConfig
from trainers.planning.memory import footprint
from trainers.planning.setups import setup_of
from trainers.planning.shapes import read_shape

__all__ = ["refuse_no_room", "training_bytes"]


def training_bytes(config: TrainConfig, base: Path) -> int | None:
    """Bytes that a training may have on disk at once, worked out from shapes alone.

    Checkpoints hold what is trained and the optimiser's states: `KEPT` whole ones, and one that is being written. Each
    adapter along the way lies in the folder of the training, and is then copied into the product.

    Args:
        config: of the training.
        base: its base's folder.

    Returns:
        None when the base's shape is not known.
    """
    try:
        found = footprint(setup_of(config, read_shape(str(base)))).components
    except BadSpec:
        return None
    trained = found.weights if config.method == "full" else found.adapter
    return trained * (1 + 2 * config.checkpoints.keep) + (KEPT + 1) * (trained + found.optimizer)


def refuse_no_room(configs: Sequence[TrainConfig], base: Path, folder: Path, say: Callable[[str], None]) -> None:
    """Refuse trainings on one base, all in `folder`, that the disk has no room for.

    Args:
        configs: of all trainings that write at the same time.
        base: their base's folder.
        folder: where they write.
        say: told when the base's shape is not known.

    Raises:
        UsageProblem: there is not enough room.
    """
    needs = [training_bytes(config, base) for config in configs]
    if None in needs:
        say("the base's shape is not known, so that nobody looked whether the disk has room")
        return
    need = sum(each for each in needs if each is not None)
    refuse_full_disk({folder: need}, "free some space, choose another --out, or keep fewer checkpoints")
