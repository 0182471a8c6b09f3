"""References: statistics over all rows, one kind a file.

A kind is found by the class of its expression (`@kind(Mean)`); adding one is adding a file.
"""

from importlib import import_module
from pkgutil import iter_modules

from causalcircuit.engine.references.kinds import Kind, Partial, joined, kind, kind_of

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["Kind", "Partial", "joined", "kind", "kind_of"]
