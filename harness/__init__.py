"""Measures and decides: suites, metrics, gates, the store and the run. Light to import."""
