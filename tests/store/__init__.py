"""Tests of the store of outcomes."""
