"""Instruments: two-stage least squares, and the interval of Anderson and Rubin that weak instruments leave valid.

Anderson and Rubin (1949): a slope β is in the set unless the instruments explain outcome − β · treatment. The set may
be bounded, the whole line, two rays, or, with several instruments that disagree, empty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from causalcircuit.diagnostics import Diagnostic, error, warning
from causalcircuit.inference._student import quantile
from causalcircuit.inference.observed._contrast import Contrast
from causalcircuit.inference.observed._linear import Regression, features, standardised, varied
from causalcircuit.inference.observed._means import Means, settled
from causalcircuit.inference.observed._result import Asked, Observed, blank
from causalcircuit.inference.observed._table import Column, Data, Floats
from causalcircuit.query import Interval

WEAK = 10.0
"""Below this first-stage F an instrument is called weak (Staiger and Stock 1997)."""

_ASSUMED = (
    "the outcome is linear in the treatment, with one slope for all rows",
    "the instruments move the treatment, and reach the outcome only through it",
)


def _stages(
    data: Data, contrast: Contrast, instruments: Sequence[Column], given: Sequence[Column]
) -> tuple[Regression, int]:
    """Outcome and treatment on instruments and covariates; how many columns the instruments make."""
    for column in instruments:
        varied(column)
    z, names = features(instruments)
    raw, more = features(given)
    w = standardised(raw, data.weight) if given else np.zeros((data.n, 0))
    design = np.hstack([np.ones((data.n, 1)), w, standardised(z, data.weight)])
    targets = np.stack([contrast.outcome.values, contrast.scaled], axis=1)
    return Regression.of(data, design, ("1", *more, *names), targets), z.shape[1]


def wald(
    data: Data, contrast: Contrast, instruments: Sequence[Column], given: Sequence[Column], asked: Asked
) -> Observed:
    """Two-stage least squares with the jackknife's t interval: for strong instruments only.

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows.
    """
    return settled(two_stage(data, contrast, instruments, given), lambda means: means[..., 0], data, asked)


def two_stage(data: Data, contrast: Contrast, instruments: Sequence[Column], given: Sequence[Column]) -> Means:
    """The contrast by two-stage least squares, as the only mean.

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows.
    """
    fit, k = _stages(data, contrast, instruments, given)
    sums = fit.sums(data)
    cross = _gram(fit, k)

    def effect(of: Floats) -> Floats:
        beta = fit.coefficients(of)[:, -k:, :]
        return _two_stage(beta, cross)[:, None]

    strength, f = _strength(data, fit, k)
    made = Means.of_sums(sums, effect, "two-stage least squares", _ASSUMED, fit.p).said(*strength)
    return replace(made, figures=f)


def anderson_rubin(
    data: Data, contrast: Contrast, instruments: Sequence[Column], given: Sequence[Column], asked: Asked
) -> Observed:
    """Two-stage least squares with the confidence set of Anderson and Rubin, valid however weak the instruments are.

    Variances are the jackknife's, so rows may differ in spread and clusters stay whole.

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows, CQ859 a bootstrap.
    """
    if asked.resamples is not None:
        raise error("CQ859", "the Anderson-Rubin set has no bootstrap", help="leave `resamples` out, or `how='wald'`")
    fit, k = _stages(data, contrast, instruments, given)
    result = blank(data, asked, "two-stage least squares", _ASSUMED)
    strength, figures = _strength(data, fit, k)
    sums = fit.sums(data)
    whole = sums.value(fit.coefficients)[-k:]
    value = float(_two_stage(whole[None], _gram(fit, k))[0])
    result = replace(result, value=value, warnings=(*result.warnings, *strength), diagnostics=figures)
    d = whole - sums.left_out(fit.coefficients)[:, -k:, :]
    units = data.units
    df = units - 1 if data.clustered else units - fit.p
    if not np.isfinite(d).all() or df - (k - 1 if data.clustered else 0) < 1:
        return replace(result, reason=f"too few {data.word}: the fit rests on single ones")
    d = d - d.mean(axis=0)
    v = (units - 1) / units * np.einsum("gia,gjb->abij", d, d)  # [2, 2, k, k] covariances of the coefficients

    def pieces(a: float) -> tuple[tuple[float, float], ...]:
        return _set(whole, v, _critical(min(a, 0.5), k, df, data.clustered), value)

    def ends(a: float) -> tuple[float, float]:
        found = pieces(a)
        return (found[0][0], found[-1][1]) if found else (math.inf, -math.inf)

    words = f"two-stage least squares; {'cluster-robust ' if data.clustered else ''}Anderson-Rubin set"
    return _closed(replace(result, method=words, df=float(df), _ends=ends), pieces((1 - asked.level) / 2), asked)


def _closed(found: Observed, pieces: tuple[tuple[float, float], ...], asked: Asked) -> Observed:
    """The result with its set, and what is to be said where that is no interval."""
    region = tuple(Interval(low, high) for low, high in pieces)
    level = f"{100 * asked.level:g}%"
    if not region:
        said = warning(
            "CQ857",
            f"the {level} set is empty: no slope agrees with all instruments",
            help="one of them reaches the outcome in another way, or the effect differs between rows",
        )
        reason = "empty: the instruments contradict each other"
        return replace(found, reason=reason, region=(), warnings=(*found.warnings, said), _ends=None)
    bounded = math.isfinite(region[0].low) and math.isfinite(region[-1].high)
    if bounded:
        return replace(found, interval=Interval(region[0].low, region[-1].high), region=region)
    shape = "the whole line" if len(region) == 1 and not math.isfinite(region[0].low + region[0].high) else "unbounded"
    said = warning(
        "CQ857",
        f"the {level} set is {shape}: the instruments move the treatment too little",
        help="no interval with two ends would be valid: collect rows, or find a stronger instrument",
    )
    return replace(found, region=region, reason=f"{shape}: weak instruments", warnings=(*found.warnings, said))


def _gram(fit: Regression, k: int) -> Floats:
    """[k, k] the instruments' second moments, less what the covariates explain."""
    return np.asarray(np.linalg.inv(fit.back[-k:] @ fit.back[-k:].T))


