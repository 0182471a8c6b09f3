"""The seam of regimes: whoever gives means under what is set, and what they would be without each unit, is one.

A regime is an object with `means`. It gets the rows and a `Question`, k means of one outcome at k settings, and hands
back `Means`: their values, and how they move when a sampling unit is left out (`without`, in the order of `data.unit`)
or when units are resampled (`drawn`, by draws that are the same for all regimes under one seed). Nothing else is asked
of it: estimands of several means, intervals, and tests of the difference between two regimes are made of that. A
regime that is fitted to other rows (a structural model) hands back `drawn` alone and leaves `without` NaN.

A regime never changes the estimand: what it cannot express it refuses, by raising.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from causalcircuit.causal import Diagram, Estimand, Identification, identify
from causalcircuit.diagnostics import Diagnostic, error
from causalcircuit.inference.observed._contrast import Contrast
from causalcircuit.inference.observed._linear import varied
from causalcircuit.inference.observed._means import SAME, Arms, Combine, Means, settled
from causalcircuit.inference.observed._resampling import Sums
from causalcircuit.inference.observed._result import Asked, Observed
from causalcircuit.inference.observed._table import Column, Data, Floats
from causalcircuit.inference.observed.adjustment import adjusted
from causalcircuit.inference.observed.doubly_robust import doubly_robust
from causalcircuit.inference.observed.formula import Payoff, Settings, plugged_in
from causalcircuit.inference.observed.frontdoor import through
from causalcircuit.inference.observed.instrument import anderson_rubin, two_stage
from causalcircuit.inference.observed.lines import along_lines
from causalcircuit.inference.observed.weighting import weighted

_SETS = {"auto": adjusted, "weighting": weighted, "doubly_robust": doubly_robust}


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """k means of one outcome.

    Attributes:
        of, do, given: the variables of the effect P(of | do(do), given).
        outcome: [n] what is averaged, on the rows. payoff: the same, of values of `of`.
        settings: for each mean the value of each variable of `do` and `given`, as the question has it.
    """

    of: tuple[str, ...]
    do: tuple[str, ...]
    given: tuple[str, ...]
    outcome: Column
    payoff: Payoff
    settings: tuple[Mapping[str, object], ...]

    def numbers(self, data: Data) -> tuple[dict[str, float], ...]:
        """The settings as numbers of the columns.

        Raises:
            DiagnosticError: CQ859, a value that a column cannot have.
        """
        return tuple({name: data[name].number_of(value) for name, value in s.items()} for s in self.settings)


class Regime(Protocol):
    """One way to find means under what is set."""

    def means(self, data: Data, asked: Question) -> Means:
        """The means that are asked.

        Raises:
            DiagnosticError: the regime cannot express them, or the rows do not give them.
        """


@dataclass(frozen=True)
class ByDiagram:
    """A regime of observed rows: what the diagram identifies, by the estimator `how`.

    Attributes:
        diagram: with all that nothing measures as latent. by: a method of identification. using: its set.
    """

    diagram: Diagram
    by: str
    how: str = "auto"
    using: tuple[str, ...] | None = None

    def identified(self, asked: Question) -> Identification:
        """The formula of the effect."""
        return identify(self.diagram, asked.of, asked.do, asked.given, by=self.by, using=self.using)

    def means(self, data: Data, asked: Question) -> Means:
        """The means, by strata, lines, weights or frequencies, as fits the columns.

        Raises:
            DiagnosticError: CQ850 to CQ859, what the rows do not give.
        """
        found = self.identified(asked)
        numbers = asked.numbers(data)
        if not isinstance(found.estimand, Estimand):
            raise error("CQ855", f"{self.by} gives no means in this diagram", help="ask for a difference of two")
        moved = found.moved_by
        if self.by != "id" and not asked.given and not moved:
            return _unmoved(data, asked)
        if self.by != "id" and not asked.given and len(moved) == 1:
            return self._of_one(data, asked, found, [n[moved[0]] for n in numbers])
        if self.how != "auto":
            way = "use `by adjustment`, or ask for one treatment at a time"
            raise error("CQ859", f"`{self.how}` is for one treatment without conditions", help=way)
        kept = {*moved, *asked.given}
        at = tuple({name: value for name, value in n.items() if name in kept} for n in numbers)
        if self._in_cells(data, found):
            return plugged_in(data, found.estimand, Settings(asked.payoff, at))
        if len(asked.of) > 1 or asked.outcome.name != asked.of[0]:
            raise error(
                "CQ859",
                f"`{asked.outcome.name}` has no mean that follows from lines",
                help="ask for the mean of one variable; or cut columns into few values, for a formula on frequencies",
            )
        return along_lines(data, found.estimand, at)

    def _in_cells(self, data: Data, found: Identification) -> bool:
        """Whether all columns of a formula have few values."""
        effect = found.effect
        used = {*effect.of, *effect.given, *found.moved_by, *found.covariates}
        return all(data[name].discrete for name in used)

    def _of_one(self, data: Data, asked: Question, found: Identification, values: Sequence[float]) -> Means:
        treatment = data[found.moved_by[0]]
        varied(treatment)
        arms = Arms(treatment, asked.outcome, tuple(values))
        columns = [data[name] for name in found.covariates]
        return through(data, arms, columns) if self.by == "frontdoor" else _SETS[self.how](data, arms, columns)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What a question makes of its means: term i of `combine` is mean `places[i]`, (number of question, number in it).

    Attributes:
        slopes: [terms + 1] the coefficients where `combine` is linear, its constant last; else None.
    """

    questions: tuple[Question, ...]
    places: tuple[tuple[int, int], ...]
    combine: Combine
    slopes: Floats | None = None


