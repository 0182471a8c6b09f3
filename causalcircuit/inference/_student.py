"""Student's t, and the jackknife that carries it to clusters, weights, conditions and smooth arithmetic.

The variance is the jackknife's over units, (G−1)/G · Σ (θ − θ₋g)². For a mean of independent rows that is s²/n
exactly; over clusters it is the cluster-robust variance CV3 of MacKinnon, Nørregaard Nielsen & Webb (2023,
"Fast and reliable jackknife and bootstrap methods for cluster-robust inference", J. Appl. Econometrics 38).

The skewness correction is that of Johnson (1978, "Modified t tests and confidence intervals for asymmetrical
populations", JASA 73), the first term of the Edgeworth expansion of t (Hall 1992, "The Bootstrap and Edgeworth
Expansion", section 2.6): the t interval moves towards the long tail by γ(1 + 2q²)/(6√n) standard errors. Here
only the end on the side of the long tail moves; the other stays Student's. The reasons are in
docs/decisions/0010-the-default-interval.md, the measurements in docs/coverage.md.
"""

from __future__ import annotations

from causalcircuit.inference._arithmetic import linear, terms_in, value_of
from causalcircuit.inference._estimators import Fit, Problem, Shape, estimator
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._special import stdtrit
from causalcircuit.query import Options

_SHORTFALL = 1.5
"""A sample shows less skewness than its source has: in 30 exponential rows the adjusted coefficient averages 1.6
where 2 is true, in 30 log-normal rows 2.3 where 6.2 is. What the factor brings is in the decision records."""

_ROUNDING = 1e-13
"""A standard error below this share of the values is what float64 leaves of a constant."""


def deviations(problem: Problem) -> Floats:
    """[..., G] θ − θ₋g: how much of the estimate each unit carries; 0 for all where rows do not vary."""
    shape, units = problem.shape, problem.units
    coefficients = linear(shape.combine, shape.k)
    if coefficients is not None:
        d: Floats = -(units.shifts() @ coefficients[:-1])
        floor = units.scale @ np.abs(coefficients[:-1])
    else:
        whole = value_of(shape.combine, units.mean)
        with np.errstate(invalid="ignore"):
            d = whole[..., None] - value_of(shape.combine, units.mean[..., None, :] + units.shifts())
        floor = np.abs(whole)
    # what has no value without one of the units is not constant: NaN counts as varying, and leaves no interval
    varies = ~(np.abs(d).max(axis=-1) * np.sqrt(units.count) <= _ROUNDING * floor)
    return np.where(varies[..., None], d, 0.0)


def scale_factor(count: Floats) -> Floats:
    """[...] what a sum of squared deviations is multiplied by: (G − 1)/G."""
    return np.asarray((count - 1) / count)


def skew_factor(count: Floats) -> Floats:
    """[...] from Σd³/(Σd²)^1.5 to γ/√G: the factor of the adjusted Fisher-Pearson skewness, and `_SHORTFALL`."""
    adjusted = np.sqrt(count * (count - 1)) / np.maximum(count - 2, 1)
    return np.where(count > 2, _SHORTFALL * adjusted, 0.0)


def quantile(df: Floats, a: float) -> Floats:
    """[...] q with P(t > q) = a, kept where its square is a number."""
    return np.asarray(np.clip(-stdtrit(df, a), -1e100, 1e100))


def lengthening(q: Floats) -> Floats:
    """[...] how many standard errors of length a unit of γ/√n adds to the side of the long tail.

    Held at its value at 0 below 0, so that bounds stay monotone in the level.
    """
    return np.asarray((1 + 2 * np.maximum(q, 0) ** 2) / 6)


def matched_df(d: Floats, most: Floats) -> Floats:
    """[...] degrees of freedom that match how uncertain the variance of `d` [..., G] is: 2/(kurtosis − 1) · G.

    Satterthwaite's matching of the first two moments (1946, Biometrics Bulletin 2), with the variance of Σd² as the
    rows show it instead of that of normal ones, for which it is about G. At least 3, at most `most`.
    """
    count, squares = d.shape[-1], (d**2).sum(axis=-1)
    with np.errstate(all="ignore"):
        kurtosis = count * (d**4).sum(axis=-1) / squares**2
        matched = np.where(kurtosis > 1, 2 * count / (kurtosis - 1), most)
    return np.asarray(np.clip(np.nan_to_num(matched, nan=1.0), np.minimum(3, most), most))


def t_fit(problem: Problem, skewed: bool, matched: bool = False) -> Fit:
    """Student's t on the jackknife; `skewed` lengthens the side of the long tail, `matched` takes `matched_df`."""
    d, count, df = deviations(problem), problem.units.count, problem.df
    if matched:
        df = matched_df(d, df)
    squares = (d**2).sum(axis=-1)
    se = np.sqrt(scale_factor(count) * squares)
    with np.errstate(all="ignore"):
        skew = np.where(squares > 0, skew_factor(count) * (d * d * d).sum(axis=-1) / squares**1.5, 0.0)
    if not skewed:
        skew = np.zeros_like(skew)
    value = value_of(problem.shape.combine, problem.units.mean)

    def bounds(a: float) -> tuple[Floats, Floats]:
        q = quantile(df, a)
        more = lengthening(q)
        return value - se * (q + np.maximum(-skew, 0) * more), value + se * (q + np.maximum(skew, 0) * more)

    return Fit(value, bounds, f"{describe(problem)}{SKEWED if skewed else ''}", df)


SKEWED = ", lengthened for skewness"


def describe(problem: Problem) -> str:
    """The words for a t interval on this problem."""
    shape, units = problem.shape, problem.units
    if linear(shape.combine, shape.k) is None:
        kind = "linearised by the jackknife, t"
    elif shape.clustered:
        kind = "t"
    elif len(terms_in(shape.combine)) > 1 and units.mean.ndim == 1 and (units.size > 0).all():
        kind = "paired t"
    else:
        kind = "t"
    return f"cluster-robust {kind}" if shape.clustered else kind


def _refuse(shape: Shape) -> str:
    return "" if linear(shape.combine, shape.k) is not None else "it is no linear combination of means"


@estimator("student", refuse=_refuse)
def student(problem: Problem, options: Options) -> Fit:
    """Student's t for a linear combination of means, nothing added."""
    return t_fit(problem, skewed=False)


@estimator("delta")
def delta(problem: Problem, options: Options) -> Fit:
    """Student's t for any smooth arithmetic over means."""
    return t_fit(problem, skewed=False)
