"""Columns of a table as numbers: checked where they are read, so that no estimator meets a missing value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from causalcircuit.diagnostics import did_you_mean, error

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]

FEW_LEVELS = 20
"""A column of whole numbers is discrete up to so many values."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column.

    Attributes:
        name: as in the table. values: [n] numbers; of text, the number of each row's label.
        labels: of text, what the numbers stand for.
    """

    name: str
    values: Floats
    labels: tuple[str, ...] | None = None

    @property
    def levels(self) -> Floats:
        """The values that occur, in order."""
        return np.unique(self.values)

    @property
    def discrete(self) -> bool:
        """Whether its values are few and whole, or labels."""
        return self.labels is not None or (
            bool((self.values == np.rint(self.values)).all()) and len(self.levels) <= FEW_LEVELS
        )

    def shown(self, value: float) -> str:
        """A value as the table has it."""
        return self.labels[int(value)] if self.labels is not None else f"{value:g}"

    def coded(self) -> tuple[Floats, Numbers]:
        """The values that occur, and the number of each row's among them."""
        levels, codes = np.unique(self.values, return_inverse=True)
        return levels, codes.astype(np.intp)

    def number_of(self, value: object) -> float:
        """A value of a question as a number of this column.

        Raises:
            DiagnosticError: CQ859, a label that the column lacks, or no finite number.
        """
        if self.labels is not None:
            if str(value) in self.labels:
                return float(self.labels.index(str(value)))
            raise error("CQ859", f"no row has `{self.name}` = {value}", help=did_you_mean(str(value), self.labels))
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = float("nan")
        if not np.isfinite(number):
            raise error("CQ859", f"`{self.name}` holds numbers, and {value!r} is none", help="give a finite number")
        return number


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """The columns that a question needs.

    Attributes:
        columns: by name. weight: [n]. unit: [n] the number of each row's sampling unit.
        clustered: whether a unit may have several rows. row: [n] the number of each in the table, from 1.
    """

    columns: Mapping[str, Column]
    weight: Floats
    unit: Numbers
    clustered: bool
    row: Numbers

    def __getitem__(self, name: str) -> Column:
        """A column by name."""
        return self.columns[name]

    @property
    def n(self) -> int:
        """How many rows."""
        return len(self.weight)

    @property
    def units(self) -> int:
        """How many sampling units."""
        return int(self.unit.max()) + 1

    @property
    def word(self) -> str:
        """What a sampling unit is called."""
        return "clusters" if self.clustered else "rows"


def read(
    table: Mapping[str, Any], names: Sequence[str], cluster: object | None = None, weight: object | None = None
) -> Data:
    """The columns `names`; rows of weight 0 do not enter.

    Raises:
        DiagnosticError: CQ850 values that are no finite numbers, CQ851 a column that is missing or of another length.
    """
    columns = {name: _column(table, name, name) for name in names}
    n = len(next(iter(columns.values())).values)
    heavy = np.ones(n) if weight is None else _column(table, weight, "weight").values
    keys = None if cluster is None else _raw(table, cluster, "cluster")
    sizes = {"weight": len(heavy), **{c.name: len(c.values) for c in columns.values()}}
    if keys is not None:
        sizes["cluster"] = len(keys)
    for name, size in sizes.items():
        if size != n:
            raise error("CQ851", f"`{name}` has {size} rows, `{names[0]}` has {n}", help="give columns of one length")
    if n == 0 or (heavy < 0).any() or not (heavy > 0).any():
        what = "the table has no rows" if n == 0 else "weights are 0 or more, and not all 0"
        raise error("CQ851", what, help="give rows, each with a weight that is no smaller than 0")
    kept = heavy > 0
    if keys is None:
        unit = np.arange(int(kept.sum()))
    else:
        _finite("cluster", keys)
        unit = np.unique(keys[kept].astype(str) if keys.dtype == object else keys[kept], return_inverse=True)[1]
    chosen = {k: Column(k, c.values[kept], c.labels) for k, c in columns.items()}
    return Data(chosen, heavy[kept], unit.astype(np.intp), keys is not None, np.flatnonzero(kept) + 1)


def _raw(table: Mapping[str, Any], what: object, name: str) -> npt.NDArray[Any]:
    """A column by its name, or as it is given."""
    if isinstance(what, str):
        if what not in table:
            raise error("CQ851", f"the table has no column `{what}`", help=did_you_mean(what, list(table)))
        what = table[what]
    found = np.asarray(what)
    if found.ndim != 1:
        raise error("CQ851", f"`{name}` has {found.ndim} dimensions", help="a column has one number or label a row")
    return found


def _column(table: Mapping[str, Any], what: object, name: str) -> Column:
    raw = _raw(table, what, name)
    if raw.dtype.kind in "biuf":
        values = raw.astype(np.float64)
        _finite(name, values)
        return Column(name, values)
    _finite(name, raw)
    if all(isinstance(v, (bool, int, float, np.number, np.bool_)) for v in raw.tolist()):
        return Column(name, raw.astype(np.float64))
    if not all(isinstance(v, str) for v in raw.tolist()):
        raise error("CQ851", f"`{name}` holds neither numbers nor text alone", help="give one kind of value a column")
    labels, codes = np.unique(raw.astype(str), return_inverse=True)
    return Column(name, codes.astype(np.float64), tuple(str(label) for label in labels))


def _finite(name: str, values: npt.NDArray[Any]) -> None:
    """Demand that nothing is missing or infinite.

    Raises:
        DiagnosticError: CQ850, with the rows, counted from 1.
    """
    if values.dtype.kind == "f":
        bad = ~np.isfinite(values)
    elif values.dtype.kind == "O":
        bad = np.array([v is None or (isinstance(v, (float, np.floating)) and not np.isfinite(v)) for v in values])
    else:
        return
    rows = np.flatnonzero(bad) + 1
    if len(rows):
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        raise error(
            "CQ850",
            f"`{name}` has no finite value in row{'s' if len(rows) > 1 else ''} "
            f"{', '.join(str(r) for r in rows[:5])}{more}",
            help="rows are never left out silently: fill them in, or leave them out and say so",
        )
