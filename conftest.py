"""Composition root of the pytest side: what measures and decides, what shows the outcome, and what trains."""

pytest_plugins = ["harness.plugin", "reports.plugin", "trainers.plugin"]
