"""Ratios of means by inversion of a t test: Fieller's set.

ρ belongs to the set where the t interval of N − ρD holds 0 (Fieller 1954, "Some problems in interval
estimation", JRSS B 16). With the skewness correction of `_student` the skewness is that of N − ρD, at each ρ.
The set is bounded exactly where D is told apart from 0; where it is not, there is no interval.
"""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.inference._arithmetic import fraction
from causalcircuit.inference._estimators import Fit, Problem, Shape, estimator
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._student import SKEWED, lengthening, quantile, scale_factor, skew_factor
from causalcircuit.query import Options

_FIRST, _PARTS, _ROUNDS = 64, 16, 12
"""The half circle is cut into 64, then a bracket into 16 at a time, 12 times: down to rounding."""


@dataclass(frozen=True, slots=True)
class _Ray:
    """Moments of E + xW: E the residual N − ρ̂D in its standard errors, W the denominator in its means.

    Attributes:
        covariance, variance: [...] of E with W, and of W (that of E is 1).
        third: [..., 4] coefficients of 1, x, x², x³ in the skewness times variance^1.5.
    """

    covariance: Floats
    variance: Floats
    third: Floats

    def and_mirrored(self) -> _Ray:
        """[2, ...] this, the way down from ρ̂, and the same with −E, the way up."""
        third = np.stack([self.third, self.third * np.array([-1.0, 1.0, -1.0, 1.0])])
        return _Ray(np.stack([self.covariance, -self.covariance]), np.stack([self.variance] * 2), third)

    def excess(self, angle: Floats, q: Floats) -> Floats:
        """[m, ...] by how much the test at x = tan(angle) exceeds its critical value; rejects where positive."""
        cos, sin = np.cos(angle), np.sin(angle)
        variance = cos**2 + 2 * self.covariance * sin * cos + self.variance * sin**2
        root = np.sqrt(np.maximum(variance, 1e-300))
        c0, c1, c2, c3 = np.moveaxis(self.third, -1, 0)
        skew = (((c3 * sin + c2 * cos) * sin + c1 * cos**2) * sin + c0 * cos**3) / root**3
        return np.asarray(sin / root - np.maximum(-skew, 0) * lengthening(q) - q)

    def reach(self, q: Floats) -> Floats:
        """[...] the farthest x that the test at q does not reject; ∞ where it rejects nothing far out."""
        low, high = np.full_like(q, -np.pi / 2), np.full_like(q, np.pi / 2)
        for cuts in (_FIRST, *(_PARTS,) * _ROUNDS):
            parts = np.linspace(0, 1, cuts + 1)
            angles = low + (high - low) * parts.reshape(-1, *(1,) * q.ndim)
            kept = self.excess(angles, q) <= 0
            last = np.where(kept.any(axis=0), len(parts) - 1 - np.argmax(kept[::-1], axis=0), 0)
            ends = np.stack([last, np.minimum(last + 1, len(parts) - 1)])
            low, high = np.take_along_axis(angles, ends, axis=0)
        # far out the test is that of the denominator against 0; not below q = 0, so that bounds stay monotone
        apart = self.excess(np.full((1, *q.shape), np.pi / 2), np.maximum(q, 0))[0] > 0
        return np.where(apart, np.tan(low), np.inf)


def fieller_fit(problem: Problem, skewed: bool) -> Fit:
    """Fieller's set for a ratio of two linear combinations of means."""
    shape, units = problem.shape, problem.units
    parts = fraction(shape.combine, shape.k)
    if parts is None:
        raise ValueError("no ratio")
    (above, below), lead = parts, units.mean.shape[:-1]
    numerator, denominator = (np.atleast_1d(units.mean @ c[:-1] + c[-1]).ravel() for c in (above, below))
    shifts = units.shifts().reshape(-1, *units.size.shape[-2:])
    n, d = (-(shifts @ c[:-1]) for c in (above, below))
    count, df = np.ravel(units.count), np.ravel(problem.df)
    factor = scale_factor(count)
    with np.errstate(all="ignore"):
        value = numerator / denominator
        residual = n - value[:, None] * d
        se = np.sqrt(factor * (residual**2).sum(axis=-1))
        e = np.where(se[:, None] > 0, residual * np.sign(denominator)[:, None] / se[:, None], 0.0)
        w = d / denominator[:, None]
        step = se / np.abs(denominator)
    thirds = np.stack([(x * y * z).sum(axis=-1) for x, y, z in ((e, e, e), (e, e, w), (e, w, w), (w, w, w))], axis=-1)
    thirds = thirds * np.array([1.0, 3.0, 3.0, 1.0])
    adjust = (skew_factor(count) * factor**1.5)[:, None] if skewed else 0.0
    ray = _Ray(factor * (e * w).sum(axis=-1), factor * (w**2).sum(axis=-1), adjust * thirds)
    both = ray.and_mirrored()

    def bounds(a: float) -> tuple[Floats, Floats]:
        q = quantile(df, a)
        with np.errstate(invalid="ignore"):
            down, up = np.where(np.isfinite(x := both.reach(np.stack([q, q]))), step * x, np.inf)
        return (value - down).reshape(lead), (value + up).reshape(lead)

    kind = "cluster-robust Fieller set" if shape.clustered else "Fieller set"
    return Fit(value.reshape(lead), bounds, f"{kind}, t{SKEWED if skewed else ''}", problem.df)


def _refuse(shape: Shape) -> str:
    return "" if is_ratio(shape) else "it is no ratio of linear combinations of means"


def is_ratio(shape: Shape) -> bool:
    """Whether the estimand is a ratio of linear combinations, its denominator no constant."""
    parts = fraction(shape.combine, shape.k)
    return parts is not None and bool(parts[1][:-1].any())


@estimator("fieller", refuse=_refuse)
def fieller(problem: Problem, options: Options) -> Fit:
    """Fieller's set, nothing added."""
    return fieller_fit(problem, skewed=False)
