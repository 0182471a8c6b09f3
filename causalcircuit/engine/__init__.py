"""Worlds to forward passes to an outcome table."""
