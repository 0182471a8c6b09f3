"""Readouts with some wires alone, in the store: what a search or a claim measured before is not measured again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalcircuit.query import Counterfactual, Expr, ModelRef, World
from causalcircuit.rows import Dataset
from causalcircuit.runs.contents import Unkeepable, code
from causalcircuit.runs.keeping import Keeping
from causalcircuit.runs.keys import Keys
from causalcircuit.store import checksum


@dataclass(eq=False)
class KeptShelf:
    """The readouts of choices of wires, under the readout, both worlds, the model and the code (see `attribution`).

    Attributes:
        stored: choices that were found.
    """

    keeping: Keeping
    place: bytes
    digests: bytes
    stored: int = 0

    @classmethod
    def of(
        cls, readout: Expr, worlds: tuple[World, World], models: Mapping[str, ModelRef], data: Dataset, keeping: Keeping
    ) -> KeptShelf | None:
        """Where they lie; `None` without a store, or where they cannot be named."""
        if keeping.outcomes is None:
            return None
        keys: Keys = keeping.keys(data, models, f"kept wires {code('attribution')}")
        try:
            place, digests = keys.item("kept wires", [Counterfactual(readout, w) for w in worlds])
        except Unkeepable:
            return None
        return cls(keeping, place, digests)

    def known(self, choice: bytes) -> NDArray[np.float64] | None:
        """[rows] the readout with the wires of a choice alone, where all rows are known."""
        found = None if self.keeping.fresh else self._outcomes.recall(self._key(choice), self.digests)
        if found is None or not found.mask.all() or found.values.shape[1:] or found.values.dtype != np.float64:
            return None
        self.stored += 1
        values: NDArray[np.float64] = found.values
        return values

    def keep(self, choice: bytes, rows: NDArray[np.float64]) -> None:
        """Keep the readouts of a choice."""
        self._outcomes.keep({self._key(choice): (self.digests, np.ascontiguousarray(rows, dtype=np.float64))}, {})

    def _key(self, choice: bytes) -> bytes:
        return checksum(b"choice", self.place, choice)

    @property
    def _outcomes(self) -> Any:
        return self.keeping.outcomes


__all__ = ["KeptShelf"]
