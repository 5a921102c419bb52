"""Measures models on suites and decides gates. The names that a suite file needs can be imported from here."""

from harness.datasets import csv, jsonl
from harness.gates import Gate
from harness.keep import passed_by_base
from harness.prompts import chat
from harness.suite import Suite
from harness.types import Sampling

__all__ = ["Gate", "Sampling", "Suite", "chat", "csv", "jsonl", "passed_by_base"]
