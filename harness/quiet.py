"""Silence for what other libraries say that no reader can act on: named messages only, never a whole category."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

_CHATTER = (
    "bitsandbytes.backends.cpu.ops",  # at import: an optional speed-up is not installed
    "lm_eval.api.task",  # how to pass options to a task that needs none
    "lm_eval.models.huggingface",  # that a model object, not a name, was given; cut prompts are counted by us
)


@contextmanager
def quiet() -> Iterator[None]:
    """Load models and adapters without progress bars, and without the notices listed in this file."""
    from transformers.utils import logging as transformers_logging

    bars = transformers_logging.is_progress_bar_enabled()
    loggers = [logging.getLogger(name) for name in _CHATTER]
    levels = [logger.level for logger in loggers]
    transformers_logging.disable_progress_bar()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # peft asks transformers by a name that transformers has deprecated
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            # weights and shapes are compared, which says more than a path
            warnings.filterwarnings("ignore", "The PEFT config's `base_model_name_or_path` was renamed", UserWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()
