"""Structural models from Python: `S = cq.fit(G, on=d)`, then `cq.estimate(tau, on=d, diagram=G, by=S)`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from causalcircuit.api.diagrams import Drawing
from causalcircuit.api.programs import answers
from causalcircuit.api.rows import Data
from causalcircuit.check.abstracting import abstracting, examining
from causalcircuit.check.fitting import fitted
from causalcircuit.diagnostics import error
from causalcircuit.query import Options, Result
from causalcircuit.query.structural import Fitted
from causalcircuit.runs import Progress


@dataclass(frozen=True)
class Structure:
    """A structural model that is fitted where something asks it: a regime of `cq.estimate`.

    Attributes:
        fitted: the noun that the language builds for `fit`. diagram: what it is a model of.
    """

    fitted: Fitted
    diagram: Drawing


def fit(
    diagram: Drawing,
    *,
    on: Data,
    mechanisms: str = "linear_gaussian",
    name: str = "S",
    seed: int | None = None,
    **settings: float,
) -> Structure:
    """A structural model over the variables of a diagram: `fit(G, on=d, mechanisms="discrete", bins=4)`.

    Args:
        diagram: made by `graph`, its variables bound to columns or nodes. on: the rows that it is fitted to.
        mechanisms: `linear_gaussian`, `discrete` (`bins`, `prior`) or `additive_noise` (`degree`, `resamples`).
        name: how answers call it. seed: of resamples, which `additive_noise` needs. settings: numbers by name.

    Raises:
        DiagnosticError: CQ286 a diagram with formulas, CQ880 an unknown kind or setting.
    """
    made = fitted(name, diagram.graph, on.ref, mechanisms, {k: float(v) for k, v in settings.items()}, None, seed)
    return Structure(made, diagram)


def abstraction(
    model: Structure, *, level: float = 0.95, alpha: float = 0.05, progress: Progress | None = None
) -> Result:
    """How far a fitted model's answers lie from real interventions, effect by effect: each by both, and the difference.

    The result has also what `examine` gives, in its `examinations`, with the causes that nobody can intervene on.

    Args:
        model: of a diagram with a cause whose values worlds stand for (`realize`). level: of intervals.
        alpha: of the tests of the diagram together. progress: hears how many rows × worlds are done.

    Raises:
        DiagnosticError: CQ890, no effect can be had by intervening; what is wrong with models or data.
    """
    made = replace(abstracting(model.fitted, model.fitted.data, Options(level=level)), alpha=_share(alpha))
    return answers([made], model.diagram.models, progress, model.diagram.remarks)


def examine(model: Structure, *, level: float = 0.95, alpha: float = 0.05, progress: Progress | None = None) -> Result:
    """What rows say of a fitted model: each independence that its diagram implies, tested, and each arrow's strength.

    Args:
        model: the model, held against the rows that it was fitted to.
        level: of intervals. alpha: the chance that any true independence is called contradicted.
        progress: hears how many rows × worlds are done.

    Returns:
        A result with one of `examinations`.

    Raises:
        DiagnosticError: what is wrong with models, data, or columns (CQ850 to CQ859, CQ881); CQ613 an alpha
            that is none.
    """
    made = replace(examining(model.fitted, model.fitted.data, Options(level=level)), alpha=_share(alpha))
    return answers([made], model.diagram.models, progress, model.diagram.remarks)


def _share(alpha: float) -> float:
    if not 0 < alpha < 0.5:
        raise error("CQ613", f"alpha lies between 0 and 0.5, and {alpha:g} does not", help="give `alpha=0.05`")
    return alpha
