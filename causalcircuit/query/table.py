"""The units × worlds table: everything that inference ever sees of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query.algebra import is_text
from causalcircuit.query.compile import Cell
from causalcircuit.query.program import DataRef
from causalcircuit.query.render import render

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTable:
    """Outcomes of n rows.

    Attributes:
        rows: [n] the number of each row in its file, from 0.
        cluster: [n] the sampling unit's label of each row, or `None` for independent rows.
        weight: [n] row weights, or `None`.
        columns: data columns by name, [n] each (float64, or object for strings).
        cells: [n] float64 for each cell, finite; objects for the texts of a `Generated`.
        cost: what filling it took: forward passes of single rows, seconds.
        complete: `False` where the run was interrupted; the rows are then the first ones.
        elsewhere: other data that references were computed over, with their numbers of rows.
        notes: what the passes showed besides, such as how much probability the answers hold.
    """

    rows: NDArray[np.int64]
    cells: Mapping[Cell, NDArray[np.float64]]
    cluster: NDArray[Any] | None = None
    weight: NDArray[np.float64] | None = None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    complete: bool = True
    elsewhere: Mapping[DataRef, int] = field(default_factory=dict)
    notes: tuple[Diagnostic, ...] = ()

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def records(self) -> dict[str, list[Any]]:
        """The long form: `row, cluster, world, draw, readout, value, text`, worlds and readouts in canonical text.

        Of a generated text `text` is filled, and `value` empty.
        """
        out: dict[str, list[Any]] = {k: [] for k in ("row", "cluster", "world", "draw", "readout", "value", "text")}
        clusters = None if self.cluster is None else [None if c is None else str(c) for c in self.cluster]
        for cell, values in self.cells.items():
            out["row"].extend(self.rows.tolist())
            out["cluster"].extend([None] * self.n if clusters is None else clusters)
            out["world"].extend([render(cell.world)] * self.n)
            out["draw"].extend([0] * self.n)
            out["readout"].extend([render(cell.readout)] * self.n)
            written = is_text(cell.readout)
            out["value"].extend([None] * self.n if written else values.tolist())
            out["text"].extend(values.tolist() if written else [None] * self.n)
        return out
