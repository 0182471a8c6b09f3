"""The rows of a declared data set, in memory, columns by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causalcircuit.diagnostics import Span, error, nearest
from causalcircuit.query import DataRef


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The rows of `ref` that its `where`, `sample` and split leave.

    Attributes:
        ref: the declaration.
        columns: by name, [n] plain Python values each.
        rows: the number of each row in its file, from 0.
    """

    ref: DataRef
    columns: Mapping[str, list[Any]]
    rows: tuple[int, ...]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def column(self, name: str, span: Span | None = None) -> list[Any]:
        """The values of a column.

        Raises:
            DiagnosticError: CQ402, the data has no such column.
        """
        if name not in self.columns:
            near = nearest(name, self.columns)
            raise error(
                "CQ402",
                f"the data `{self.ref.name}` has no column `{name}`",
                span,
                "no such column",
                help=(
                    f"did you mean `{near}`?" if near else "",
                    f"columns of {self.ref.source}: {', '.join(self.columns)}",
                ),
            )
        return self.columns[name]

    def take(self, chosen: Sequence[int]) -> Dataset:
        """The rows at the given places of this data set, in that order."""
        columns = {name: [values[i] for i in chosen] for name, values in self.columns.items()}
        return Dataset(self.ref, columns, tuple(self.rows[i] for i in chosen))

    def resolve(self, value: str) -> Path:
        """A path in a column, relative to the data file, or to the folder that the data are."""
        base = self.ref.path if self.ref.format in ("images", "datasets") else self.ref.path.parent
        return base / value

    def place(self, i: int) -> str:
        """Where the `i`-th row stands, for messages: `scenes.jsonl, row 12`."""
        return f"{self.ref.source}, row {self.rows[i]}"
