"""The options of `--sweep` and of all that needs it."""

from collections.abc import Callable

from harness.converters import existing, halving

__all__ = ["add_sweep_options"]


def add_sweep_options(add: Callable[..., None]) -> None:
    """Declare them; `add` takes a name without dashes and what argparse takes."""
    add(
        "sweep",
        action="append",
        metavar="AXIS=V,V|FILE|NAME",
        help="train a candidate for each value, such as rank=8,16,32 (repeat it for a grid), for each point of a TOML "
        "file, or for those of a sweep that ships, such as rank_by_target; trained once, then kept in --store "
        "(default: none)",
    )
    add(
        "halving",
        default=None,
        metavar="eta=N,...",
        type=halving,
        help="stop points of --sweep on the way by their score on the half of the rows that ranks: eta=2 lets the best "
        "half go on at each of 1/2, 1/4 ... of the steps; with keep=3 so many go to the end (default: 1), with "
        "first=1/8 nobody is stopped before (default: 1/4; without --halving all points are trained to the end)",
    )
    add(
        "no-pack",
        action="store_true",
        help="train the points of --sweep one by one (default: those that differ in the adapter and its updates alone "
        "are trained together in one pass)",
    )
    add(
        "train-config",
        default=None,
        metavar="FILE",
        type=existing,
        help="configuration that --sweep varies (default: the sweep file's, or the one of the demo)",
    )
    add(
        "train-data",
        default=None,
        metavar="FILE",
        type=existing,
        help="rows that --sweep trains on, all of them, instead of the configuration's; with --checkpoints, the JSONL "
        "file that each --adapter was trained on, of which a sample is measured to see what was merely memorised "
        "(default: the configuration's)",
    )
    add(
        "rank-by",
        default=None,
        metavar="SUITE[:METRIC]",
        help="what ranks the points of --sweep (default: the sweep file's, or the first suite that asks for a gain)",
    )
