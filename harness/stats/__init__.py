"""Intervals, tests and sample sizes: pure functions with the formula and its source beside them.

Every `confidence` is two-sided. A gate that decides one-sidedly at 95 % asks for 0.90 and reads one bound.
"""

from harness.stats.means import bounded_mean, paired_mean
from harness.stats.normal import critical_z
from harness.stats.paired import mcnemar_midp, tango
from harness.stats.power import (
    Bound,
    deciding_n,
    detectable_difference,
    detectable_mean,
    shrunk_share,
    zero_loss_bound,
    zero_loss_n,
)
from harness.stats.proportions import independent_difference, wilson
from harness.stats.shares import gain_share

__all__ = [
    "Bound",
    "bounded_mean",
    "critical_z",
    "deciding_n",
    "detectable_difference",
    "detectable_mean",
    "gain_share",
    "independent_difference",
    "mcnemar_midp",
    "paired_mean",
    "shrunk_share",
    "tango",
    "wilson",
    "zero_loss_bound",
    "zero_loss_n",
]