def _two_stage(beta: Floats, gram: Floats) -> Floats:
    """[B] the slope, from coefficients [B, k, 2] of outcome and treatment."""
    y, x = beta[..., 0], beta[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.einsum("bi,ij,bj->b", x, gram, y) / np.einsum("bi,ij,bj->b", x, gram, x))


def _strength(data: Data, fit: Regression, k: int) -> tuple[tuple[Diagnostic, ...], tuple[tuple[str, float], ...]]:
    """The robust F of the first stage, and a warning where it is small."""
    sums = fit.sums(data)
    x = sums.value(fit.coefficients)[-k:, 1]
    d = x - sums.left_out(fit.coefficients)[:, -k:, 1]
    d = d - d.mean(axis=0)
    spread = (data.units - 1) / data.units * d.T @ d
    f = float(x @ np.linalg.pinv(spread) @ x) / k if np.isfinite(d).all() else math.nan
    figures = (("first-stage F", f),)
    if not f < WEAK:
        return (), figures
    return (
        warning(
            "CQ857",
            f"weak instrument{'s' if k > 1 else ''}: the first stage has F = {f:.3g}, under {WEAK:g}",
            help="the point estimate leans towards the confounded one; read the Anderson-Rubin set, which stays valid",
        ),
    ), figures


def _critical(a: float, k: int, df: int, clustered: bool) -> float:
    """The quantile of k · F at two-sided error 2a."""
    if k == 1:
        return float(quantile(np.asarray(float(df)), a)) ** 2
    from scipy.special import fdtri

    below = df - k + 1 if clustered else df
    return float(k * df / below * fdtri(k, below, 1 - 2 * a)) if a < 0.5 else 0.0


def _set(whole: Floats, v: Floats, critical: float, centre: float) -> tuple[tuple[float, float], ...]:
    """The slopes at which the statistic is at most `critical`, as pieces in order."""
    if len(whole) == 1:
        y, x = float(whole[0, 0]), float(whole[0, 1])
        a = x * x - critical * float(v[1, 1, 0, 0])
        b = -2 * (x * y - critical * float(v[0, 1, 0, 0]))
        c = y * y - critical * float(v[0, 0, 0, 0])
        return _quadratic(a, b, c)

    def statistic(beta: float) -> float:
        if not math.isfinite(beta):
            gap, spread = whole[:, 1], v[1, 1]
        else:
            size = math.hypot(1.0, beta)
            s, t = 1 / size, beta / size
            gap = s * whole[:, 0] - t * whole[:, 1]
            spread = s * s * v[0, 0] - s * t * (v[0, 1] + v[1, 0]) + t * t * v[1, 1]
        return float(gap @ np.linalg.solve(spread, gap)) - critical

    scale = math.sqrt(float(np.trace(v[0, 0]) / max(float(whole[:, 1] @ whole[:, 1]), 1e-300)))
    return _scanned(statistic, centre, max(scale, 1e-300))


def _quadratic(a: float, b: float, c: float) -> tuple[tuple[float, float], ...]:
    """Where a β² + b β + c ≤ 0."""
    within = b * b - 4 * a * c
    if a == 0:
        if b == 0:
            return ((-math.inf, math.inf),) if c <= 0 else ()
        return ((-math.inf, -c / b),) if b > 0 else ((-c / b, math.inf),)
    if within < 0:
        return ((-math.inf, math.inf),) if a < 0 else ()
    half = -0.5 * (b + math.copysign(math.sqrt(within), b))
    low, high = sorted((half / a, c / half if half != 0 else 0.0))
    return ((low, high),) if a > 0 else ((-math.inf, low), (high, math.inf))


def _scanned(statistic: Callable[[float], float], centre: float, scale: float) -> tuple[tuple[float, float], ...]:
    """Where a smooth function of the slope's angle is at most 0: by signs on a grid, dips and ends refined."""
    from scipy.optimize import brentq, minimize_scalar

    def at(angle: float) -> float:
        turned = math.inf if abs(angle) >= math.pi / 2 else centre + scale * math.tan(angle)
        return statistic(turned)

    grid = np.linspace(-math.pi / 2, math.pi / 2, 721)
    level = np.array([at(g) for g in grid])
    dips = np.flatnonzero((level[1:-1] > 0) & (level[1:-1] <= level[:-2]) & (level[1:-1] <= level[2:])) + 1
    extra = [float(minimize_scalar(at, bounds=(grid[i - 1], grid[i + 1]), method="bounded").x) for i in dips]
    grid = np.sort(np.append(grid, extra))
    level = np.array([at(g) for g in grid])
    inside = level <= 0
    found: list[tuple[float, float]] = []
    low = -math.inf if inside[0] else math.nan
    for i in range(len(grid) - 1):
        if inside[i] == inside[i + 1]:
            continue
        edge = centre + scale * math.tan(float(brentq(at, grid[i], grid[i + 1], xtol=1e-14)))
        if inside[i]:
            found.append((low, edge))
        else:
            low = edge
    if inside[-1]:
        found.append((low, math.inf))
    return tuple(found)
