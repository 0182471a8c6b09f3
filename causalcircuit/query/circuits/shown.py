"""What `show C` and `show compare(A, B)` found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.compare import Comparison
from causalcircuit.query.circuits.document import document
from causalcircuit.query.circuits.typical import TypicalRow


@dataclass(frozen=True, slots=True)
class CircuitShown:
    """A circuit, or two beside each other.

    Attributes:
        circuits: one, or two. comparison: of two. comments: the `##` lines above the statement.
        look: what `rows` are asked for; it may take a model.
    """

    circuits: tuple[Circuit, ...]
    comparison: Comparison | None = None
    comments: tuple[str, ...] = ()
    look: Callable[[], tuple[TypicalRow | None, ...]] | None = field(default=None, compare=False, repr=False)

    @property
    def rows(self) -> tuple[TypicalRow | None, ...]:
        """Of each circuit a typical row of the data that it was attributed on, `None` where there is none."""
        return () if self.look is None else self.look()

    def to_json(self) -> dict[str, Any]:
        """Plain data: of a circuit what its file holds, of two what they share."""
        return document(self.circuits[0]) if self.comparison is None else self.comparison.to_json()
