"""`aligned(High, Name = Mover, Answer = gpt2.logits @ last, from = u, beyond = 0.8)`: nodes that hold variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from causalcircuit.check import sets
from causalcircuit.check.arguments import sorted_out
from causalcircuit.check.claims import bound_of, draws_of
from causalcircuit.check.values import kind_of
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import Distribution, Draw, Expr, Graph, Site, is_event, models_of
from causalcircuit.query.highs import Alignment, below
from causalcircuit.query.trials import SORTS, CircuitClaim
from causalcircuit.syntax.trees import Node, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

_USAGE = ("aligned(High, Name = A, Answer = m.logits @ last, from = u, beyond = 0.8)",)


def alignment(low: Lowering, arguments: list[Node], span: Span) -> CircuitClaim:
    """The claim that nodes hold the variables of a high-level model.

    Raises:
        DiagnosticError: CQ277, what is said to be aligned is not.
    """
    graph = low.value(arguments[0]) if arguments and tree_of(arguments[0]).data != "named" else None
    if not isinstance(graph, Graph) or not graph.formulas:
        said = "this" if graph is None else f"`{low.span(arguments[0]).text}`"
        what = "nothing" if graph is None else kind_of(graph)
        what = "a graph without formulas" if isinstance(graph, Graph) else what
        way = "declare one: `graph High { Name = row.io, Answer = Name }`"
        raise error("CQ277", f"{said} is {what}, and no high-level model", span, help=(way, f"write `{_USAGE[0]}`"))
    names = (*graph.vertices, "from", "beyond", "draws")
    given = sorted_out(low, arguments, span, _USAGE, plain=1, names=names)
    sort = SORTS["aligned"]
    if "from" not in given.named:
        raise error("CQ277", "this says not from which rows", span, help="declare `draw u seed 3`, and add `from = u`")
    donor = low.expr(given.named["from"])
    pairs = [(v, low.expr(given.named[v]), low.span(given.named[v])) for v in graph.vertices if v in given.named]
    made = made_of(graph, pairs, donor, low.span(given.named["from"]), span)
    bound, draws = bound_of(low, given, sort, span), draws_of(low, given, sort)
    return CircuitClaim("aligned", graph.name, bound, draws, alignment=made, span=span)


Pairs = Sequence[tuple[str, Expr, Span | None]]
"""Variables, what of the model they are aligned with, and where that stands."""


def made_of(graph: Graph, pairs: Pairs, donor: Expr, place: Span | None, span: Span | None) -> Alignment:
    """An alignment of sound parts; the same for texts and for Python objects.

    Raises:
        DiagnosticError: CQ277.
    """
    if not isinstance(donor, Draw) or donor.times > 1:
        what = "`from` names a draw of one donor a row"
        raise error("CQ277", what, place, help="declare `draw u seed 3`, and write `from = u`")
    answers = [p for p in pairs if isinstance(p[1], Distribution) or is_event(p[1])]
    if len(answers) != 1:
        how = "no variable is" if not answers else f"`{answers[0][0]}` and `{answers[1][0]}` are"
        way = "align the last one with logits, or with an event: `Answer = m.logits @ last`"
        raise error("CQ277", f"{how} aligned with what the model answers", span, help=way)
    output, answer, _ = answers[0]
    nodes: list[tuple[str, tuple[Site, ...]]] = []
    for name, value, where in pairs:
        if name == output:
            continue
        if output not in below(dict(graph.formulas), name):
            way = f"align a variable that the formula of `{output}` names, itself or through others"
            raise error("CQ277", f"`{output}` does not depend on `{name}`", where, help=way)
        nodes.append((name, sets.members(value, where)))
    if not nodes:
        raise error("CQ277", "no variable is aligned with a node", span, help="add `Name = A`, where `A` is a node")
    models = {s.address.model for _, sites in nodes for s in sites} | models_of(answer)
    if len(models) > 1:
        what = f"the nodes and the answer are of {', '.join(f'`{m}`' for m in sorted(models))}"
        raise error("CQ277", what, span, help="align nodes of one model with its own answer")
    return Alignment(graph, tuple(nodes), output, answer, donor)
