"""Functions of one's own as readouts: `@cq.readout("toxicity")`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causalcircuit.api.quantities import Quantity, merge, quantity
from causalcircuit.query import Applied
from causalcircuit.query.functions import register


@dataclass(frozen=True, eq=False)
class RowFunction:
    """A registered function: of quantities it makes a quantity, of anything else it is the function itself."""

    name: str
    function: Callable[..., Any]
    file: Path | None = None

    def __call__(self, *arguments: Any) -> Any:
        """A quantity of quantities, or what the function gives."""
        if not any(isinstance(a, Quantity) for a in arguments):
            return self.function(*arguments)
        given = [quantity(a) for a in arguments]
        made = Applied(self.name, tuple(g.expr for g in given), self.file)
        return Quantity(made, merge(*(g.models for g in given)))


def readout(name: str) -> Callable[[Callable[..., Any]], RowFunction]:
    """Register a function of one row's values, which gives a number, under the name that questions call it by.

    It is called once for each row and world: with a float for a number, a `numpy` array [positions, components] for a
    site, a string for a text, and what the data hold for a column.

    Args:
        name: letters, digits and `_`; a second function of one name takes the place of the first.

    Raises:
        ValueError: the name is none.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise ValueError(f"{name!r} cannot name a readout: letters, digits and `_`")

    def keep(function: Callable[..., Any]) -> RowFunction:
        return RowFunction(name, function, register(name, function))

    return keep
