"""Causal diagrams."""
