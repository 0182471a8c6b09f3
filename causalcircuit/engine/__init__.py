"""Worlds to a plan, to forward passes, to the table. Planning imports no torch; the rest is fetched on first use."""

from typing import TYPE_CHECKING

from causalcircuit._faces import fetched
from causalcircuit.engine.plan import make_plan

if TYPE_CHECKING:
    from causalcircuit.engine.execute import execute, references
    from causalcircuit.engine.prepare import prepare
    from causalcircuit.engine.prepared import Prepared

__all__ = ["Prepared", "execute", "make_plan", "prepare", "references"]

_HOME = {"Prepared": "prepared", "execute": "execute", "prepare": "prepare", "references": "execute"}

__getattr__ = fetched(__name__, _HOME, together=True)
