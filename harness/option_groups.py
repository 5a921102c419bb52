"""The groups in which `pytest suites/ --help` shows the options."""

__all__ = ["GROUPS", "group_of"]

GROUPS = {
    "models": ("model", "adapter", "base", "checkpoints", "reference", "dtype", "quantization"),
    "measuring": (
        *("prompting", "data", "lm-eval", "mmlu-dir", "mmlu-revision", "mmlu-fewshot"),
        *("limit", "batch-size", "backend", "device", "store", "fresh-base"),
    ),
    "sweep": ("sweep", "halving", "no-pack", "train-config", "train-data", "rank-by"),
    "judge": ("judge", "second-judge"),
    "outcome and report": ("on-inconclusive", "attempts", "run-dir"),
}
"""Groups in which `--help` shows the options, in this order; what begins with a name that is listed goes with it."""


def group_of(name: str) -> str:
    """The group that lists an option, or else the first word of its name; `measuring` for what none lists."""
    words = (name, name.partition("-")[0])
    return next((title for word in words for title, names in GROUPS.items() if word in names), "measuring")
