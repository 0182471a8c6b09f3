"""What lasts between runs, as the engine sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from causalcircuit.query import DataRef, Expr, Statistic
from causalcircuit.query.remembered import Remembers, remember
from causalcircuit.store import Known, Total


@dataclass(frozen=True, slots=True)
class Item(Remembers):
    """One value a row that is kept: a cell of the table, or what a check looks at.

    `formulas` have every nested world written out; `number` tells apart what has the same ones.
    """

    kind: Literal["cell", "mass", "spelling"]
    formulas: tuple[Expr, ...]
    number: int = 0


remember(Item)


class Kept(Protocol):
    """The outcomes on one data set that are known from earlier runs, and the way to keep new ones."""

    def outcomes(self, item: Item) -> Known | None:
        """What is known of an item on the rows of the data."""

    def total(self, statistic: Statistic, layout: tuple[int, ...]) -> Total | None:
        """What is known of a reference: its sum over all rows, or over the first ones of a sweep cut up in that way.

        Args:
            statistic: the reference. layout: where the chunks of its sweep end.
        """

    def keep(
        self,
        rows: range,
        outcomes: Mapping[Item, NDArray[Any]],
        totals: Mapping[Statistic, tuple[tuple[int, ...], Total]],
    ) -> None:
        """Keep what a chunk of rows gave, all of it or nothing.

        Args:
            rows: of the chunk. outcomes: on them. totals: of references, with the layout of their sweep.
        """

    def finish(self, outcomes: Mapping[Item, NDArray[Any]]) -> None:
        """The table is whole: what was kept chunk by chunk may be put together."""

    def other(self, data: DataRef) -> Kept:
        """The same for other data, which references are computed over."""
