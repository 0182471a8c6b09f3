"""Worlds in which the wires of whole circuits are assigned, on their way into the table.

The engine runs worlds of assignments to sites, inputs and single wires; the room of attribution runs any choice among
all wires of a model at once. Where the latter has no way, few wires are written out for the former.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import causalcircuit.rows as rows
from causalcircuit.check import queries_of
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import (
    Cell,
    Command,
    Expr,
    Generated,
    OutcomeTable,
    Output,
    Query,
    World,
    cells_of,
    is_text,
    models_of,
    render,
)
from causalcircuit.query.circuits.assigned import rewired, wires_in
from causalcircuit.query.circuits.formulas import Known
from causalcircuit.query.draws import numbered
from causalcircuit.query.expr import Readout
from causalcircuit.runs.keeping import Shelf

if TYPE_CHECKING:
    from causalcircuit.attribution.rewired import Taken
    from causalcircuit.engine.kept import Item
    from causalcircuit.models import LoadedModel

Heard = Callable[[int, int], None]
Group = tuple[str, World, World]
"""A model, the world without circuits, and the one that their wires' values come from."""


def is_rewired(cell: Cell) -> bool:
    """Whether wires of a circuit are assigned anywhere in a cell."""
    return any(True for part in (cell.readout, cell.world) for _ in wires_in(part))


def split(queries: Iterable[Expr]) -> tuple[list[Cell], tuple[Cell, ...]]:
    """The cells of estimands: those that the engine plans, and those with wires of circuits in them."""
    every = dict.fromkeys(one for q in queries for cell in cells_of(q) for one in numbered(cell))
    return [c for c in every if not is_rewired(c)], tuple(c for c in every if is_rewired(c))


def plain_queries(command: Command) -> list[Query]:
    """The estimands of a command without wires of circuits."""
    return [q for q in queries_of(command) if not any(map(is_rewired, cells_of(q.expr)))]


@dataclass(slots=True, eq=False)
class Rewiring:
    """The outcomes on one data set that are read in worlds with wires of circuits.

    Attributes:
        cells: they. data: the rows. shelf: of the store; `None` without one. values: by cell, on all rows.
        done: by cell, on which rows they are known. passes: of single rows, so far.
    """

    cells: tuple[Cell, ...]
    data: rows.Dataset
    shelf: Shelf | None
    values: dict[Cell, NDArray[np.float64]] = field(default_factory=dict)
    done: dict[Cell, NDArray[np.bool_]] = field(default_factory=dict)
    passes: int = 0
    stored: int = 0

    def __post_init__(self) -> None:
        """Look up what is known."""
        for cell in self.cells:
            found = None if self.shelf is None else self.shelf.outcomes(_item(cell))
            n = self.data.n
            self.values[cell] = np.full(n, np.nan) if found is None else np.array(found.values, dtype=np.float64)
            self.done[cell] = np.zeros(n, dtype=bool) if found is None else np.array(found.mask)
            self.stored += int(self.done[cell].sum())

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run."""
        return all(bool(mask.all()) for mask in self.done.values())

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are run."""
        return tuple(sorted({m for c in self.cells for m in (*models_of(c.readout), *models_of(c.world))}))

    @property
    def pairs(self) -> int:
        """Rows × worlds."""
        return self.data.n * len(self.cells)

    def run(self, models: Mapping[str, LoadedModel], heard: Heard | None = None, places: int | None = None) -> None:
        """Fill in what is not known.

        Args:
            models: loaded. heard: hears how many rows × worlds are done. places: positions of a pass.

        Raises:
            DiagnosticError: CQ264, worlds that cannot be run; what is wrong with them on these rows.
        """
        groups: dict[Group, list[Cell]] = {}
        for cell in self.cells:
            if not self.done[cell].all():
                group = group_of(cell)
                if group is None:
                    self._singly(cell, models, "not only readouts are read there, of wires with values of one world")
                else:
                    groups.setdefault(group, []).append(cell)
                self._tell(heard)
        for group, cells in groups.items():
            try:
                self._together(group, cells, models[group[0]], heard, places)
            except _Refused as problem:
                for cell in cells:
                    self._singly(cell, models, str(problem))
                    self._tell(heard)
        if self.shelf is not None:
            self.shelf.finish({_item(c): v for c, v in self.values.items()})

    def joined(self, table: OutcomeTable) -> OutcomeTable:
        """A table with these outcomes in it; of all rows that both have."""
        from causalcircuit.engine.outcomes import make_table, stacked

        known = [int(np.argmin(mask)) if not mask.all() else self.data.n for mask in self.done.values()]
        n = min([table.n, *known])
        own = stacked({c: v[:n] for c, v in self.values.items()})
        made = make_table(self.data, {}, table.cost, n, table.complete and n == self.data.n)
        cells = {c: v[:n] for c, v in table.cells.items()}
        cost = {**table.cost}
        cost["row_passes"] = cost.get("row_passes", 0.0) + self.passes
        cost["stored"] = cost.get("stored", 0.0) + self.stored
        return replace(made, cells={**cells, **own}, cost=cost, elsewhere=table.elsewhere, notes=table.notes)

    def _tell(self, heard: Heard | None) -> None:
        if heard is not None:
            heard(sum(int(m.sum()) for m in self.done.values()), self.pairs)

    def _together(
        self, group: Group, cells: list[Cell], model: LoadedModel, heard: Heard | None, places: int | None
    ) -> None:
        """All worlds of a group, whatever the number of their wires."""
        from causalcircuit.attribution.choices import UnknownWireError
        from causalcircuit.attribution.rewired import Family, rewired_outcomes

        parts = tuple(dict.fromkeys(c.readout for c in cells))
        worlds = list(dict.fromkeys(c.world for c in cells))
        choices = tuple(taken(next(c for c in cells if c.world == w)) for w in worlds)
        _check_apart(choices, cells)

        def known(chunk: range) -> bool:
            return all(bool(self.done[c][chunk.start : chunk.stop].all()) for c in cells)

        family = Family(*group, parts, choices)
        try:
            for chunk, found, passes in rewired_outcomes(family, model, self.data, known, places):
                self.passes += passes
                if found is None:
                    continue
                own = {c: found[worlds.index(c.world), parts.index(c.readout)] for c in cells}
                self._take(chunk, own)
                self._tell(heard)
        except UnknownWireError as problem:
            raise _Refused(str(problem)) from None
        except DiagnosticError as problem:
            if problem.diagnostics[0].code not in _WITHOUT_SUMS:
                raise
            raise _Refused(problem.diagnostics[0].message) from None

    def _singly(self, cell: Cell, models: Mapping[str, LoadedModel], why: str) -> None:
        """One world, with its wires written out."""
        from causalcircuit.runs.single_wires import TooManyError, single_wires

        try:
            found = single_wires(cell, models, self.data)
        except TooManyError as problem:
            one = next(w for part in (cell.readout, cell.world) for w in wires_in(part))
            raise error(
                "CQ264",
                f"`{render(one)}` cannot be assigned in this world: {why}",
                one.span,
                help=(f"few wires are assigned one by one, and {problem}", "read a readout, and assign one circuit"),
            ) from None
        self.passes += found.passes
        self._take(range(self.data.n), {cell: found.values})

    def _take(self, chunk: range, found: Mapping[Cell, NDArray[np.float64]]) -> None:
        """Keep what some rows gave."""
        from causalcircuit.engine.outcomes import check_finite

        for cell, values in found.items():
            check_finite(self.data, cell, values, chunk)
            self.values[cell][chunk.start : chunk.stop] = values
            self.done[cell][chunk.start : chunk.stop] = True
        if self.shelf is not None:
            items: dict[Item, NDArray[Any]] = {_item(c): v for c, v in found.items()}
            self.shelf.keep(chunk, items, {})


