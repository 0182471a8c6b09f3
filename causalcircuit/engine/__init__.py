"""Worlds to a plan, to forward passes, to the table. Planning imports no torch; the rest is fetched on first use."""

from importlib import import_module
from typing import TYPE_CHECKING

from causalcircuit.engine.plan import make_plan

if TYPE_CHECKING:
    from causalcircuit.engine.execute import execute, references
    from causalcircuit.engine.prepare import prepare
    from causalcircuit.engine.prepared import Prepared

__all__ = ["Prepared", "execute", "make_plan", "prepare", "references"]

_HOME = {"Prepared": "prepared", "execute": "execute", "prepare": "prepare", "references": "execute"}


def __getattr__(name: str) -> object:
    """Fetch a name that needs torch when it is first used (PEP 562).

    Raises:
        AttributeError: `name` is not public.
    """
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # All at once: importing a module of the same name would leave it in the place of its function.
    globals().update({n: getattr(import_module(f"causalcircuit.engine.{home}"), n) for n, home in _HOME.items()})
    value: object = globals()[name]
    return value
