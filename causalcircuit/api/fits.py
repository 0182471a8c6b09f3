"""Structural models from Python: `S = cq.fit(G, on=d)`, then `cq.estimate(tau, on=d, diagram=G, by=S)`."""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.api.diagrams import Drawing
from causalcircuit.api.programs import answers
from causalcircuit.api.rows import Data
from causalcircuit.check.abstracting import abstracting
from causalcircuit.check.fitting import fitted
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


def abstraction(model: Structure, *, level: float = 0.95, progress: Progress | None = None) -> Result:
    """How far a fitted model's answers lie from real interventions, effect by effect: each by both, and the difference.

    Args:
        model: of a diagram with a cause whose values worlds stand for (`realize`). level: of intervals.
        progress: hears how many rows × worlds are done.

    Raises:
        DiagnosticError: CQ890, no effect can be had by intervening; what is wrong with models or data.
    """
    made = abstracting(model.fitted, model.fitted.data, Options(level=level))
    return answers([made], model.diagram.models, progress, model.diagram.remarks)
