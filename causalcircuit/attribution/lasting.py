"""What lasts of an attribution between runs, as this room sees it; `runs` puts the store behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from causalcircuit.attribution.summary import Floats
from causalcircuit.engine.kept import Kept


class Lasting(Protocol):
    """Scores that were computed before, and the way to keep new ones; a chunk is kept whole or not at all."""

    @property
    def outcomes(self) -> Kept | None:
        """Outcomes of worlds on the same rows, for methods that run worlds."""

    def scores(self, columns: int) -> tuple[Floats, NDArray[Any]] | None:
        """[rows, columns] what is known, and [rows] which rows are."""

    def keep(self, rows: range, scores: Floats) -> None:
        """Keep the scores of some rows."""

    def finish(self, table: Floats) -> None:
        """The table is whole: what was kept chunk by chunk may be put together."""

    def sums(self) -> tuple[int, Mapping[str, NDArray[Any]]] | None:
        """How many rows are in sums that were kept, and those."""

    def keep_sums(self, rows: int, sums: Mapping[str, NDArray[Any]]) -> None:
        """Keep sums over the first rows, in the place of earlier ones."""


class Choices(Protocol):
    """Readouts of choices of wires that were measured before, and the way to keep new ones."""

    def known(self, choice: bytes) -> Floats | None:
        """[rows] the readout with the wires of a choice alone."""

    def keep(self, choice: bytes, rows: Floats) -> None:
        """Keep the readouts of a choice."""


__all__ = ["Choices", "Lasting"]
