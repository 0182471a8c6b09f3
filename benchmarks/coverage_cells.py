"""The grid of the coverage table: every estimator × {30, 200, 2,000} units × five kinds of rows.

A cell is an estimand, a method, a kind of rows and a number of sampling units; `simulate` says how often the 95%
interval of the method covers the truth. The default of each estimand promises at least 94% in every cell but those of
`NAMED`; whether it keeps the promise is tested exactly, by the binomial, with Holm's correction over the cells.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from causalcircuit.inference import ESTIMATORS, Problem, Sample, Shape, Units, infer, units_of
from causalcircuit.inference._order import linearised
from causalcircuit.query import Binary, Call, Expr, Number, Options, Region, Term

Floats = NDArray[np.float64]
Generator = np.random.Generator

BAR, LEVEL = 0.94, 0.95
UNITS = (30, 200, 2000)
ROWS = ("normal", "skewed", "heavy-tailed", "clustered", "discrete")
RESAMPLES = 999
AT_ONCE = 400_000
"""Rows of simulated data held side by side."""
MEMBERS = 4
"""Rows in a cluster."""
SWEEP = 8
NAMED: frozenset[tuple[str, str, int]] = frozenset()
"""Cells of defaults that promise nothing: (estimand, rows, units)."""


def noise(rng: Generator, kind: str, sims: int, units: int, columns: int) -> Floats:
    """[sims, rows, columns] independent columns of mean 0 and variance 1."""
    shape = (sims, units, columns)
    match kind:
        case "normal":
            return rng.standard_normal(shape)
        case "skewed":
            return rng.exponential(size=shape) - 1
        case "heavy-tailed":
            return np.asarray(rng.standard_t(3, size=shape) / np.sqrt(3))
        case "discrete":
            return rng.poisson(1.0, size=shape) - 1.0
        case _:
            shared = np.repeat(rng.standard_normal(shape), MEMBERS, axis=1)
            return np.asarray((shared + rng.standard_normal((sims, units * MEMBERS, columns))) / np.sqrt(2))


def clusters(kind: str, units: int) -> NDArray[np.intp] | None:
    """[rows] the unit of each row, `None` where rows are independent."""
    return np.repeat(np.arange(units), MEMBERS) if kind == "clustered" else None


_NORMAL, _HEAVY = stats.norm, stats.t(3, scale=1 / np.sqrt(3))
_ONE: dict[str, Callable[[float], float]] = {
    "normal": _NORMAL.ppf,
    "clustered": _NORMAL.ppf,
    "skewed": lambda p: stats.expon.ppf(p) - 1,
    "heavy-tailed": _HEAVY.ppf,
    "discrete": lambda p: stats.poisson(1).ppf(p) - 1,
}
"""The quantile of one column."""
_MEDIAN_OF_TWO = {"skewed": stats.gamma(2).median() - 2, "discrete": 0.0}
"""The median of a sum of two columns; 0 for symmetric ones."""
_THRESHOLD = {kind: 0.5 if kind == "discrete" else float(_ONE[kind](0.7)) for kind in ROWS}
_SHARE = {kind: float(stats.poisson(1).sf(1)) if kind == "discrete" else 0.3 for kind in ROWS}


# ---------------------------------------------------------------- estimands
@dataclass(frozen=True)
class Estimand:
    """What is estimated.

    Attributes:
        combine: arithmetic over terms. columns: of noise. values: from noise [..., columns] to terms [..., k].
        truth: for a kind of rows. events: whether terms are events. shares: of terms that are quantiles.
        together: intervals that have to hold at once, each of one term.
    """

    name: str
    combine: Expr
    columns: int
    values: Callable[[Floats, str], Floats]
    truth: Callable[[str], float]
    events: bool = False
    shares: tuple[float, ...] = ()
    together: int = 0


def _stack(*columns: Floats) -> Floats:
    return np.stack(columns, axis=-1)


def _pair(u: Floats, kind: str) -> Floats:
    return _stack(u[..., 0] + 0.5 + u[..., 1], u[..., 0])


def _parts(u: Floats, kind: str) -> Floats:
    total = 1 + 0.8 * u[..., 0]
    return _stack(0.5 * total + 0.4 * u[..., 1], total)


def _products(u: Floats, kind: str) -> Floats:
    a, b = u[..., 0], 0.5 * u[..., 0] + np.sqrt(0.75) * u[..., 1]
    return _stack(a, b, a * a, b * b, a * b)


def _quantile(i: int, share: float) -> Expr:
    return Call("quantile", (Term(i), Number(share)))


def _curve(u: Floats, kind: str) -> Floats:
    return _stack(*(u[..., 0] + k * (0.3 + 0.5 * u[..., 1]) for k in range(3)))


def _members(u: Floats, kind: str) -> Floats:
    return np.asarray((u[..., :1] + u[..., 1:]) / np.sqrt(2))


_AREA = Binary(
    "+", Binary("+", Binary("*", Number(0.5), Term(0)), Term(1)), Binary("*", Number(0.5), Term(2))
)  # of `area([f(0), f(1), f(2)])`

ESTIMANDS = (
    Estimand("mean", Term(0), 1, lambda u, kind: 1 + u, lambda kind: 1.0),
    Estimand("difference", Binary("-", Term(0), Term(1)), 2, _pair, lambda kind: 0.5),
    Estimand("ratio", Binary("/", Term(0), Term(1)), 2, _parts, lambda kind: 0.5),
    Estimand(
        "probability", Term(0), 1, lambda u, kind: (u > _THRESHOLD[kind]) * 1.0, lambda kind: _SHARE[kind], events=True
    ),
    Estimand("median", _quantile(0, 0.5), 1, lambda u, kind: u, lambda kind: float(_ONE[kind](0.5)), shares=(0.5,)),
    Estimand(
        "quantile 0.9", _quantile(0, 0.9), 1, lambda u, kind: u, lambda kind: float(_ONE[kind](0.9)), shares=(0.9,)
    ),
    Estimand(
        "difference of medians",
        Binary("-", _quantile(0, 0.5), _quantile(1, 0.5)),
        2,
        _pair,
        lambda kind: 0.5 + _MEDIAN_OF_TWO.get(kind, 0.0) - float(_ONE[kind](0.5)),
        shares=(0.5, 0.5),
    ),
    Estimand("correlation", Call("correlation", tuple(map(Term, range(5)))), 2, _products, lambda kind: 0.5),
    Estimand("area", _AREA, 2, _curve, lambda kind: 0.6),
    Estimand("sweep of 8, together", Term(0), 1 + SWEEP, _members, lambda kind: 0.0, together=SWEEP),
)
_OTHERS = {
    "mean": ("student", "percentile", "basic", "bca", "studentised"),
    "difference": ("permutation",),
    "ratio": ("fieller", "delta", "bca", "studentised"),
    "probability": ("wilson",),
    "median": ("delta", "bca"),
    "correlation": ("delta", "bca"),
}


# ---------------------------------------------------------------- cells
@dataclass(frozen=True)
class Cell:
    """One line of the table."""

    estimand: Estimand
    method: str
    rows: str
    units: int

    @property
    def promised(self) -> bool:
        """Whether it has to cover `BAR`."""
        return self.method == "default" and (self.estimand.name, self.rows, self.units) not in NAMED

    @property
    def random(self) -> bool:
        """Whether it draws, and so takes as much longer as it draws."""
        return ESTIMATORS[self.method].random


def cells() -> Iterator[Cell]:
    """Every cell: defaults first, then the other methods, each for the estimands it is for."""
    for estimand in ESTIMANDS:
        for kind in ROWS:
            yield from (Cell(estimand, "default", kind, n) for n in UNITS)
    for estimand in ESTIMANDS:
        for method in _OTHERS.get(estimand.name, ()):
            for kind in ROWS:
                if (method, kind) != ("wilson", "clustered"):  # refused: rows of one cluster are alike
                    yield from (Cell(estimand, method, kind, n) for n in UNITS)


@dataclass(frozen=True)
class Covered:
    """Of `sims` data sets: how many intervals hold the truth, lie below it, above it; how many there are not."""

    cell: Cell
    sims: int
    hits: int
    below: int
    above: int
    undefined: int
    width: float

    @property
    def share(self) -> float:
        """Of the intervals that there are."""
        return self.hits / max(1, self.sims - self.undefined)

    @property
    def p(self) -> float:
        """That so few cover although at least `BAR` would: exactly, by the binomial."""
        return float(stats.binom.cdf(self.hits, self.sims - self.undefined, BAR))


def sims_of(cell: Cell, sims: int, whole: bool) -> int:
    """Data sets of a cell: all, or as many as the time of a short run allows."""
    if whole:
        return sims
    share = {30: 1, 200: 1, 2000: 4}[cell.units]
    drawn = {30: 8, 200: 20, 2000: 60}[cell.units] if cell.random else share
    return max(20, sims // drawn)


def simulate(cell: Cell, sims: int, seed: int) -> Covered:
    """Cover `sims` data sets of a cell; a sample of intervals that are infinite or missing counts as undefined."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{cell.estimand.name} {cell.rows} {cell.units}".encode())])
    truth, cluster = cell.estimand.truth(cell.rows), clusters(cell.rows, cell.units)
    per = cell.units * (MEMBERS if cluster is not None else 1)
    at_once = max(1, AT_ONCE // (per * cell.estimand.columns))
    low, high = [], []
    for start in range(0, sims, at_once):
        u = noise(rng, cell.rows, min(at_once, sims - start), cell.units, cell.estimand.columns)
        for found, into in zip(ends(cell, cell.estimand.values(u, cell.rows), cluster), (low, high), strict=True):
            into.append(found)
    lower, upper = np.concatenate(low), np.concatenate(high)
    defined = np.isfinite(lower).all(axis=-1) & np.isfinite(upper).all(axis=-1)
    below, above = ((x & defined[:, None]).any(axis=-1) for x in (upper < truth, lower > truth))
    width = float(np.median((upper - lower)[defined])) if defined.any() else float("nan")
    missed = int((below | above).sum())
    return Covered(
        cell,
        sims,
        int(defined.sum()) - missed,
        int(below.sum()),
        int((above & ~below).sum()),
        int((~defined).sum()),
        width,
    )


def ends(cell: Cell, values: Floats, cluster: NDArray[np.intp] | None) -> tuple[Floats, Floats]:
    """[sims, intervals] the ends of the intervals of data sets [sims, rows, k], as `infer` gives them."""
    estimand = cell.estimand
    if estimand.together:
        tail = (1 - LEVEL) / 2 / estimand.together
        shapes = [Shape(Term(j), (False,) * estimand.together, cluster is not None) for j in range(estimand.together)]
        units = units_of(values, None, cluster)
        fits = [ESTIMATORS[cell.method].fit(Problem(s, units), Options(cell.method)).bounds(tail) for s in shapes]
        return np.stack([f[0] for f in fits], axis=-1), np.stack([f[1] for f in fits], axis=-1)
    events = (estimand.events,) * values.shape[-1]
    if not (cell.random or estimand.shares):
        problem = Problem(Shape(estimand.combine, events, cluster is not None), units_of(values, None, cluster))
        low, high = ESTIMATORS[cell.method].fit(problem, Options(cell.method)).bounds((1 - LEVEL) / 2)
        return np.asarray(low)[:, None], np.asarray(high)[:, None]
    found = [_alone(cell, one, i, cluster) for i, one in enumerate(values)]
    return np.array([f[0] for f in found])[:, None], np.array([f[1] for f in found])[:, None]


def _alone(cell: Cell, values: Floats, seed: int, cluster: NDArray[np.intp] | None) -> tuple[float, float]:
    """One data set through `infer`; a permutation test covers where it does not reject the truth at 5%."""
    estimand = cell.estimand
    if cell.method == "permutation":
        values = values - np.array([estimand.truth(cell.rows), 0.0])
    raw = {i: values[:, i] for i in range(len(estimand.shares))}
    columns = values.copy()
    for i, share in enumerate(estimand.shares):
        columns[:, i] = linearised(values[:, i], None, share)
    events = (estimand.events,) * values.shape[-1]
    sample = Sample(columns, np.ones(columns.shape, np.bool_), events, estimand.combine, cluster, raw=raw)
    found = infer(
        sample, Options(cell.method, RESAMPLES if cell.random else None, LEVEL, seed if cell.random else None)
    )
    if cell.method == "permutation":
        p, truth = found.p_inside(Region(0.0, 0.0, closed=True, outside=True)), estimand.truth(cell.rows)
        return (truth, truth) if p is not None and p > 1 - LEVEL else (truth + 1, truth + 1)
    return (-np.inf, np.inf) if found.interval is None else (found.interval.low, found.interval.high)


def broken(found: list[Covered]) -> list[Covered]:
    """The promised cells that cover less than `BAR`, by Holm over all promised cells at 5%."""
    promised = sorted((x for x in found if x.cell.promised), key=lambda x: x.p)
    out = []
    for rank, x in enumerate(promised):
        if x.p > 0.05 / (len(promised) - rank):
            break
        out.append(x)
    return out


__all__ = ["BAR", "Cell", "Covered", "Units", "broken", "cells", "ends", "sims_of", "simulate"]
