"""How strong the arrows of a linear model are: the share of an effect's variance that each carries directly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.inference.observed._means import Means, settled
from causalcircuit.inference.observed._resampling import Functional
from causalcircuit.inference.observed._result import Observed
from causalcircuit.inference.observed._table import Floats
from causalcircuit.scm.linear import Linear
from causalcircuit.scm.model import StructuralModel
from causalcircuit.scm.worlds import Moment, World


@dataclass(frozen=True, slots=True)
class Strength:
    """An arrow.

    Attributes:
        cause, effect: its ends. slope: what one unit of the cause does directly. share: of the effect's variance that
            would go if the arrow read an independent copy of the cause, half the mean squared change: λ² Var(cause) /
            Var(effect). Shares need not add up to 1, as causes hang together. reason: why there is neither.
    """

    cause: str
    effect: str
    slope: Observed | None
    share: Observed | None
    reason: str = ""


def strengths(model: StructuralModel) -> tuple[Strength, ...]:
    """Slope and share of every arrow of a linear model, with intervals.

    Raises:
        DiagnosticError: CQ881, mechanisms that are not linear.
    """
    linear = model.mechanisms
    if not isinstance(linear, Linear):
        raise error(
            "CQ881",
            f"arrows of a {linear.words} have no one strength",
            help="fit `linear_gaussian`; or ask for the effect along one arrow, `through=[(cause, effect)]`",
        )
    return tuple(_strength(model, linear, a, b) for a, b in linear.diagram.directed)


def _strength(model: StructuralModel, linear: Linear, cause: str, effect: str) -> Strength:
    one, zero = (Moment(effect, World((), (((cause, effect), x),))) for x in (1.0, 0.0))
    try:
        found = linear.answering((one, zero))
    except DiagnosticError as problem:
        return Strength(cause, effect, None, None, problem.diagnostics[0].message)
    i, j = (linear.names.index(v) for v in (cause, effect))
    k = len(linear.names) + 1

    def slope(of: Floats) -> Floats:
        both = found.means(of)
        return np.asarray(both[:, 0] - both[:, 1])

    def share(of: Floats) -> Floats:
        square = of.reshape(len(of), k, k)
        square = square / square[:, :1, :1]
        var = [square[:, m + 1, m + 1] - square[:, 0, m + 1] ** 2 for m in (i, j)]
        in_units = slope(of) * linear.scale[i] / linear.scale[j]
        return np.asarray(in_units**2 * var[0] / var[1])

    made = []
    for figure in (slope, share):
        single = partial(_alone, figure)
        means = Means.of_sums(found.sums, single, linear.words, linear.assumptions, found.parameters)
        made.append(replace(settled(means, lambda at: at[..., 0], linear.data, model.asked), by=model.name))
    return Strength(cause, effect, model.held(made[0], found), model.held(made[1], found))


def _alone(figure: Functional, of: Floats) -> Floats:
    """[B, 1] a figure as the only mean."""
    return np.asarray(figure(of)[:, None])
