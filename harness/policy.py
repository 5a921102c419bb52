"""The policy: what gates ask and how they may decide, as one hash, whatever rows are asked and whoever answers.

    plan.json ──policy──▶ 64 hex digits, in plan.json, gate.json and on the page

Another limit, confidence, least number of rows, way of sharing error, judge or rule for keeping rows is another policy.
Other rows, prompts and decoding are not: the layers of a suite tell of those. The arithmetic itself is that of the
package's version, which run.json names.
"""

from collections.abc import Mapping
from typing import Any

from harness.fingerprint import digest

__all__ = ["policy"]

_OF_SUITE = ("metrics", "chance", "looks", "first", "keep", "judge", "gates")
_OPTIONS = ("attempts", "prompting")
"""Options that a verdict depends on beside its rows: how error is shared, and what a gain must be over."""


def policy(plan: Mapping[str, Any]) -> str:
    """SHA-256 of all that decides in a plan, as 64 hex digits.

    Args:
        plan: plan.json, or the part of it that is hashed: `suites`, `options` and `sweep`.
    """
    ranked = plan["sweep"]["rank_by"] if plan["sweep"] else None
    return digest(
        {
            "suites": {suite["name"]: {key: suite[key] for key in _OF_SUITE} for suite in plan["suites"]},
            "options": {name: plan["options"].get(name) for name in _OPTIONS},
            "rank_by": ranked,
        }
    )
