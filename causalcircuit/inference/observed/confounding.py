"""How strong a confounder that nobody measured would have to be.

Partial R² and robustness values of a linear regression: Cinelli and Hazlett (2020, "Making sense of sensitivity",
JRSS B 82). E-values of risk ratios: VanderWeele and Ding (2017, Annals of Internal Medicine 167).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from causalcircuit.diagnostics import error
from causalcircuit.inference._student import quantile
from causalcircuit.inference.observed._contrast import Contrast
from causalcircuit.inference.observed._linear import Regression, features, standardised
from causalcircuit.inference.observed._table import read


@dataclass(frozen=True, slots=True)
class Strength:
    """A confounder as strong as `times` a measured column, and what would remain of the effect.

    Attributes:
        r2_treatment, r2_outcome: the shares of what is left of treatment and outcome that it would explain.
        value: the effect where it works against it. interval: of `value`, at the sensitivity's level.
    """

    column: str
    times: float
    r2_treatment: float
    r2_outcome: float
    value: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What a linear regression of the outcome on treatment and covariates withstands.

    Attributes:
        value, standard_error, df: of the treatment's coefficient times the step between the values compared.
        partial_r2: the share of the outcome's rest that the treatment explains: a confounder that explains all of the
            outcome's rest would have to explain as much of the treatment's to bring the effect to 0.
        robustness: the share of both rests that a confounder must explain to bring the effect to 0.
        robustness_interval: the same to bring the interval at `level` to 0.
        benchmarks: confounders as strong as measured columns.
    """

    value: float
    standard_error: float
    df: float
    level: float
    partial_r2: float
    robustness: float
    robustness_interval: float
    benchmarks: tuple[Strength, ...] = ()

    def adjusted(self, r2_treatment: float, r2_outcome: float) -> tuple[float, float]:
        """The effect and its standard error under a confounder that works against it.

        Raises:
            DiagnosticError: CQ859, shares that are none.
        """
        if not (0 <= r2_treatment < 1 and 0 <= r2_outcome <= 1):
            raise error("CQ859", "a partial R² is a share", help="the treatment's is below 1, the outcome's at most 1")
        bias = self.standard_error * math.sqrt(self.df * r2_outcome * r2_treatment / (1 - r2_treatment))
        left = math.copysign(1.0, self.value) * (abs(self.value) - bias)
        spread = self.standard_error * math.sqrt((1 - r2_outcome) / (1 - r2_treatment) * self.df / (self.df - 1))
        return left, spread


def robustness(t: float, df: float, share: float = 1.0, level: float | None = None) -> float:
    """The robustness value of a t statistic: to take away `share` of the effect, or the interval at `level`."""
    f = share * abs(t) / math.sqrt(df)
    if level is not None:
        f -= float(quantile(np.asarray(df - 1), (1 - level) / 2)) / math.sqrt(df - 1)
        if f <= 0:
            return 0.0
        limit = float(quantile(np.asarray(df - 1), (1 - level) / 2)) / math.sqrt(df - 1)
        whole = share * abs(t) / math.sqrt(df)
        if limit > 0 and whole > 1 / limit:  # the outcome's share meets its bound: Cinelli and Hazlett's second case
            return (whole**2 - limit**2) / (1 + whole**2)
    return 0.5 * (math.sqrt(f**4 + 4 * f**2) - f**2)


