"""Diagrams out of data: `cq.discover({"X": X, "Y": Y}, on=d, using="pc", seed=7)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from causalcircuit.api.programs import answers
from causalcircuit.api.quantities import Quantity, merge
from causalcircuit.api.rows import Data
from causalcircuit.check import sites
from causalcircuit.check.discovering import Wishes, discovering
from causalcircuit.query import Items, Result, render
from causalcircuit.query.discovery import ALPHA, RESAMPLES
from causalcircuit.runs import Progress


def discover(
    over: Mapping[str, Quantity] | Sequence[Quantity],
    *,
    on: Data,
    using: str = "pc",
    alpha: float = ALPHA,
    resamples: int = RESAMPLES,
    seed: int | None = None,
    name: str = "G",
    progress: Progress | None = None,
) -> Result:
    """The diagrams that fit some variables, as one pattern, with how many resamples have each edge.

    Args:
        over: the variables by name, or without: then each is called by its text. on: the data.
        using: `pc` tests independences, each at the level `alpha`; `ges` scores diagrams.
        resamples, seed: of the bootstrap over sampling units. name: how answers call the pattern.
        progress: hears how many rows × worlds are done.

    Returns:
        A result with one of `discoveries`.

    Raises:
        DiagnosticError: CQ295 and CQ603, what is wrong with the question; CQ846 to CQ852, columns that say nothing.
    """
    listed = list(over.items()) if isinstance(over, Mapping) else [("", q) for q in over]
    models = merge(*(q.models for _, q in listed))
    nodes = []
    for called, q in listed:
        members = q.expr.items if isinstance(q.expr, Items) else ()
        nodes += [(render(e), e, None) for e in members] or [(called or render(q.expr), q.expr, None)]
    wishes = Wishes(using, alpha, resamples, seed)
    asked = discovering(name, nodes, on.ref, wishes, lambda model: sites(models[model]))
    return answers([asked], models, progress)
