"""Rows in cells of discrete columns: counts and sums of the outcome, unit by unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.inference.observed._resampling import Sums
from causalcircuit.inference.observed._table import Column, Data, Floats, Numbers

MOST_CELLS = 20_000
_NOTHING = 1e-12
"""A share of all weight that is rounding, where a unit that was alone in its cell is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A grid of the values of some columns.

    Attributes:
        columns: the axes. levels: the values along each. code: [n] the flat number of each row's cell.
    """

    columns: tuple[Column, ...]
    levels: tuple[Floats, ...]
    code: Numbers

    @classmethod
    def of(cls, columns: Sequence[Column], n: int) -> Cells:
        """The grid of discrete columns; without columns, one cell.

        Raises:
            DiagnosticError: CQ859, a column that is not discrete, or too many cells.
        """
        for column in columns:
            if not column.discrete:
                raise error(
                    "CQ859",
                    f"`{column.name}` is not discrete: {len(column.levels)} values do not make cells",
                    help="cut it into a few values, or use a method for numbers",
                )
        coded = [column.coded() for column in columns]
        shape = tuple(len(levels) for levels, _ in coded)
        if np.prod([float(s) for s in shape]) > MOST_CELLS:
            raise error(
                "CQ859",
                f"{len(columns)} columns make {np.prod([float(s) for s in shape]):.0f} cells, more than {MOST_CELLS}",
                help="cut the columns into fewer values, or adjust for fewer",
            )
        code = np.ravel_multi_index([c for _, c in coded], shape) if coded else np.zeros(n, np.intp)
        return cls(tuple(columns), tuple(levels for levels, _ in coded), np.asarray(code, np.intp))

    @property
    def shape(self) -> tuple[int, ...]:
        """Values along each axis."""
        return tuple(len(levels) for levels in self.levels)

    @property
    def size(self) -> int:
        """How many cells."""
        return int(np.prod(self.shape)) if self.shape else 1

    def place(self, name: str, value: float) -> int | None:
        """The number of a value along its axis; None where no row has it."""
        axis = [c.name for c in self.columns].index(name)
        found = np.flatnonzero(self.levels[axis] == value)
        return int(found[0]) if len(found) else None

    def sums(self, data: Data, outcome: Floats | None = None) -> Sums:
        """[size] weights of the cells, then, with an outcome, its weighted sums in them."""
        weight = data.weight / data.weight.sum()
        size, width = self.size, self.size * (1 if outcome is None else 2)

        def rows(of: Numbers) -> Floats:
            out = np.zeros((len(of), width))
            at = np.arange(len(of))
            out[at, self.code[of]] = weight[of]
            if outcome is not None:
                out[at, size + self.code[of]] = weight[of] * outcome[of]
            return out

        whole = np.bincount(self.code, weight, size).astype(np.float64)
        if outcome is not None:
            whole = np.hstack([whole, np.bincount(self.code, weight * outcome, size).astype(np.float64)])
            return Sums.of(data, rows, width, whole)
        kinds = np.unique(
            np.stack([self.code, np.unique(weight, return_inverse=True)[1]]), axis=1, return_inverse=True
        )[1]
        return Sums.of(data, rows, width, whole, kinds.astype(np.intp))

    def grids(self, sums: Floats) -> tuple[Floats, Floats]:
        """[B, …] weights and sums of the outcome; rounding below 0 is 0, where a unit was the only one of its cell."""
        weight = sums[:, : self.size]
        weight = np.where(np.abs(weight) < _NOTHING, 0.0, weight).reshape(-1, *self.shape)
        return weight, sums[:, self.size :].reshape(-1, *self.shape)

    def named(self, code: int) -> str:
        """A cell as text."""
        at = np.unravel_index(code, self.shape) if self.shape else ()
        return ", ".join(
            f"{c.name} = {c.shown(levels[i])}" for c, levels, i in zip(self.columns, self.levels, at, strict=True)
        )

    def listed(self, codes: Iterable[int]) -> str:
        """Some cells as text."""
        all_ = list(codes)
        more = f"; and {len(all_) - 5} more" if len(all_) > 5 else ""
        return "; ".join(self.named(int(c)) for c in all_[:5]) + more


def no_rows(cells: str, method: str) -> DiagnosticError:
    """CQ854: cells that are needed and empty."""
    return error(
        "CQ854",
        f"{method} needs rows that do not occur: {cells}",
        help=(
            "positivity is violated there: no data say what would happen",
            "coarsen the columns, compare other values, or collect such rows",
        ),
    )