def joined(regime: Regime, data: Data, part: Part) -> Means:
    """The means of all terms of an estimand, side by side."""
    each = [regime.means(data, q) for q in part.questions]

    def chosen(of: Sequence[Floats]) -> Floats:
        return np.stack([of[q][..., i] for q, i in part.places], axis=-1)

    drawn = [m.drawn for m in each]
    return Means(
        chosen([m.value for m in each]),
        "; ".join(dict.fromkeys(m.method for m in each)),
        tuple(dict.fromkeys(a for m in each for a in m.assumptions)),
        max(m.parameters for m in each),
        lambda: chosen([m.left for m in each]),
        None if any(d is None for d in drawn) else lambda b, seed: chosen([d(b, seed) for d in drawn if d is not None]),
        next((m.unresampled for m in each if m.unresampled), ""),
        tuple(dict.fromkeys(w for m in each for w in m.warnings)),
        tuple(dict.fromkeys(f for m in each for f in m.figures)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Slope:
    """A linear contrast of means by an instrument: the slope of one outcome times the step between the settings."""

    contrast: Contrast
    instrument: Column
    given: tuple[Column, ...]

    @classmethod
    def of(cls, data: Data, regime: ByDiagram, part: Part) -> Slope:
        """What an estimand asks of an instrument.

        Raises:
            DiagnosticError: CQ859, an estimand that is no contrast of one outcome's means.
        """
        steps = part.slopes
        question = part.questions[0]
        plain = len(part.questions) == 1 and question.outcome.name == question.of[0]
        if not plain or steps is None or abs(steps[:-1].sum()) > 1e-12 or steps[-1] != 0:
            raise error(
                "CQ859",
                "an instrument gives a slope, and this estimand is no difference of means of one outcome",
                help="ask for a difference: `E[Y | do(X = 1)] - E[Y | do(X = 0)]`",
            )
        x = question.do[0]
        at = question.numbers(data)
        step = float(sum(c * at[i][x] for c, (_, i) in zip(steps[:-1], part.places, strict=True)))
        if step == 0:
            raise error("CQ859", f"`{x}` is compared with itself", help="give two values that differ")
        varied(data[x])
        z, *given = (data[name] for name in regime.identified(question).covariates)
        return cls(Contrast(data[x], question.outcome, 0.0, step), z, tuple(given))

    def answered(self, data: Data, asked: Asked) -> Observed:
        """The estimate with the set of Anderson and Rubin."""
        return anderson_rubin(data, self.contrast, [self.instrument], self.given, asked)

    def means(self, data: Data) -> Means:
        """The estimate alone, as one mean, to be compared with those of other regimes."""
        return two_stage(data, self.contrast, [self.instrument], self.given)


def compared(first: tuple[Means, Combine], second: tuple[Means, Combine], data: Data, asked: Asked) -> Observed:
    """How much more the first regime gives than the second, on the same units: both move together when one is left out.

    Numbers that differ by rounding alone are equal: two regimes may have one formula.
    """
    (one, of_one), (two, of_two) = first, second
    resampled = asked.resamples is not None and one.drawn is not None and two.drawn is not None
    # Both at once: a resample of units is one for all regimes.
    both = Means(
        np.stack([of_one(one.value), of_two(two.value)], axis=-1),
        f"difference on the same {data.word}",
        (),
        max(one.parameters, two.parameters),
        lambda: np.stack([of_one(one.left), of_two(two.left)], axis=-1),
        (lambda b, s: np.stack([of(m.drawn(b, s)) for m, of in (first, second) if m.drawn], axis=-1))
        if resampled
        else None,
    )
    plain = asked if resampled else replace(asked, resamples=None, seed=None)

    def gap(means: Floats) -> Floats:
        apart = means[..., 0] - means[..., 1]
        size = np.abs(means).max(axis=-1)
        return np.asarray(np.where(np.abs(apart) <= 1e-11 * size, 0.0, apart))

    return settled(both, gap, data, plain)


def averaged(data: Data, values: Floats, mask: Floats, method: str, assumptions: tuple[str, ...]) -> Means:
    """Means of row values [n, k] over the rows where `mask` [n, k] is 1: what interventions on a model give."""
    heavy = (data.weight / data.weight.sum())[:, None] * mask
    k = values.shape[1]
    rows = np.hstack([heavy * values, heavy])

    def functional(of: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(of[:, k:] > 1e-12, of[:, :k] / of[:, k:], np.nan))

    return Means.of_sums(Sums.of(data, lambda of: rows[of], 2 * k), functional, method, assumptions, 1)


def _unmoved(data: Data, asked: Question) -> Means:
    """The outcome's mean, whatever is set: no path leads to it."""
    note = Diagnostic(
        "CQ858",
        f"no path leads from `{', '.join(asked.do)}` to `{', '.join(asked.of)}`: it changes nothing",
        severity="note",
    )
    values = np.repeat(asked.outcome.values[:, None], len(asked.settings), axis=1)
    return averaged(data, values, np.ones_like(values), "mean", (SAME,)).said(note)
