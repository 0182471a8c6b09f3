"""Bounds where nothing identifies the effect: all models with the instrument that agree with the frequencies.

Balke and Pearl (1997) for binary columns, by a linear programme that holds for any discrete ones. For each value z of
the instrument there is a distribution of what the treatment is and what the outcome would be under each treatment; that
of the potential outcomes is the same for all z. This asks of the instrument that it is independent of the potential
outcomes, no more: the treatment may share causes with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from causalcircuit.causal import Diagram, Instrument
from causalcircuit.causal.instrumental import is_instrument
from causalcircuit.diagnostics import Diagnostic, error, warning
from causalcircuit.inference._binomial import Share
from causalcircuit.inference._student import quantile
from causalcircuit.inference.observed._cells import Cells, no_rows
from causalcircuit.inference.observed._contrast import Contrast
from causalcircuit.inference.observed._resampling import by_unit
from causalcircuit.inference.observed._result import few
from causalcircuit.inference.observed._table import Data, Floats, read
from causalcircuit.query import Interval

_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """An effect that is bounded, not identified.

    Attributes:
        bounds: the smallest and the largest effect that agree with the frequencies.
        interval: an interval that holds the effect at `level`: the same over all tables that the rows do not refute.
    """

    bounds: Interval | None
    interval: Interval | None
    level: float
    method: str
    estimand: str
    assumptions: tuple[str, ...]
    n: int
    clusters: int | None = None
    warnings: tuple[Diagnostic, ...] = ()
    reason: str = ""


def bounds(
    table: Mapping[str, Any],
    diagram: Diagram | str,
    treatment: str,
    outcome: str,
    instrument: str,
    *,
    values: tuple[object, object] | None = None,
    cluster: object | None = None,
    weight: object | None = None,
    level: float = 0.95,
) -> Bounds:
    """The effect of a discrete treatment on a discrete outcome within what an instrument leaves open.

    Raises:
        DiagnosticError: CQ850 and CQ851 the table, CQ854 a value of the instrument without rows, CQ855 no instrument
            in this diagram, CQ859 columns that are not discrete or of too many values.
    """
    drawn = Diagram.read(diagram) if isinstance(diagram, str) else diagram
    if not is_instrument(drawn, Instrument(instrument, treatment, outcome)):
        raise error(
            "CQ855",
            f"`{instrument}` is no instrument for the effect of {treatment} on {outcome} in this diagram",
            help="bounds need one that reaches the outcome only through the treatment, without conditions",
        )
    data = read(table, (instrument, treatment, outcome), cluster, weight)
    contrast = Contrast.of(data, treatment, outcome, values)
    cells = Cells.of([data[instrument], contrast.treatment, contrast.outcome], data.n)
    low, high = (cells.place(treatment, v) for v in (contrast.low, contrast.high))
    if low is None or high is None:
        raise no_rows(f"{treatment} = {contrast.low:g} or {contrast.high:g}", "a bound")
    seen = cells.grids(cells.sums(data).total()[None])[0][0]
    share = seen / seen.sum(axis=(1, 2), keepdims=True)
    programme = _Programme(share.shape[0], share.shape[1], cells.levels[2], low, high)
    found = programme.solve(share, share)
    wide = programme.solve(*_box(data, cells, share, level))
    said: tuple[Diagnostic, ...] = few(data)
    reason = ""
    if found is None:
        reason = "no model of this diagram has these frequencies"
        sure = "the diagram is refuted" if wide is None else "by no more than chance allows"
        said = (
            *said,
            warning(
                "CQ857",
                f"`{instrument}` is contradicted by the data: its inequalities fail, {sure}",
                help="it reaches the outcome in another way, or shares causes with it: doubt the diagram",
            ),
        )
    return Bounds(
        found,
        wide,
        level,
        "linear programme over response types; interval over a simultaneous box of the frequencies",
        contrast.text,
        (f"`{instrument}` is independent of the potential outcomes, and reaches `{outcome}` only by `{treatment}`",),
        data.n,
        data.units if data.clustered else None,
        said,
        reason,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Programme:
    """The linear programme of `z` values of the instrument, `x` of the treatment, and the outcome's levels."""

    z: int
    x: int
    levels: Floats
    low: int
    high: int

    def solve(self, least: Floats, most: Floats) -> Interval | None:
        """The range of the effect over all models with frequencies [z, x, y] in a box; None where there is none."""
        from scipy.optimize import linprog
        from scipy.sparse import csr_matrix

        y = len(self.levels)
        types = list(product(range(y), repeat=self.x))  # the outcome under each treatment
        count = len(types) * self.x * self.z
        if count > _MOST:
            raise error(
                "CQ859",
                f"{self.x} values of the treatment and {y} of the outcome make {count} unknowns",
                help="cut the columns into fewer values",
            )
        at = np.arange(count).reshape(self.z, self.x, len(types))
        of = np.array(types)
        equal, right = [], []
        for z in range(1, self.z):
            for t in range(len(types)):
                row = np.zeros(count)
                row[at[0, :, t]], row[at[z, :, t]] = 1, -1
                equal.append(row)
                right.append(0.0)
        for z in range(self.z):
            row = np.zeros(count)
            row[at[z].ravel()] = 1
            equal.append(row)
            right.append(1.0)
        cells = np.zeros((self.z * self.x * y, count))
        for i, (z, x, v) in enumerate(product(range(self.z), range(self.x), range(y))):
            cells[i, at[z, x, of[:, x] == v]] = 1
        effect = np.zeros(count)
        effect[at[0]] = np.broadcast_to(self.levels[of[:, self.high]] - self.levels[of[:, self.low]], at[0].shape)
        slack = 1e-9
        above = csr_matrix(np.vstack([cells, -cells]))
        limit = np.concatenate([most.ravel() + slack, slack - least.ravel()])
        ends = []
        for sign in (1.0, -1.0):
            done = linprog(sign * effect, above, limit, csr_matrix(np.array(equal)), right, (0, 1), method="highs")
            if not done.success:
                return None
            ends.append(sign * float(done.fun))
        return Interval(ends[0], ends[1])


def _box(data: Data, cells: Cells, share: Floats, level: float) -> tuple[Floats, Floats]:
    """Bounds on all frequencies at once: exact ones for independent rows, else the jackknife's t; Bonferroni."""
    a = (1 - level) / 2 / share.size
    least, most = np.zeros_like(share), np.ones_like(share)
    plain = not data.clustered and bool((data.weight == data.weight[0]).all())
    z, x, y = (column.coded()[1] for column in cells.columns)
    for i, j, k in np.ndindex(share.shape):
        if plain:
            found = Share(int(((z == i) & (x == j) & (y == k)).sum()), int((z == i).sum()))
            least[i, j, k], most[i, j, k] = found.low(a), found.high(a)
            continue
        heavy = data.weight * (z == i)
        hit = heavy * ((x == j) & (y == k))
        parts = by_unit(data, np.stack([hit - heavy * share[i, j, k], heavy], axis=1))
        rest = heavy.sum() - parts[:, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            d = parts[:, 0] / rest
        units = int((parts[:, 1] > 0).sum())
        sure = units > 1 and np.isfinite(d).all() and 0 < share[i, j, k] < 1
        if not sure:
            continue  # nothing is known of a cell without spread
        q = float(quantile(np.asarray(float(units - 1)), a))
        half = q * math.sqrt(float((d**2).sum()))
        p = float(share[i, j, k])
        least[i, j, k], most[i, j, k] = max(0.0, p - half), min(1.0, p + half)
    return least, most
