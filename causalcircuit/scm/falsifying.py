"""Whether rows contradict a diagram: every independence that it implies is tested.

The test of a statement `a _||_ b | Z` leaves the parts of a and b that Z explains out (lines for numbers, strata for
discrete columns) and asks whether what is left is correlated, robustly to uneven noise and over sampling units: the
generalised covariance measure of Shah & Peters (2020, Annals of Statistics 48) with Hotelling's F for several levels.
Where all columns are discrete and rows are independent, the variance is that of exchanging rows within strata.
A site that is a function of what is given leaves nothing: no test speaks of it, and it is said (determinism breaks
independence tests).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2
from scipy.stats import f as f_law

from causalcircuit.causal import Diagram, Independence, independences
from causalcircuit.diagnostics import error
from causalcircuit.inference import holm
from causalcircuit.inference.observed._resampling import by_unit
from causalcircuit.inference.observed._table import FEW_LEVELS, Column, Data, Floats
from causalcircuit.scm.table import measured

_DETERMINED = 1e-9
"""A column of which less than this share is left is a function of what is given."""


@dataclass(frozen=True, slots=True)
class Test:
    """One statement held against rows.

    Attributes:
        statement: the independence. p: that what is left is as correlated as this by chance; None where nothing is
            left, with a `reason`. p_adjusted: Holm over all statements that are tested.
        correlation: the largest between any two levels or the two numbers.
    """

    __test__ = False  # pytest collects classes by such names

    statement: Independence
    p: float | None
    correlation: float | None = None
    p_adjusted: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Falsification:
    """The statements of a diagram held against rows.

    Attributes:
        tests: in the order of the diagram. alpha: of the family. n: rows. clusters: sampling units, where clustered.
    """

    tests: tuple[Test, ...]
    alpha: float
    n: int
    clusters: int | None

    @property
    def contradicted(self) -> tuple[Test, ...]:
        """The statements that rows contradict."""
        return tuple(t for t in self.tests if t.p_adjusted is not None and t.p_adjusted < self.alpha)

    @property
    def verdict(self) -> str:
        """The answer in words."""
        tested = [t for t in self.tests if t.p is not None]
        if not self.tests:
            return "the diagram implies no independence: no rows could contradict it"
        if not tested:
            return "no implied independence can be tested on these rows"
        if self.contradicted:
            return f"contradicted: {len(self.contradicted)} of {len(tested)} implied independences fail"
        return f"not contradicted by {len(tested)} implied independence{'s' if len(tested) > 1 else ''}"


def falsify(
    table: Mapping[str, Any],
    diagram: Diagram | str,
    *,
    cluster: object | None = None,
    weight: object | None = None,
    alpha: float = 0.05,
) -> Falsification:
    """Hold the independences that a diagram implies against a table.

    Args:
        table: columns by name. diagram: its variables that the table lacks are projected out.
        cluster: a column, or its name: rows of one value are one sampling unit.
        weight: a column, or its name. alpha: the chance that any true statement is called contradicted.

    Raises:
        DiagnosticError: CQ830 to CQ834 the diagram, CQ850 to CQ852 the table, CQ859 a level that is none.
    """
    if not 0 < alpha < 1:
        raise error("CQ859", f"an alpha of {alpha} is no share", help="it lies between 0 and 1: 0.05")
    _, own, data = measured(table, diagram, cluster, weight)
    return falsified(data, own, alpha)


def falsified(data: Data, own: Diagram, alpha: float) -> Falsification:
    """The same for columns that were read already: those of all variables of `own`."""
    tests = [tested(data, one) for one in independences(own)]
    speak = [i for i, t in enumerate(tests) if t.p is not None]
    adjusted = holm([p for t in tests if (p := t.p) is not None])
    for i, p in zip(speak, adjusted, strict=True):
        t = tests[i]
        tests[i] = Test(t.statement, t.p, t.correlation, None if p is None else float(p), t.reason)
    return Falsification(tuple(tests), alpha, data.n, data.units if data.clustered else None)


def tested(data: Data, one: Independence) -> Test:
    """The test of one statement."""
    given = [data[name] for name in one.given]
    explain, size = _explaining(data, given)
    left: list[Floats] = []
    for name in (one.a, one.b):
        raw = _columns(data[name])
        centred = raw - np.average(raw, axis=0, weights=data.weight)
        rest = _rest(data, centred, explain)
        share = np.average(rest**2, axis=0, weights=data.weight).sum()
        if share <= _DETERMINED * np.average(centred**2, axis=0, weights=data.weight).sum():
            what = ", ".join(one.given) or "nothing"
            return Test(one, None, reason=f"{name} is a function of {what}: no rows could show a dependence")
        left.append(rest)
    a, b = left
    strata = _strata(data, one)
    if strata is not None:
        return _exchanged(data, one, a, b, strata)
    products = (a[:, :, None] * b[:, None, :]).reshape(data.n, -1) * data.weight[:, None]
    sums = by_unit(data, products)
    units, q = len(sums), sums.shape[1]
    spare = units - (1 if data.clustered else size) - q
    if spare < 1:
        return Test(one, None, reason=f"{units} {data.word} are too few for {size} strata or coefficients")
    total = sums.sum(axis=0)
    spread = sums.T @ sums - np.outer(total, total) / units
    kept = np.linalg.matrix_rank(spread, tol=1e-9 * np.trace(spread))
    if kept == 0:
        return Test(one, None, reason="what is left does not vary together in any row")
    t2 = float(total @ np.linalg.pinv(spread, rcond=1e-9, hermitian=True) @ total) * (units - 1) / units
    free = spare + q - kept
    statistic = t2 * free / (kept * (units - 1))
    return Test(one, float(f_law.sf(statistic, kept, free)), _largest(data, a, b, total))


def _strata(data: Data, one: Independence) -> npt.NDArray[np.intp] | None:
    """[n] the stratum of each row, where all columns are discrete and rows count alike; else None."""
    columns = [data[name] for name in (one.a, one.b, *one.given)]
    if data.clustered or np.ptp(data.weight) > 0 or not all(c.discrete for c in columns):
        return None
    code = np.zeros(data.n, np.intp)
    for column in columns[2:]:
        code = np.unique(code * len(column.levels) + column.coded()[1], return_inverse=True)[1].astype(np.intp)
    return code


def _exchanged(data: Data, one: Independence, a: Floats, b: Floats, strata: npt.NDArray[np.intp]) -> Test:
    """The test of Cochran, Mantel and Haenszel for any number of levels: exact variance under exchange in strata.

    Landis, Heyman & Koch (1978), "Average partial association in three-way contingency tables", Int. Stat. Review 46.
    """
    q = a.shape[1] * b.shape[1]
    total, spread = np.zeros(q), np.zeros((q, q))
    for s in range(int(strata.max()) + 1):
        rows = strata == s
        size = int(rows.sum())
        if size > 1:
            own, other = a[rows] - a[rows].mean(axis=0), b[rows] - b[rows].mean(axis=0)
            total += (own.T @ other).ravel()
            spread += np.kron(own.T @ own, other.T @ other) / (size - 1)
    kept = int(np.linalg.matrix_rank(spread, tol=1e-9 * max(np.trace(spread), 1e-300)))
    if kept == 0:
        return Test(one, None, reason="in no stratum do both vary")
    statistic = float(total @ np.linalg.pinv(spread, rcond=1e-9, hermitian=True) @ total)
    return Test(one, float(chi2.sf(statistic, kept)), _largest(data, a, b, total))


def _largest(data: Data, a: Floats, b: Floats, total: Floats) -> float:
    """The largest of the correlations of what is left."""
    spreads = [np.average(x**2, axis=0, weights=data.weight) for x in (a, b)]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = total / data.weight.sum() / np.sqrt(np.outer(*spreads)).ravel()
    return float(found[np.nanargmax(np.abs(found))])


def _columns(column: Column) -> Floats:
    """[n, q] numbers as they are; labels and few whole values as indicators of all but the first."""
    if column.labels is None and (not column.discrete or len(column.levels) == 2):
        return column.values[:, None]
    return np.stack([(column.values == v).astype(np.float64) for v in column.levels[1:]], axis=1)


def _explaining(data: Data, given: Sequence[Column]) -> tuple[Floats, int]:
    """[n, p] what conditions explain: strata of discrete columns, lines of the others within each stratum's mean."""
    discrete = [c for c in given if c.discrete]
    strata = np.zeros(data.n, np.intp)
    for column in discrete:
        strata = strata * len(column.levels) + column.coded()[1]
    levels, code = np.unique(strata, return_inverse=True)
    if len(levels) > max(FEW_LEVELS, data.units // 10):  # too many strata: each column by itself
        parts = [np.ones((data.n, 1)), *(_columns(c) for c in given)]
        return np.hstack(parts), sum(p.shape[1] for p in parts)
    dummies = (code[:, None] == np.arange(len(levels))).astype(np.float64)
    lines = [c.values[:, None] - np.average(c.values, weights=data.weight) for c in given if not c.discrete]
    out = np.hstack([dummies, *lines])
    return out, out.shape[1]


def _rest(data: Data, target: Floats, explain: Floats) -> Floats:
    """[n, q] what least squares leaves."""
    root = np.sqrt(data.weight)[:, None]
    q, r = np.linalg.qr(explain * root)
    sound = np.abs(np.diag(r)) > 1e-10 * np.abs(np.diag(r)).max()
    q = q[:, sound]
    left = target * root - q @ (q.T @ (target * root))
    return np.asarray(left / root)
