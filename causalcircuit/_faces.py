"""Names of a package that are fetched when they are first used (PEP 562), so that an import stays light."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def fetched(package: str, home: Mapping[str, str], *, together: bool = False) -> Callable[[str], object]:
    """The `__getattr__` of a package.

    Args:
        package: its `__name__`. home: for each name the module inside the package that has it.
        together: fetch all names with the first one. A module's import sets it as an attribute of its package: where
            a function has the name of its module it would never be asked for again.
    """

    def fetch(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        names = home if together else (name,)
        found = {n: getattr(import_module(f"{package}.{home[n]}"), n) for n in names}
        vars(sys.modules[package]).update(found)  # the next access is an ordinary one
        value: object = found[name]
        return value

    return fetch
