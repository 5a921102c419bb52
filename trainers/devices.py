"""Which GPU a training uses: one. Seeing several, transformers would spread each batch over all, which TRL refuses."""

from collections.abc import Callable, MutableMapping

from harness.errors import UsageProblem

__all__ = ["VISIBLE", "one_gpu", "visible_gpus"]

VISIBLE = "CUDA_VISIBLE_DEVICES"


def one_gpu(environment: MutableMapping[str, str], count: Callable[[], int], *, device: str = "auto") -> str:
    """Leave one GPU visible in `environment`; to be called before the process that it is for uses CUDA.

    Args:
        environment: of that process; its CUDA_VISIBLE_DEVICES is narrowed, and untouched where it names one already.
        count: gives the number of visible GPUs; asked only when that is not known.
        device: as the gate's `--device`: `auto` takes the first visible GPU, `cpu` none.

    Returns:
        What was chosen, for people; empty when there was nothing to choose.

    Raises:
        UsageProblem: `device` is a GPU that is not there.
    """
    kind, _, number = device.partition(":")
    names = environment[VISIBLE].split(",") if VISIBLE in environment else []
    if kind == "cpu":
        environment[VISIBLE] = ""
        return ""
    if VISIBLE in environment and len(names) == 1 and kind == "auto":
        return ""
    found, place = count(), int(number or 0)
    if place >= max(found, 1):
        raise UsageProblem(f"--device {device}: {found} GPUs are visible here; give one below cuda:{found}, or cpu")
    if found < 2:  # noqa: PLR2004  # one or none is no choice
        return ""
    environment[VISIBLE] = names[place].strip() if names else str(place)
    return f"GPU {environment[VISIBLE]}, one of {found}: training uses one, which {VISIBLE} chooses"


def visible_gpus() -> int:
    """How many GPUs this process sees, found without using any of them."""
    import torch

    return int(torch.cuda.device_count())