def sensitivity(
    table: Mapping[str, Any],
    treatment: str,
    outcome: str,
    given: Sequence[str] = (),
    *,
    values: tuple[object, object] | None = None,
    benchmarks: Sequence[str] = (),
    times: Sequence[float] = (1.0, 2.0, 3.0),
    level: float = 0.95,
) -> Sensitivity:
    """What the coefficient of the treatment withstands, in a linear regression without interactions.

    For independent rows of equal weight: partial R² and the classical t are two sides of one number there.

    Raises:
        DiagnosticError: CQ850 to CQ853 the table, CQ859 a benchmark that is not adjusted for.
    """
    data = read(table, (treatment, outcome, *given))
    contrast = Contrast.of(data, treatment, outcome, values)
    raw, names = features([data[name] for name in given])
    z = standardised(raw, data.weight) if given else np.zeros((data.n, 0))
    for name in benchmarks:
        if name not in names:
            raise error("CQ859", f"`{name}` is no number among what is adjusted for", help=f"known: {', '.join(names)}")
    x, y = contrast.scaled, contrast.outcome.values
    one = np.ones((data.n, 1))
    design = np.hstack([one, x[:, None], z])
    fit = Regression.of(data, design, ("1", treatment, *names), y[:, None])
    df = data.n - fit.p
    if df < 2:
        raise error("CQ853", f"{data.n} rows for {fit.p} coefficients", help="collect more rows, or adjust for less")
    beta, se = _coefficients(fit, y, df)
    t = float(beta[1] / se[1])
    found = Sensitivity(
        float(beta[1]),
        float(se[1]),
        float(df),
        level,
        t**2 / (t**2 + df),
        robustness(t, df),
        robustness(t, df, 1.0, level),
    )
    early = Regression.of(data, np.hstack([one, z]), ("1", *names), x[:, None])
    beta_x, se_x = _coefficients(early, x, data.n - early.p)
    strengths = []
    for name in benchmarks:
        j = names.index(name)
        t_x, t_y = float(beta_x[1 + j] / se_x[1 + j]), float(beta[2 + j] / se[2 + j])
        own_x, own_y = t_x**2 / (t_x**2 + data.n - early.p), t_y**2 / (t_y**2 + df)
        for k in times:
            strengths.append(_as_strong(found, name, k, own_x, own_y))
    return replace(found, benchmarks=tuple(strengths))


def _coefficients(fit: Regression, y: Any, df: int) -> tuple[Any, Any]:
    """Coefficients and classical standard errors."""
    beta = fit.back @ (fit.q.T @ (fit.weight * y))
    rest = y - fit.q @ (fit.q.T @ (fit.weight * y))
    variance = float((fit.weight * rest**2).sum()) / df * (fit.back**2).sum(axis=1)
    return beta, np.sqrt(variance)


def _as_strong(found: Sensitivity, name: str, k: float, own_x: float, own_y: float) -> Strength:
    """The bounds of Cinelli and Hazlett (2020, section 4.4) on a confounder k times as strong as a column."""
    r2_x = k * own_x / (1 - own_x)
    if r2_x >= 1:
        raise error("CQ859", f"no confounder is {k:g} times as strong as `{name}`", help="give smaller `times`")
    between = k * own_x**2 / ((1 - k * own_x) * (1 - own_x)) if k * own_x < 1 else math.inf
    eta = (math.sqrt(k) + math.sqrt(between)) / math.sqrt(max(1 - between, 1e-12)) if between < 1 else math.inf
    r2_y = min(1.0, eta**2 * own_y / (1 - own_y))
    value, spread = found.adjusted(r2_x, r2_y)
    q = float(quantile(np.asarray(found.df - 1), (1 - found.level) / 2))
    return Strength(name, k, r2_x, r2_y, value, (value - q * spread, value + q * spread))


def e_value(ratio: float, low: float | None = None, high: float | None = None) -> tuple[float, float | None]:
    """The E-value of a risk ratio, and of the end of its interval that is nearer to 1 (1 where it holds 1).

    A confounder tied to treatment and outcome by risk ratios of that size each, beyond what is adjusted for, could
    explain the ratio away; a weaker one could not.

    Raises:
        DiagnosticError: CQ859, a ratio that is none.
    """
    if not (math.isfinite(ratio) and ratio > 0):
        raise error("CQ859", f"{ratio} is no risk ratio", help="a ratio of two probabilities is positive")
    point = _e(ratio)
    if low is None and high is None:
        return point, None
    if (low is not None and low <= 1 and ratio >= 1) or (high is not None and high >= 1 and ratio <= 1):
        return point, 1.0
    near = low if ratio >= 1 else high
    return point, None if near is None else _e(near)


def e_value_of_difference(
    difference: float, deviation: float, low: float | None = None, high: float | None = None
) -> tuple[float, float | None]:
    """The E-value of a difference of means of an outcome with that standard deviation, by exp(0.91 d)."""
    if not (math.isfinite(deviation) and deviation > 0):
        raise error("CQ859", f"{deviation} is no standard deviation", help="give that of the outcome")
    turned = [None if v is None else math.exp(0.91 * v / deviation) for v in (difference, low, high)]
    assert turned[0] is not None  # noqa: S101  the difference is given
    return e_value(turned[0], turned[1], turned[2])


def _e(ratio: float) -> float:
    away = ratio if ratio >= 1 else 1 / ratio
    return away + math.sqrt(away * (away - 1))
