"""Heat maps over what a row feeds a model, its patches or its tokens: what is asked for, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from causalcircuit.diagnostics import Span
from causalcircuit.query.estimate import Interval
from causalcircuit.query.expr import Expr, Site, World
from causalcircuit.query.program import DataRef


@dataclass(frozen=True, slots=True)
class Saliency:
    """`show saliency(Y, at = S) on d`, `show saliency(Y, at = S, from = w0, to = w1) on d`.

    Attributes:
        name: as written. model: whose readout it is. readout: a scalar a row. site: the activations, at all positions.
        data: the rows. start: the world that gradients are taken in.
        end: of the signed form, what activations change to; `None` for GradCAM++ as it was published.
        inside: the column of a mask, where the share of the map inside it is asked for.
    """

    name: str
    model: str
    readout: Expr
    site: Site
    data: DataRef
    start: World
    end: World | None = None
    inside: str | None = None
    comments: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RowMap:
    """The map of one row.

    Attributes:
        row: its number in the file. values: one a patch, row by row from the upper left, or one a token.
        inside: the share of the map, in absolute value, that lies inside the mask; `None` where the map is empty.
        area: the share of the patches that does.
        tokens: what a text's values belong to. image: what the values lie over, as PNG, for the rows that are drawn.
    """

    row: int
    values: tuple[float, ...]
    inside: float | None = None
    area: float | None = None
    tokens: tuple[str, ...] = ()
    image: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Lit:
    """How much of the maps lies inside a mask.

    Attributes:
        column: of the mask. share: the mean over rows of the share of a map that lies inside. interval: of that mean,
            over rows or clusters. area: the mean share of the patches that lie inside.
        n: rows whose map is not empty. empty: the others.
    """

    column: str
    share: float
    interval: Interval | None
    area: float
    n: int
    empty: int = 0


@dataclass(frozen=True, slots=True)
class HeatMaps:
    """Heat maps over the rows of a data set.

    Attributes:
        name: as written. data: the label of the data. readout, site: as written. worlds: the one that gradients are
            taken in, and of the signed form the other one.
        unit: of the readout. grid: rows and columns of patches; `None` over texts.
        rows: a map each. mean: over rows, where all have as many values.
        signed: whether values say how much the readout changes, else they are at least 0 and have no unit.
        guarded: the share of weights that the published formula would take out of (0, 1/2].
        lit: how much lies inside a mask. clusters: how many; `None` where rows are independent.
    """

    name: str
    data: str
    readout: str
    site: str
    worlds: tuple[str, ...]
    unit: str
    grid: tuple[int, int] | None
    rows: tuple[RowMap, ...]
    mean: tuple[float, ...] | None
    signed: bool
    guarded: float
    lit: Lit | None = None
    clusters: int | None = None
    comments: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain data: values and tokens, no pixels."""
        out: dict[str, Any] = {
            "name": self.name,
            "data": self.data,
            "readout": self.readout,
            "at": self.site,
            "worlds": list(self.worlds),
            "form": "signed" if self.signed else "gradcam_pp",
            "unit": self.unit if self.signed else "",
            "grid": None if self.grid is None else list(self.grid),
            "guarded": self.guarded,
            "mean": None if self.mean is None else list(self.mean),
            "rows": [_row(r) for r in self.rows],
            "clusters": self.clusters,
        }
        if self.lit is not None:
            ends = self.lit.interval
            out["inside"] = {
                "column": self.lit.column,
                "share": self.lit.share,
                "interval": None if ends is None else [ends.low, ends.high],
                "area": self.lit.area,
                "n": self.lit.n,
                "empty": self.lit.empty,
            }
        return out


def _row(r: RowMap) -> dict[str, Any]:
    out: dict[str, Any] = {"row": r.row, "values": list(r.values)}
    if r.tokens:
        out["tokens"] = list(r.tokens)
    if r.area is not None:
        out |= {"inside": r.inside, "area": r.area}
    return out
