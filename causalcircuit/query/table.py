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
        cells: [n] float64 for each cell, finite; objects for the texts of a `Generated`; [n, draws] where rows have
            several donors.
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
            draws = 1 if values.ndim == 1 else values.shape[1]
            size = self.n * draws
            out["row"].extend(r for r in self.rows.tolist() for _ in range(draws))
            out["cluster"].extend([None] * size if clusters is None else [c for c in clusters for _ in range(draws)])
            out["world"].extend([render(cell.world)] * size)
            out["draw"].extend(list(range(draws)) * self.n)
            out["readout"].extend([render(cell.readout)] * size)
            written, flat = is_text(cell.readout), values.reshape(-1).tolist()
            out["value"].extend([None] * size if written else flat)
            out["text"].extend(flat if written else [None] * size)
        return out
