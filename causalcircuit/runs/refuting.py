"""`check Q in G on d by R against …`: the estimate of a regime, made anew from changed rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from causalcircuit.check.terms import Terms
from causalcircuit.diagnostics import DiagnosticError, warning
from causalcircuit.query import Estimate, Query
from causalcircuit.query.refutation import Refutation
from causalcircuit.query.regimes import Observing, Regime

if TYPE_CHECKING:
    from causalcircuit.inference.observed._table import Data
    from causalcircuit.inference.observed.regimes import ByDiagram
    from causalcircuit.scm.refutation import Change


def refuted(estimate: Estimate, command: Observing, query: Query, terms: Terms, regime: Regime, data: Data) -> Estimate:
    """The estimate with what each refuter found; a warning, CQ906, for each that refutes it."""
    from causalcircuit.runs.regimes import by_diagram

    if estimate.value is None:
        return estimate
    again = _Again(terms, regime, by_diagram(regime, command), data)
    seed = command.options.seed or 0
    answers = tuple(again.attempt(name, estimate, seed) for name in command.against)
    said = tuple(
        warning(
            "CQ906",
            f"`{query.name}` does not withstand `{r.refuter}`: {r.said}",
            query.span,
            help=f"expected: {r.expected}",
        )
        for r in answers
        if r.verdict == "failed"
    )
    return replace(estimate, refutations=answers, diagnostics=(*estimate.diagnostics, *said))


@dataclass(frozen=True, slots=True)
class _Again:
    terms: Terms
    regime: Regime
    way: ByDiagram
    data: Data

    @property
    def treatments(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for w in self.terms.wanted for name in w.do))

    def attempt(self, name: str, estimate: Estimate, seed: int) -> Refutation:
        """What one refuter finds."""
        from causalcircuit.inference.observed._linear import features
        from causalcircuit.inference.observed.estimands import part_of
        from causalcircuit.scm.refutation import Subject, common_cause, placebo, subset
        from causalcircuit.scm.simulated import confounder

        ends = estimate.interval
        data = self.data
        assert estimate.value is not None  # noqa: S101  asked for only where there is one
        subject = Subject(
            estimate.value,
            None if ends is None else (ends.low, ends.high),
            data.unit,
            data.clustered,
            np.stack([data[x].values for x in self.treatments], axis=1),
            self.refit,
        )
        if name == "confounder":
            known = {v: features([data[v]])[0] for v in self._covariates()}
            (question,) = part_of(self.terms.combine, self.terms.wanted, self.terms.places, data).questions
            return confounder(subject, question.outcome.values, known, data.weight, seed)
        return {"placebo": placebo, "common_cause": common_cause, "subset": subset}[name](subject, seed)

    def refit(self, change: Change) -> float:
        """The estimate from changed rows; NaN where they give none."""
        from causalcircuit.inference.observed.estimands import part_of
        from causalcircuit.inference.observed.regimes import Slope, joined

        data, way = self._changed(change)
        try:
            part = part_of(self.terms.combine, self.terms.wanted, self.terms.places, data)
            if self.regime.name == "iv":
                return float(Slope.of(data, way, part).means(data).value[0])
            return float(part.combine(joined(way, data, part).value))
        except DiagnosticError:  # a stratum without rows, a column that has become constant
            return math.nan

    def _changed(self, change: Change) -> tuple[Data, ByDiagram]:
        from causalcircuit.inference.observed._table import Column, Data

        data, rows = self.data, change.rows
        moved = (*self.treatments, *(self._covariates()[:1] if self.regime.name == "iv" else ()))
        columns = {}
        for name, column in data.columns.items():
            values = column.values
            if change.donors is not None and name in moved:
                values = values[change.donors]
            columns[name] = Column(name, values[rows], column.labels)
        way = self.way
        if change.cause is not None:
            drawn = way.diagram
            cause = next(n for k in range(len(drawn.vertices) + 1) if (n := f"cause{k}") not in drawn.vertices)
            columns[cause] = Column(cause, change.cause[rows])
            (wanted,) = self.terms.wanted
            both = ((cause, wanted.do[0]), (cause, wanted.of[0]))
            wider = replace(drawn, vertices=(*drawn.vertices, cause), directed=(*drawn.directed, *both))
            way = replace(way, diagram=wider, using=(*self._covariates(), cause))
        unit = np.unique(data.unit[rows], return_inverse=True)[1].astype(np.intp)
        return Data(columns, data.weight[rows], unit, data.clustered, data.row[rows]), way

    def _covariates(self) -> tuple[str, ...]:
        from causalcircuit.check.observing import identified

        return identified(self.regime, self.terms.wanted[0], self.way.diagram).covariates
