"""Attribution graphs: what every wire of a model is worth, method by method. Needs torch from the first use on."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from causalcircuit.attribution.attribute import Means, Scores, circuit, scores
    from causalcircuit.attribution.methods import METHODS, method
    from causalcircuit.attribution.node_circuits import NodeScores, node_circuit, node_scores
    from causalcircuit.attribution.passes import Question
    from causalcircuit.attribution.trust import trusted

__all__ = [
    "METHODS",
    "Means",
    "NodeScores",
    "Question",
    "Scores",
    "circuit",
    "method",
    "node_circuit",
    "node_scores",
    "scores",
    "trusted",
]

_HOME = {
    "METHODS": "methods",
    "Means": "attribute",
    "NodeScores": "node_circuits",
    "Question": "passes",
    "Scores": "attribute",
    "circuit": "attribute",
    "method": "methods",
    "node_circuit": "node_circuits",
    "node_scores": "node_circuits",
    "scores": "attribute",
    "trusted": "trust",
}


def __getattr__(name: str) -> object:
    """Fetch a name when it is first used (PEP 562).

    Raises:
        AttributeError: `name` is not public.
    """
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"causalcircuit.attribution.{_HOME[name]}"), name)
    globals()[name] = value
    return value
