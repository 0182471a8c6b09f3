"""The language as Python objects: the same nouns, built by operators instead of a parser."""

from causalcircuit.api.addresses import Model, all, first, inside, last, model, outside, patch, span, token
from causalcircuit.api.quantities import Do, E, P, Quantity, do, dot, known, logit, mean, nat, norm, picture, pp, row
from causalcircuit.api.questions import Data, Hypothesis, data, estimate, hypothesis, program, run, test

__all__ = [
    "Data",
    "Do",
    "E",
    "Hypothesis",
    "Model",
    "P",
    "Quantity",
    "all",
    "data",
    "do",
    "dot",
    "estimate",
    "first",
    "hypothesis",
    "inside",
    "known",
    "last",
    "logit",
    "mean",
    "model",
    "nat",
    "norm",
    "outside",
    "patch",
    "picture",
    "pp",
    "program",
    "row",
    "run",
    "span",
    "test",
    "token",
]
