"""Worlds to a plan, to forward passes, to the table. Planning imports no torch; the rest is fetched on first use."""

from importlib import import_module
from typing import TYPE_CHECKING

from causalcircuit.engine.plan import make_plan

if TYPE_CHECKING:
    from causalcircuit.engine.execute import execute
    from causalcircuit.engine.prepare import prepare
    from causalcircuit.engine.prepared import Prepared

__all__ = ["Prepared", "execute", "make_plan", "prepare"]

_HOME = {"Prepared": "prepared", "execute": "execute", "prepare": "prepare"}


def __getattr__(name: str) -> object:
    """Fetch a name that needs torch when it is first used (PEP 562).

    Raises:
        AttributeError: `name` is not public.
    """
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"causalcircuit.engine.{_HOME[name]}"), name)
    globals()[name] = value
    return value
