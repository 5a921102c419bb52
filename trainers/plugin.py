"""The trainers' part of the pytest side: makes the candidates that `--sweep` asks for.

A conftest.py names it beside harness.plugin: `pytest_plugins = ["harness.plugin", "trainers.plugin"]`.
"""

from harness.options import Options
from harness.sweeps import Sweep

__all__ = ["pytest_tunegate_sweep"]


def pytest_tunegate_sweep(options: Options) -> Sweep:
    """Let the trainers make the candidates that `--sweep` asks for."""
    from trainers.sweep import make_sweep

    return make_sweep(options)
