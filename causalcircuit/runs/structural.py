"""What a fitted structural model answers to a question of a program: fitted to the rows, then asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from causalcircuit.check.modelled import modelled
from causalcircuit.query import Query
from causalcircuit.query.structural import Fitted

if TYPE_CHECKING:
    from causalcircuit.inference.observed import Observed
    from causalcircuit.inference.observed._means import Combine, Means
    from causalcircuit.inference.observed._result import Asked
    from causalcircuit.inference.observed._table import Data
    from causalcircuit.scm import StructuralModel

RESAMPLES = 399
"""Of models that are fitted anew to resamples, where the file names no number."""


def structure(model: Fitted, data: Data, asked: Asked) -> StructuralModel:
    """The model, fitted to the variables' columns.

    Raises:
        DiagnosticError: CQ850 to CQ859 the columns, CQ881 mechanisms that are unfit for them.
    """
    from causalcircuit.check.observing import measured
    from causalcircuit.scm.fitting import fitted_to

    settings = dict(model.settings)
    if model.mechanisms == "additive_noise" and asked.resamples is None:
        seed = model.seed if asked.seed is None else asked.seed
        asked = replace(asked, resamples=int(settings.get("resamples", RESAMPLES)), seed=seed)
    settings.pop("resamples", None)
    return fitted_to(data, measured(model.graph), model.mechanisms, asked, model.name, **settings)


def answered(model: Fitted, query: Query, data: Data, asked: Asked) -> tuple[Observed, tuple[Means, Combine]]:
    """The estimate, and the means that it is made of, to be held against other regimes.

    Raises:
        DiagnosticError: CQ854, CQ859, CQ882 to CQ887, what the model cannot answer.
    """
    from causalcircuit.inference import value_of

    question = modelled(query.expr, model.graph, query.span)
    made = structure(model, data, asked)
    found = made.answer(question.combine, question.moments)
    found = replace(found, assumptions=tuple(a for a in found.assumptions if not a.startswith("the diagram: ")))
    means, _ = made.means(question.moments)
    return found, (means, lambda at: value_of(question.combine, at))
