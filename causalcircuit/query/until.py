"""When a run may stop before it has seen every row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from causalcircuit.diagnostics import Span
from causalcircuit.query.render import number


@dataclass(frozen=True, slots=True)
class Until:
    """`until width < 0.05`, `until decided`, with `at most 500 rows`.

    Attributes:
        width: every interval is to be narrower than that, from end to end; `None`: every claim is to be decided.
        most: rows or clusters (`counted`) at most; `None`: all that there are.
        unit: of `width`, as written.
        horizon: the units at which intervals are made to be narrowest. largest: rows of the largest cluster. A run sets
            both from the data before it has seen an outcome.
    """

    width: float | None = None
    most: int | None = None
    counted: Literal["rows", "clusters"] = "rows"
    unit: str | None = None
    horizon: int | None = None
    largest: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """As the language writes it."""
        rule = "until decided" if self.width is None else f"until width < {number(self.width, self.unit)}"
        return rule if self.most is None else f"{rule} at most {self.most} {self.counted}"


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a run with a stopping rule ended.

    Attributes:
        rule: as the language writes it. met: whether it was; else all rows that were allowed are used.
        used, there: rows. clusters_used, clusters_there: `None` where rows are independent.
        looks: how often the rule was held against the outcomes.
        fixed: about how many rows a t interval of a fixed number of them needs to be as narrow; `None` if not known.
    """

    rule: str
    met: bool
    used: int
    there: int
    clusters_used: int | None
    clusters_there: int | None
    looks: int
    fixed: int | None = None
