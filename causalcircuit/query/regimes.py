"""Effects by a regime: what is asked of a diagram and of data, and how the answer is to be found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from causalcircuit.query.expr import Expr
from causalcircuit.query.program import Estimation, Graph, Query
from causalcircuit.query.structural import Fitted

INTERVENTION = "intervention"
BY = "by"
"""The axis along which the regimes of a question lie."""
OBSERVED: Mapping[str, tuple[str, str]] = {
    "adjustment": ("adjustment", "auto"),
    "doubly_robust": ("adjustment", "doubly_robust"),
    "weighting": ("adjustment", "weighting"),
    "frontdoor": ("frontdoor", "auto"),
    "iv": ("iv", "auto"),
    "id": ("id", "auto"),
}
"""The regimes of observed rows: the method that identifies the effect, and the estimator."""

_NOWHERE = Graph("", (), ())


@dataclass(frozen=True, slots=True)
class Regime:
    """How an effect is found: `intervention`, a word of `OBSERVED` with the variables that it is to use, or a model.

    Attributes:
        using: the adjustment set, the mediators, or the instrument and what it is one given; None leaves it open.
        model: the fitted structural model that answers, `name` being its own.
    """

    name: str
    using: tuple[str, ...] | None = None
    model: Fitted | None = None

    def __str__(self) -> str:
        """As it is written."""
        return self.name if self.using is None else f"{self.name}({', '.join(self.using)})"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Means that one effect of a diagram answers: of one value, at some settings.

    Attributes:
        of, do, given: the variables of the effect P(of | do(do), given).
        value: what is averaged, with each variable as a column of its name. event: whether it is true or false.
        settings: for each mean the values of `do`, then those of `given`.
    """

    of: tuple[str, ...]
    do: tuple[str, ...]
    given: tuple[str, ...]
    value: Expr
    event: bool
    settings: tuple[tuple[Expr, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Observing(Estimation):
    """`estimate Q in G on d by R, …`.

    `queries` are what a model must give for it: the mean of each of `reads`, then `interventions`.

    Attributes:
        asked: the estimands, over the diagram's variables. graph: the diagram.
        regimes: at least one. chosen: why it is this one, where the file names none.
        nodes: the variables that are read, with what stands for each.
        reads: those of them that a model gives.
        interventions: `asked` as the model is to run them, where that is one of the regimes.
        linear: whether the file says that all is linear (`assume linear`).
        bounds: whether an effect that is not identified is bounded; by which instrument, empty for the first one.
        sensitivity: whether it is asked how strong an unmeasured cause would have to be.
        against: the refuters that attempt to refute the estimates.
        examined: the fitted model whose diagram is tested and whose arrows are weighed, where that is asked.
        skipped, alpha: of that question, causes that nobody can intervene on, and why; the level of its tests together.
    """

    asked: tuple[Query, ...] = ()
    graph: Graph = _NOWHERE
    regimes: tuple[Regime, ...] = ()
    chosen: str = ""
    nodes: tuple[tuple[str, Expr], ...] = ()
    reads: tuple[str, ...] = ()
    interventions: tuple[Query, ...] = ()
    linear: bool = False
    bounds: str | None = None
    sensitivity: bool = False
    against: tuple[str, ...] = ()
    examined: Fitted | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    alpha: float = 0.05
