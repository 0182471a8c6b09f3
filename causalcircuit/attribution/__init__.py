"""Attribution graphs: what every wire of a model is worth, method by method. Needs torch from the first use on."""

from typing import TYPE_CHECKING

from causalcircuit._faces import fetched

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

__getattr__ = fetched(__name__, _HOME)
