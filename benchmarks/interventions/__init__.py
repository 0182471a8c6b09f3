"""Interventions on every head of a model: CausalCircuit beside hooks written by hand and beside its peers.

`python -m benchmarks.interventions --help` says what can be chosen; docs/speed.md holds the table.
"""
