"""What is claimed of circuits: `cq.claim("sufficient", C, beyond=0.9)`, `cq.aligned(High, …)`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from causalcircuit.api.circuits import Circuit
from causalcircuit.api.quantities import Do, Quantity, merge, quantity
from causalcircuit.api.stated import Stated
from causalcircuit.check import sites
from causalcircuit.check.alignments import made_of
from causalcircuit.check.claims import claim_of, unbounded
from causalcircuit.check.highs import check_calculable
from causalcircuit.diagnostics import did_you_mean, error
from causalcircuit.query import Graph
from causalcircuit.query.highs import order_of, variable, variables_in
from causalcircuit.query.trials import SORTS, CircuitClaim, Kind


def claim(
    kind: str,
    circuit: Circuit,
    *,
    readout: Quantity | None = None,
    start: Do | None = None,
    end: Do | None = None,
    within: float | None = None,
    beyond: float | None = None,
    leaving: float | None = None,
    draws: int | None = None,
) -> Stated:
    """A claim about a circuit, to be tested: `cq.test(cq.claim("sufficient", C), on=ioi.test, seed=7)`.

    Args:
        kind: `"equivalent"`, `"independent"`, `"minimal"`, `"sufficient"`, `"partially_necessary"` or
            `"jointly_necessary"`. circuit: of which.
        readout, start, end: the question, where it is not the one that the circuit was attributed for.
        within, beyond, leaving: the bound, of the kind that takes it. draws: random circuits or permutations.

    Raises:
        DiagnosticError: CQ201 no such claim, CQ270 no question, CQ271 a bound that is none.
    """
    if kind not in SORTS or kind == "aligned":
        raise error(
            "CQ201", f"there is no claim `{kind}`", help=did_you_mean(kind, [k for k in SORTS if k != "aligned"])
        )
    name = cast(Kind, kind)
    models = merge(circuit.models, *(x.models for x in (readout, start, end) if x is not None))
    asked = [None if x is None else x.world for x in (start, end)]
    expr = None if readout is None else readout.expr
    made = claim_of(name, circuit.declared, expr, asked[0], asked[1], lambda model: sites(models[model]))
    given = {n: b for n, b in (("within", within), ("beyond", beyond), ("leaving", leaving)) if b is not None}
    return Stated(_bounded(made, given, draws), models)


def _bounded(made: CircuitClaim, given: dict[str, float], draws: int | None) -> CircuitClaim:
    sort = SORTS[made.kind]
    for name, bound in given.items():
        if name != sort.setting:
            takes = f"`{sort.setting}`" if sort.setting else "no bound"
            raise error("CQ271", f"`{made.kind}` takes {takes}, and not `{name}`", help="leave it out")
        if not 0 < bound < (0.5 if name == "within" else 1):
            raise unbounded(sort)
        made = replace(made, bound=bound)
    if draws is None:
        return made
    if not sort.draws or draws < 1:
        raise error("CQ271", f"`{made.kind}` takes no {draws} draws", help="leave `draws` out")
    return replace(made, draws=draws)


def var(name: str) -> Quantity:
    """A variable of a high-level model, where it stands in a formula."""
    return Quantity(variable(name))


def high_level(name: str = "High", **formulas: Any) -> Graph:
    """A high-level model: `cq.high_level(Name=row.io, Answer=cq.var("Name"))`.

    Raises:
        DiagnosticError: CQ276, a formula that cannot be calculated; CQ313, formulas in a circle.
    """
    made = {v: quantity(f).expr for v, f in formulas.items()}
    for v, formula in made.items():
        check_calculable(formula, None)
        unknown = [p for p in variables_in(formula) if p not in made]
        if unknown:
            raise error("CQ276", f"`{v}` names `{unknown[0]}`, which has no formula", help="give it one")
    if len(order_of(made)) < len(made):
        raise error("CQ313", f"the formulas of `{name}` are made of each other", help="causes come before effects")
    directed = tuple((p, v) for v, formula in made.items() for p in variables_in(formula))
    return Graph(name, tuple(made), directed, formulas=tuple(made.items()))


def aligned(
    high: Graph, *, source: Quantity, beyond: float = 0.8, draws: int = SORTS["aligned"].draws, **variables: Any
) -> Stated:
    """The claim that nodes hold variables: `cq.aligned(High, Name=NM, Answer=gpt2.logits @ last, source=u)`.

    Args:
        high: the high-level model. source: a `draw`, the rows that values are taken from.
        beyond: the least interchange-intervention accuracy. draws: of the control, permutations of donors.
        variables: what of the model each is aligned with; one of them with what the model answers.

    Raises:
        DiagnosticError: CQ271 a bound that is none, CQ277 an alignment that aligns nothing.
    """
    unknown = [v for v in variables if v not in high.vertices]
    if unknown:
        way = did_you_mean(unknown[0], high.vertices)
        raise error("CQ277", f"`{high.name}` has no variable `{unknown[0]}`", help=way)
    found = {v: quantity(q) for v, q in variables.items()}
    made = made_of(high, [(v, found[v].expr, None) for v in high.vertices if v in found], source.expr, None, None)
    claimed = CircuitClaim("aligned", high.name, 0.8, SORTS["aligned"].draws, alignment=made)
    return Stated(
        _bounded(claimed, {"beyond": beyond}, draws), merge(source.models, *(q.models for q in found.values()))
    )
