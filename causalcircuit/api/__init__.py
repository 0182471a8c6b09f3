"""The language as Python objects: the same nouns, built by operators instead of a parser."""

from causalcircuit.api.addresses import (
    Model,
    all,
    each,
    first,
    inside,
    last,
    model,
    new,
    outside,
    patch,
    span,
    token,
    wire,
)
from causalcircuit.api.calls import area, correlation, cosine, dot, kl, known, logit, nat, norm, pp, quantile
from causalcircuit.api.circuits import Circuit, attribute, circuit, load_circuit, smallest
from causalcircuit.api.claims import aligned, claim, high_level, var
from causalcircuit.api.diagrams import Drawing, graph, identify, independent, load_graph, wiring
from causalcircuit.api.dictionaries import sae, transcoder
from causalcircuit.api.discovering import discover
from causalcircuit.api.estimands import E, P, do
from causalcircuit.api.families import Family, family
from causalcircuit.api.fits import Structure, abstraction, examine, fit
from causalcircuit.api.functions import readout
from causalcircuit.api.locks import freeze
from causalcircuit.api.logs import observe
from causalcircuit.api.maps import saliency
from causalcircuit.api.networks import module
from causalcircuit.api.programs import plan, program, run
from causalcircuit.api.quantities import Do, Quantity, picture, row
from causalcircuit.api.questions import estimate, hypothesis, power, test
from causalcircuit.api.references import direction, draw, mean, noise, pc1, project_out, resample, unit, vector
from causalcircuit.api.refuting import refute
from causalcircuit.api.routes import diagram
from causalcircuit.api.rows import Data, data
from causalcircuit.api.shows import show
from causalcircuit.api.stated import Hypothesis
from causalcircuit.api.sweeps import Sweep, except_, pictures, sweep
from causalcircuit.api.vocabulary import std
from causalcircuit.query.until import Until

__all__ = [
    "Circuit",
    "Data",
    "Do",
    "Drawing",
    "E",
    "Family",
    "Hypothesis",
    "Model",
    "P",
    "Quantity",
    "Structure",
    "Sweep",
    "Until",
    "abstraction",
    "aligned",
    "all",
    "area",
    "attribute",
    "circuit",
    "claim",
    "correlation",
    "cosine",
    "data",
    "diagram",
    "direction",
    "discover",
    "do",
    "dot",
    "draw",
    "each",
    "estimate",
    "examine",
    "except_",
    "family",
    "first",
    "fit",
    "freeze",
    "graph",
    "high_level",
    "hypothesis",
    "identify",
    "independent",
    "inside",
    "kl",
    "known",
    "last",
    "load_circuit",
    "load_graph",
    "logit",
    "mean",
    "model",
    "module",
    "nat",
    "new",
    "noise",
    "norm",
    "observe",
    "outside",
    "patch",
    "pc1",
    "picture",
    "pictures",
    "plan",
    "power",
    "pp",
    "program",
    "project_out",
    "quantile",
    "readout",
    "refute",
    "resample",
    "row",
    "run",
    "sae",
    "saliency",
    "show",
    "smallest",
    "span",
    "std",
    "sweep",
    "test",
    "token",
    "transcoder",
    "unit",
    "var",
    "vector",
    "wire",
    "wiring",
]
