"""Roles found from structure and from one observed pass, without a map of classes."""

from causalcircuit.models.discover.towers import Discovery, discover

__all__ = ["Discovery", "discover"]
