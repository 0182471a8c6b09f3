"""A high-level model on rows: its variables as they are, and after an interchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from causalcircuit.diagnostics import error
from causalcircuit.query import Graph
from causalcircuit.query.highs import order_of, variable
from causalcircuit.rows import Dataset
from causalcircuit.rows.conditions import value


@dataclass(eq=False)
class High:
    """A graph with formulas, calculated on the rows of some data.

    Attributes:
        natural: by variable, [rows] its value where nothing is interchanged.
    """

    graph: Graph
    data: Dataset
    natural: dict[str, list[Any]] = field(init=False)
    _known: dict[tuple[Any, ...], Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Calculate every variable on every row.

        Raises:
            DiagnosticError: CQ402 a missing column, CQ813 a formula without a value in a row.
        """
        self.formulas = dict(self.graph.formulas)
        self.order = order_of(self.formulas)
        rows = [self._row(i, {}) for i in range(self.data.n)]
        self.natural = {v: [r[v] for r in rows] for v in self.order}

    def moved(self, output: str, held: Sequence[str], donors: Sequence[int]) -> list[Any]:
        """[rows] a variable, where those of `held` have the values that they have on each row's donor."""
        return [self._moved(output, tuple(held), i, j) for i, j in enumerate(donors)]

    def _moved(self, output: str, held: tuple[str, ...], row: int, donor: int) -> Any:
        taken = tuple(self.natural[v][donor] for v in held)
        key = (output, held, row, taken)
        if key not in self._known:
            self._known[key] = self._row(row, dict(zip(held, taken, strict=True)))[output]
        return self._known[key]

    def _row(self, i: int, held: Mapping[str, Any]) -> dict[str, Any]:
        """Every variable on one row, some of them held."""
        own = {name: [cells[i]] for name, cells in self.data.columns.items()}
        made = Dataset(self.data.ref, own, (self.data.rows[i],))
        out: dict[str, Any] = {}
        for name in self.order:
            out[name] = held[name] if name in held else self._value(name, made)
            own[variable(name).name] = [out[name]]
        return out

    def _value(self, name: str, row: Dataset) -> Any:
        try:
            found = value(self.formulas[name], row, 0)
        except (TypeError, ArithmeticError) as problem:
            found, why = None, f": {problem}"
        else:
            why = ", where a column has no value"
        if found is None:
            raise error(
                "CQ813",
                f"`{name}` of `{self.graph.name}` has no value in {row.place(0)}{why}",
                self.formulas[name].span,
                help="leave such rows out: `where known(row.x)`",
            )
        return found
