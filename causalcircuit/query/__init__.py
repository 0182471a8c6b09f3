"""The nouns: expressions, worlds, queries, programs, tables, estimates. No torch, no files, no text."""

from importlib import import_module
from typing import TYPE_CHECKING

from causalcircuit.query.address import (
    ALL,
    FIRST,
    LAST,
    Address,
    Attached,
    Index,
    Part,
    Position,
    Word,
    quoted,
    tensor_of,
)
from causalcircuit.query.algebra import (
    children,
    is_estimand,
    is_event,
    is_text,
    models_of,
    rebuild,
    references,
    unite,
    walk,
    walk_world,
    world_of,
)
from causalcircuit.query.chat import Chat, Picture, Turn
from causalcircuit.query.classes import Classes, classes_of
from causalcircuit.query.compile import (
    VECTOR_CALLS,
    Cell,
    Moment,
    cells,
    cells_of,
    columns,
    compile_estimand,
    measured,
)
from causalcircuit.query.draws import draws_in, numbered, times, unnumbered
from causalcircuit.query.expr import (
    FACTUAL,
    ROW,
    Applied,
    Assignment,
    Binary,
    Call,
    ClassScore,
    Column,
    Compare,
    Counterfactual,
    Distribution,
    Draw,
    Expect,
    Expr,
    Generated,
    Input,
    Items,
    Logic,
    Mean,
    Mentions,
    Negative,
    Number,
    Output,
    OwnRow,
    Probability,
    Readout,
    Similarity,
    Site,
    Statistic,
    Term,
    Text,
    Truth,
    Wire,
    Wires,
    Within,
    World,
)
from causalcircuit.query.given import Noise, Vector
from causalcircuit.query.outline import OutlineError, site_table
from causalcircuit.query.program import (
    CircuitDecl,
    CircuitView,
    Claim,
    Command,
    DataRef,
    Estimation,
    Graph,
    ModelRef,
    Options,
    Program,
    Query,
    Region,
    Saving,
    Split,
    Testing,
)
from causalcircuit.query.relations import relation
from causalcircuit.query.render import assignment, number, render
from causalcircuit.query.sites import SiteTable
from causalcircuit.query.statistics import Component, Direction
from causalcircuit.query.texts import mentioned, writes
from causalcircuit.query.towers import AddressError, SiteInfo, Tower
from causalcircuit.query.units import UnitError, unit_of

if TYPE_CHECKING:
    from causalcircuit.query.estimate import Estimate, Interval, Result, Tested, Verdict
    from causalcircuit.query.table import OutcomeTable

__all__ = [
    "ALL",
    "FACTUAL",
    "FIRST",
    "LAST",
    "ROW",
    "VECTOR_CALLS",
    "Address",
    "AddressError",
    "Applied",
    "Assignment",
    "Attached",
    "Binary",
    "Call",
    "Cell",
    "Chat",
    "CircuitDecl",
    "CircuitView",
    "Claim",
    "ClassScore",
    "Classes",
    "Column",
    "Command",
    "Compare",
    "Component",
    "Counterfactual",
    "DataRef",
    "Direction",
    "Distribution",
    "Draw",
    "Estimate",
    "Estimation",
    "Expect",
    "Expr",
    "Generated",
    "Graph",
    "Index",
    "Input",
    "Interval",
    "Items",
    "Logic",
    "Mean",
    "Mentions",
    "ModelRef",
    "Moment",
    "Negative",
    "Noise",
    "Number",
    "Options",
    "OutcomeTable",
    "OutlineError",
    "Output",
    "OwnRow",
    "Part",
    "Picture",
    "Position",
    "Probability",
    "Program",
    "Query",
    "Readout",
    "Region",
    "Result",
    "Saving",
    "Similarity",
    "Site",
    "SiteInfo",
    "SiteTable",
    "Split",
    "Statistic",
    "Term",
    "Tested",
    "Testing",
    "Text",
    "Tower",
    "Truth",
    "Turn",
    "UnitError",
    "Vector",
    "Verdict",
    "Wire",
    "Wires",
    "Within",
    "Word",
    "World",
    "assignment",
    "cells",
    "cells_of",
    "children",
    "classes_of",
    "columns",
    "compile_estimand",
    "draws_in",
    "is_estimand",
    "is_event",
    "is_text",
    "measured",
    "mentioned",
    "models_of",
    "number",
    "numbered",
    "quoted",
    "rebuild",
    "references",
    "relation",
    "render",
    "site_table",
    "tensor_of",
    "times",
    "unit_of",
    "unite",
    "unnumbered",
    "walk",
    "walk_world",
    "world_of",
    "writes",
]

_RESULTS = {
    "Estimate": "estimate",
    "Interval": "estimate",
    "OutcomeTable": "table",
    "Result": "estimate",
    "Tested": "estimate",
    "Verdict": "estimate",
}


def __getattr__(name: str) -> object:
    """Fetch a noun of results when it is first used: checking a program needs none (PEP 562).

    Raises:
        AttributeError: `name` is not public.
    """
    if name not in _RESULTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"causalcircuit.query.{_RESULTS[name]}"), name)
    globals()[name] = value
    return value
