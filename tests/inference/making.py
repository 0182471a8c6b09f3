"""Samples, tables and claims by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from causalcircuit.inference import Sample
from causalcircuit.query import (
    Binary,
    Call,
    Claim,
    Compare,
    Expect,
    Expr,
    Number,
    Options,
    Probability,
    Query,
    Region,
    Term,
)

FIRST, SECOND = Term(0), Term(1)
DIFFERENCE = Binary("-", FIRST, SECOND)
RATIO = Binary("/", FIRST, SECOND)
INFINITY = float("inf")


def sample(columns: ArrayLike, combine: Expr = FIRST, **more: Any) -> Sample:
    """A sample of [n, k] (or [n]) columns, all rows in every term unless `mask` says otherwise."""
    values = np.asarray(columns, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    mask = more.pop("mask", np.ones(values.shape, np.bool_))
    events = more.pop("events", (False,) * values.shape[1])
    return Sample(np.where(mask, values, 0.0), mask, events, combine, **more)


def pairs(n: int = 40, seed: int = 0, means: tuple[float, float] = (2.0, 1.0)) -> np.ndarray:
    """[n, 2] related columns."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 1))
    return np.asarray(means) + 0.5 * shared + rng.normal(size=(n, 2))


def moved(y: np.ndarray, *by: float) -> np.ndarray:
    """Columns, each shifted."""
    return np.add(y, by)


def claim(region: Region, name: str = "c") -> Claim:
    return Claim(name, Query(name, Expect(Number(0.0))), region, "logit")


def above(low: float) -> Region:
    return Region(low, INFINITY)


def below(high: float) -> Region:
    return Region(-INFINITY, high)


def minus(a: Expr, b: Expr) -> Expr:
    return Binary("-", a, b)


def call(function: str, *arguments: Expr) -> Expr:
    return Call(function, arguments)


def power(e: Expr, exponent: float) -> Expr:
    return Binary("^", e, Number(exponent))


def probability(e: Expr) -> Expr:
    return Probability(Compare(">", e, Number(0.0)))


BOOTSTRAPS = ("bca", "percentile", "basic")


def bootstrap(method: str = "bca", resamples: int = 2000, seed: int = 7, **more: Any) -> Options:
    return Options(method, resamples, seed=seed, **more)
