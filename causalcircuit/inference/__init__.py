"""Intervals, tests and verdicts from outcome tables."""
