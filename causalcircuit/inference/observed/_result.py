"""What estimation from a table hands back, and its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from causalcircuit.diagnostics import Diagnostic, error, warning
from causalcircuit.inference._estimators import MANY_CLUSTERS
from causalcircuit.inference._inferred import Ends, Inferred
from causalcircuit.inference._student import SKEWED, lengthening, quantile, skew_factor
from causalcircuit.inference.observed._table import Data, Floats
from causalcircuit.query import Interval


@dataclass(frozen=True, slots=True)
class Observed(Inferred):
    """An effect estimated from observed rows.

    Attributes:
        by: the regime. estimand: what is estimated, in symbols.
        assumptions: what the number rests on, beside the diagram.
        region: the confidence set, where it may be of several pieces or empty; else the interval alone.
        diagnostics: named figures, such as the F of a first stage.
    """

    by: str = ""
    estimand: str = ""
    assumptions: tuple[str, ...] = ()
    region: tuple[Interval, ...] = ()
    diagnostics: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """How an interval is wanted: its level; of a bootstrap, how many resamples and the seed."""

    level: float = 0.95
    resamples: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            DiagnosticError: CQ859, no level, a bootstrap without a seed, or of too few resamples.
        """
        if not 0 < self.level < 1:
            raise error("CQ859", f"a level of {self.level} is no share", help="a level lies between 0 and 1: 0.95")
        if self.resamples is None:
            return
        if self.seed is None:
            raise error(
                "CQ859", "a bootstrap needs a seed", help="give `seed`, or leave `resamples` out: no draws then"
            )
        need = math.ceil(20 / (1 - self.level) - 1e-9) - 1
        if self.resamples < need:
            raise error(
                "CQ859",
                f"{self.resamples} resamples are too few for a {100 * self.level:g}% interval",
                help=f"at least {need} are needed",
            )


def blank(data: Data, asked: Asked, method: str, assumptions: tuple[str, ...], **more: object) -> Observed:
    """A result without numbers."""
    found = Observed(None, None, asked.level, method, data.n, data.units if data.clustered else None)
    return replace(found, assumptions=assumptions, warnings=few(data), **more)  # type: ignore[arg-type]


def few(data: Data) -> tuple[Diagnostic, ...]:
    """A warning of few clusters."""
    if not data.clustered or data.units >= MANY_CLUSTERS:
        return ()
    return (
        warning(
            "CQ609",
            f"only {data.units} cluster{'' if data.units == 1 else 's'}: intervals are rough under {MANY_CLUSTERS}",
            help="the number of clusters counts, not the number of rows: add clusters",
        ),
    )


def from_draws(found: Observed, data: Data, value: float, draws: Floats, asked: Asked) -> Observed:
    """The basic bootstrap interval of an estimate of which resamples of units give `draws` [B]."""
    drawn = np.sort(draws)
    lost = int((~np.isfinite(drawn)).sum())
    size = len(drawn)

    def ends(a: float) -> tuple[float, float]:
        low, high = math.floor((size + 1) * a + 1e-9), math.ceil((size + 1) * (1 - a) - 1e-9)
        if lost or low < 1 or high > size:
            return -math.inf, math.inf
        # Errors above one half are asked of p-values only: the ends have crossed there.
        return 2 * value - float(drawn[max(high, 1) - 1]), 2 * value - float(drawn[min(low, size) - 1])

    why = f"{lost} of {size} resamples have no value: a cell without rows, or a fit without a solution" if lost else ""
    words = f"{found.method}; basic bootstrap of {data.word}, {size} resamples"
    return _done(replace(found, method=words), value, ends, why, None, asked)


def from_deviations(found: Observed, data: Data, value: float, d: Floats, parameters: int, asked: Asked) -> Observed:
    """The t interval of an estimate of which each unit carries a deviation [G], lengthened for skewness."""
    units = data.units
    df = units - 1 if data.clustered else units - parameters
    words = f"{found.method}; {'cluster-robust ' if data.clustered else ''}jackknife t{SKEWED}"
    if not np.isfinite(d).all() or df < 1:
        lone = np.flatnonzero(~np.isfinite(d))
        reason = f"{len(lone)} of {units} {data.word} cannot be left out: a fit or a cell rests on one alone"
        if df < 1:
            reason = f"an interval needs more {data.word}: {units} leave no degree of freedom"
        return replace(found, value=value, method=words, reason=reason)
    d = d - d.mean()
    squares = float((d**2).sum())
    se = math.sqrt((units - 1) / units * squares)
    count = np.asarray(float(units))
    skew = float(skew_factor(count)) * float((d**3).sum()) / squares**1.5 if squares > 0 else 0.0

    def ends(a: float) -> tuple[float, float]:
        q = float(quantile(np.asarray(float(df)), a))
        more = float(lengthening(np.asarray(q)))
        return value - se * (q + max(-skew, 0) * more), value + se * (q + max(skew, 0) * more)

    return _done(replace(found, method=words), value, ends, "", float(df), asked)


def _done(
    found: Observed,
    value: float,
    ends: Ends,
    why: str,
    df: float | None,
    asked: Asked,
) -> Observed:
    done = replace(found, value=value, df=df, reason=why, _ends=ends)
    interval = done.interval_at(asked.level)
    return replace(done, interval=interval, region=() if interval is None else (interval,))
