"""The store, as runs use it: outcomes are looked up and kept under their keys; a whole plan's remarks too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

import causalcircuit.rows as rows
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import Cell, DataRef, ModelRef, Statistic, render
from causalcircuit.query.plan import Plan
from causalcircuit.runs.contents import Contents, Unkeepable, code, versions
from causalcircuit.runs.keys import Keys
from causalcircuit.store import Files, Known, Ledger, Outcomes, Total, checksum, get, put, store_folder

if TYPE_CHECKING:
    from causalcircuit.engine.kept import Item

Keep = Literal["use", "fresh", "off"]
"""Whether outcomes are looked up and kept; kept anew without looking; or neither."""


@dataclass(eq=False)
class Keeping:
    """The store of one runner.

    Attributes:
        ledger: `None` where none is wanted or there is no place for one. outcomes: those that it holds.
        contents: digests of models. fresh: whether nothing is looked up.
    """

    ledger: Ledger | None
    contents: Contents
    outcomes: Outcomes | None = None
    fresh: bool = False
    _said: int = 0

    @classmethod
    def opened(cls, keep: Keep) -> Keeping:
        """The store where the environment says; it is made where there is none."""
        folder = store_folder() if keep != "off" else None
        ledger = None if folder is None else Ledger(folder)
        outcomes = None if ledger is None else Outcomes(ledger)
        return cls(ledger, Contents(Files(ledger)), outcomes, keep == "fresh")

    def keys(self, data: rows.Dataset, models: Mapping[str, ModelRef], how: str) -> Keys:
        """The keys of outcomes on a data set, of passes that are planned `how`."""
        setting = checksum(json.dumps(sorted(versions().items())).encode(), code().encode(), how.encode())
        return Keys(data, models, self.contents, setting)

    def shelf(self, keys: Keys) -> Shelf | None:
        """The outcomes on one data set, for the engine; `None` without a store."""
        return None if self.outcomes is None else Shelf(self.outcomes, keys, self.fresh)

    def remarks(self) -> tuple[Diagnostic, ...]:
        """What is to be said of the store and was not said yet."""
        if self.ledger is None:
            return ()
        found = self.ledger.remarks[self._said :]
        self._said = len(self.ledger.remarks)
        return found

    def close(self) -> None:
        """Let go of the store."""
        if self.ledger is not None:
            self.ledger.close()


@dataclass(eq=False)
class Shelf:
    """The outcomes of one data set (see `engine.kept.Kept`); what cannot be named by its content is left out."""

    outcomes_: Outcomes
    keys: Keys
    fresh: bool = False
    _items: dict[Item, tuple[bytes, bytes] | None] = field(default_factory=dict)
    _spent: list[bytes] = field(default_factory=list)

    def outcomes(self, item: Item) -> Known | None:
        """What is known of an item on the rows of the data."""
        place = self._place(item)
        return None if place is None or self.fresh else self.outcomes_.recall(*place)

    def total(self, statistic: Statistic, layout: tuple[int, ...]) -> Total | None:
        """What is known of a reference."""
        if self.fresh:
            return None
        for part in (None, layout):
            key = self._total(statistic, part)
            found = None if key is None else self.outcomes_.total(key)
            if found is not None:
                return found
        return None

    def keep(
        self,
        rows: range,
        outcomes: Mapping[Item, NDArray[Any]],
        totals: Mapping[Statistic, tuple[tuple[int, ...], Total]],
    ) -> None:
        """Keep what a chunk of rows gave, all of it or nothing."""
        chunk = {}
        for item, values in outcomes.items():
            place = self._place(item)
            if place is not None:
                size = len(place[1]) // self.keys.data.n
                chunk[place[0]] = place[1][rows.start * size : rows.stop * size], values
        sums = {}
        for statistic, (layout, total) in totals.items():
            whole = total[0] == self.keys.data.n
            key = self._total(statistic, None if whole else layout)
            begun = self._total(statistic, layout)
            if key is not None:
                sums[key] = total
            if begun is not None and whole:
                self._spent.append(begun)
        self.outcomes_.keep(chunk, sums)

    def finish(self, outcomes: Mapping[Item, NDArray[Any]]) -> None:
        """Put together what was kept chunk by chunk."""
        table = {}
        for item, values in outcomes.items():
            place = self._place(item)
            if place is not None:
                table[place[0]] = place[1], values
        self.outcomes_.whole(table, self._spent)
        self._spent = []

    def other(self, data: DataRef) -> Shelf:
        """The same for other data."""
        return Shelf(self.outcomes_, self.keys.other(data), self.fresh)

    def cells(self, plan: Plan) -> dict[Cell, NDArray[Any]] | None:
        """Every cell of a plan, if all are known on every row."""
        from causalcircuit.engine.kept import Item

        found: dict[Cell, NDArray[Any]] = {}
        for cell, formula in zip(plan.cells, plan.formulas, strict=True):
            known = self.outcomes(Item("cell", (formula,)))
            if known is None or not known.mask.all():
                return None
            found[cell] = known.values
        return found

    def known(self, plan: Plan) -> dict[Cell, Known | None]:
        """What is known of every cell of a plan."""
        from causalcircuit.engine.kept import Item

        return {
            cell: self.outcomes(Item("cell", (formula,)))
            for cell, formula in zip(plan.cells, plan.formulas, strict=True)
        }

    def plan(self, plan: Plan) -> bytes | None:
        """The key of a whole plan: its cells in order, and the names that its remarks call them by."""
        from causalcircuit.engine.kept import Item

        places = [self._place(Item("cell", (f,))) for f in plan.formulas]
        if any(p is None for p in places):
            return None
        names = [f"{render(c.readout)} | {render(c.world)}" for c in plan.cells]
        said = json.dumps([plan.data.label, names, [o.data.label for o in plan.elsewhere]]).encode()
        return checksum(b"plan", said, *(b for p in places if p is not None for b in p))

    def remember(self, key: bytes, said: Mapping[str, Any]) -> None:
        """Keep what a whole plan had to say besides its outcomes."""
        put(self.outcomes_.ledger, "plans", key, json.dumps(said).encode())

    def recall(self, key: bytes) -> dict[str, Any] | None:
        """What a whole plan had to say."""
        found = None if self.fresh else get(self.outcomes_.ledger, "plans", key)
        said = None if found is None else json.loads(found)
        return said if isinstance(said, dict) else None

    def _place(self, item: Item) -> tuple[bytes, bytes] | None:
        if item not in self._items:
            try:
                self._items[item] = self.keys.item(item.kind, item.formulas, item.number)
            except Unkeepable:
                self._items[item] = None
        return self._items[item]

    def _total(self, statistic: Statistic, layout: tuple[int, ...] | None) -> bytes | None:
        try:
            return self.keys.total(statistic, layout)
        except Unkeepable:
            return None
