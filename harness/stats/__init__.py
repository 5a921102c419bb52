"""Intervals, tests and sample sizes: pure functions with the formula and its source beside them.

Every `confidence` is two-sided. A gate that decides one-sidedly at 95 % asks for 0.90 and reads one bound.
"""

from harness.stats.betting import betting_mean, log_capital
from harness.stats.corrected import Count, rogan_gladen
from harness.stats.evalues import gain_log_e
from harness.stats.exact import critical_score, exact_p, paired_power, score
from harness.stats.means import bounded_mean, paired_mean
from harness.stats.multiple import holm
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
from harness.stats.proportions import clopper_pearson, independent_difference, wilson
from harness.stats.pvalues import paired_p, rate_p
from harness.stats.shares import gain_share

__all__ = [
    "Bound",
    "Count",
    "betting_mean",
    "bounded_mean",
    "clopper_pearson",
    "critical_score",
    "critical_z",
    "deciding_n",
    "detectable_difference",
    "detectable_mean",
    "exact_p",
    "gain_log_e",
    "gain_share",
    "holm",
    "independent_difference",
    "log_capital",
    "mcnemar_midp",
    "paired_mean",
    "paired_p",
    "paired_power",
    "rate_p",
    "rogan_gladen",
    "score",
    "shrunk_share",
    "tango",
    "wilson",
    "zero_loss_bound",
    "zero_loss_n",
]