class _Refused(Exception):  # noqa: N818 - found out, and another way is taken
    """The wires of a whole model cannot be chosen among here; its text says why."""


_WITHOUT_SUMS = ("CQ788", "CQ795")


def group_of(cell: Cell) -> Group | None:
    """What a cell shares with those that are run beside it; `None` where choosing among all wires is no way to it."""
    found = rewired(cell.world)
    readout = cell.readout
    if found is None or not isinstance(readout, Output) or isinstance(readout, Generated):
        return None
    if isinstance(readout, Readout) and is_text(readout.answer):
        return None
    elsewhere = {w for _, w in found.wires}
    nested = any(True for w in (found.base, *elsewhere) for _ in wires_in(w))
    plain = all(w.model == readout.model for w, _ in found.wires)
    if len(elsewhere) != 1 or nested or not plain:
        return None
    return readout.model, found.base, elsewhere.pop()


def taken(cell: Cell) -> tuple[Taken, ...]:
    """The wires that a cell's world assigns."""
    from causalcircuit.attribution.rewired import Taken

    found = rewired(cell.world)
    wires = () if found is None else found.wires
    return tuple(Taken(w.circuit.circuit, w.complement) for w, _ in wires if isinstance(w.circuit, Known))


def _check_apart(choices: Iterable[tuple[Taken, ...]], cells: Iterable[Cell]) -> None:
    """Two circuits of one world share no wire: which of both assigns it would not be said.

    Raises:
        _Refused: they may.
    """
    for choice, cell in zip(choices, cells, strict=False):
        seen: set[object] = set()
        for each in choice:
            own = {(e.source, e.target) for e in each.circuit.edges}
            if len(choice) > 1 and (each.complement or seen & own):
                raise _Refused(f"circuits share wires in `{render(cell.world)}`")
            seen |= own


def _item(cell: Cell) -> Item:
    from causalcircuit.engine.formulas import in_world
    from causalcircuit.engine.kept import Item

    return Item("cell", (in_world(cell.readout, cell.world),))
