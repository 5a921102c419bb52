"""A run's numbers for those who do not open its page: CI summaries, comments, metrics, and a history of runs.

gate_file -> markdown, openmetrics, annotations, comment, history -> commands
"""
