"""Looks at training rows before anything is trained: what they hold, what is wrong, what leaks into a suite."""

from harness.audit.difficulty import Asked
from harness.audit.document import as_json, write_json
from harness.audit.findings import KINDS, LIMITS, Finding, parse_limits
from harness.audit.inspection import MAX_LENGTH, Audit, Request, audit, system_text
from harness.audit.quality import Graders

__all__ = [
    "KINDS",
    "LIMITS",
    "MAX_LENGTH",
    "Asked",
    "Audit",
    "Finding",
    "Graders",
    "Request",
    "as_json",
    "audit",
    "parse_limits",
    "system_text",
    "write_json",
]
