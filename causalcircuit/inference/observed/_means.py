"""Means of an outcome under values that are set: what every regime hands back, and what is calculated from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from causalcircuit.diagnostics import Diagnostic, error
from causalcircuit.inference.observed._resampling import Functional, Sums
from causalcircuit.inference.observed._result import Asked, Observed, blank, from_deviations, from_draws
from causalcircuit.inference.observed._table import Column, Data, Floats

Combine = Callable[[Floats], Floats]
"""[..., k] means to [...] estimates."""

SAME = "consistency: the value set and the value seen are the same thing"


@dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """The means that are asked: of one outcome, under each of some values of one treatment."""

    treatment: Column
    outcome: Column
    values: tuple[float, ...]

    @property
    def two_valued(self) -> bool:
        """Whether the rows have at most two values, and those that are asked are among them."""
        levels = self.treatment.levels
        return len(levels) <= 2 and bool(np.isin(self.values, levels).all())

    @property
    def centre(self) -> float:
        """From where the treatment is counted, so that squares of it round little."""
        return float(self.treatment.values.mean())

    @property
    def step(self) -> float:
        """In which steps it is counted: how far the values lie apart, or the rows where one value is asked."""
        apart = max(self.values) - min(self.values)
        return apart if apart > 0 else float(np.ptp(self.treatment.values)) or 1.0

    @property
    def scaled(self) -> Floats:
        """[n] the treatment in steps from its centre.

        Raises:
            DiagnosticError: CQ859, text of more than two labels has no such scale.
        """
        if self.treatment.labels is not None and not self.two_valued:
            raise error(
                "CQ859",
                f"`{self.treatment.name}` holds text of more than two labels: it has no slope",
                help="use `how='cells'`, or keep the rows of the two labels",
            )
        return np.asarray((self.treatment.values - self.centre) / self.step)

    @property
    def places(self) -> Floats:
        """[k] the values that are asked on that scale."""
        return np.asarray((np.asarray(self.values) - self.centre) / self.step)

    def treated(self, method: str) -> Floats:
        """[n] 1 where the treatment has its higher value, 0 where it has the lower one.

        Raises:
            DiagnosticError: CQ859, a row has another value.
        """
        if not self.two_valued:
            raise error(
                "CQ859",
                f"{method} compares two values, and `{self.treatment.name}` has {len(self.treatment.levels)}",
                help="cut the column in two, or use `how='regression'`",
            )
        return np.asarray(self.treatment.values == self.treatment.levels[-1], np.float64)

    def of_two(self, low: Floats, high: Floats) -> Floats:
        """[..., k] what belongs to each value that is asked, of what belongs to the lower and the higher one."""
        top = self.treatment.levels[-1]
        return np.stack([high if v == top else low for v in self.values], axis=-1)


@dataclass(frozen=True, eq=False)
class Means:
    """k means, and what they would be without each sampling unit: so any function of them has an interval.

    Attributes:
        value: [k]. method: the estimator in words. assumptions: what it rests on, beside the diagram.
        parameters: how many numbers are estimated, of which degrees of freedom are less.
        without: gives [G, k], the means without each unit, units in the order of `Data.unit`; NaN where there is none.
        drawn: gives [B, k], the means in B resamples of units under a seed, by `Sums.resampled`; None where the
            estimator has no bootstrap.
        unresampled: why it has none.
        warnings: to be printed. figures: named numbers, such as the smallest propensity.
    """

    value: Floats
    method: str
    assumptions: tuple[str, ...]
    parameters: int
    without: Callable[[], Floats]
    drawn: Callable[[int, int], Floats] | None = None
    unresampled: str = ""
    warnings: tuple[Diagnostic, ...] = ()
    figures: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of_sums(
        cls, sums: Sums, functional: Functional, method: str, assumptions: tuple[str, ...], parameters: int
    ) -> Means:
        """The means that are a function of sums over units, [B, m] to [B, k]."""
        return cls(
            np.asarray(sums.value(functional)),
            method,
            assumptions,
            parameters,
            lambda: sums.left_out(functional),
            lambda resamples, seed: sums.resampled(functional, resamples, seed),
        )

    @cached_property
    def left(self) -> Floats:
        """[G, k] the means without each unit."""
        return self.without()

    def said(self, *warnings: Diagnostic) -> Means:
        """The same with more to be said."""
        return replace(self, warnings=(*self.warnings, *warnings))


def settled(found: Means, combine: Combine, data: Data, asked: Asked) -> Observed:
    """The estimate that is a function of means: the jackknife's t interval, or the bootstrap's where it is asked for.

    Raises:
        DiagnosticError: CQ859, a bootstrap of an estimator that has none.
    """
    result = blank(data, asked, found.method, found.assumptions)
    result = replace(result, warnings=(*result.warnings, *found.warnings), diagnostics=found.figures)
    if asked.resamples is not None and found.drawn is None:
        raise error("CQ859", found.unresampled, help="leave `resamples` out: its interval is analytic")
    value = float(combine(found.value))
    if not math.isfinite(value):
        return replace(result, reason="undefined: a fit without a solution, or a division by 0")
    if asked.resamples is None or found.drawn is None:
        return from_deviations(result, data, value, value - combine(found.left), found.parameters, asked)
    return from_draws(result, data, value, combine(found.drawn(asked.resamples, int(asked.seed or 0))), asked)


def difference(means: Floats) -> Floats:
    """[...] the first mean less the second."""
    return np.asarray(means[..., 0] - means[..., 1])
