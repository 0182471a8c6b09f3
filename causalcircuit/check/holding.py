"""A declared diagram held against the wiring of the models whose nodes stand in it (meaning 10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from causalcircuit.causal import Diagram
from causalcircuit.check.sets import Tables
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Span, error, warning
from causalcircuit.query import Expr, Graph
from causalcircuit.query.identification import Variable
from causalcircuit.query.wired import Node, Wired, models_of, node_of

UNCHECKED = "not checked"
_SHOWN = 4
Places = dict[tuple[str, str], Span]
"""Where arrows stand, by cause and effect."""


@dataclass(slots=True)
class _Held:
    """What came of holding: the models that were at hand, and what could not be held against them."""

    models: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)


def held(graph: Graph, tables: Tables, places: Places | None = None) -> tuple[Graph, list[Diagnostic]]:
    """The diagram with a note of what it was held against, and a warning for each model that it denies a path of.

    Args:
        graph: a declared diagram. tables: the sites of models. places: of its arrows.

    Raises:
        DiagnosticError: CQ289 two vertices that overlap, CQ291 an arrow that the wiring does not have.
    """
    made = _Held()
    nodes, made.unchecked = _by_model(graph)
    diagram = Diagram(graph.vertices, graph.directed, graph.bidirected, frozenset(graph.latents))
    for model, members in nodes.items():
        made.models.append(model)
        try:
            wired = Wired(tables(model), tuple(members))
        except DiagnosticError as problem:
            raise DiagnosticError(*(d.at(graph.span) for d in problem.diagnostics)) from None
        for arrow in graph.directed:
            _possible(arrow, wired, model, (places or {}).get(arrow, graph.span))
        if not graph.assume:
            made.found += _denied(graph, diagram, wired, model, made.unchecked)
    return replace(graph, wiring=_said(made)), made.found


def _said(made: _Held) -> str:
    if not made.models:
        return UNCHECKED
    rest = f"; {UNCHECKED}: {', '.join(made.unchecked)}" if made.unchecked else ""
    return f"held against {', '.join(f'`{m}`' for m in made.models)}{rest}"


def _by_model(graph: Graph) -> tuple[dict[str, list[Node]], list[str]]:
    """The vertices that are nodes of one model each, and the names of the others."""
    nodes: dict[str, list[Node]] = {}
    rest: list[str] = []
    for name, value in graph.nodes:
        models = models_of(value)
        try:
            node = node_of(name, value) if len(models) == 1 else None
        except DiagnosticError:
            node = None
        if node is None:
            rest.append(name)
        else:
            nodes.setdefault(models.pop(), []).append(node)
    return nodes, rest


def _possible(arrow: tuple[str, str], wired: Wired, model: str, place: Span | None) -> None:
    """Refuse an arrow that the wiring does not have.

    Raises:
        DiagnosticError: CQ291.
    """
    names = [n.name for n in wired.nodes]
    if not set(arrow) <= set(names):
        return
    a, b = (names.index(name) for name in arrow)
    if (a, b) in wired.arrows:
        return
    cause, effect = arrow
    if wired.below[a] >> b & 1:
        between = [names[k] for k in range(len(names)) if wired.below[a] >> k & 1 and wired.below[k] >> b & 1]
        said = f"every route from `{cause}` to `{effect}` passes {' or '.join(f'`{n}`' for n in between)}"
        way = "leave the arrow out: what is between has arrows of its own"
    elif wired.below[b] >> a & 1:
        said = f"no route leads from `{cause}` to `{effect}` in the wiring of `{model}`"
        way = f"a route leads the other way: `{effect} -> {cause}`"
    else:
        said = f"no route leads from `{cause}` to `{effect}` in the wiring of `{model}`, nor back"
        way = f"what both have in common is written `{cause} <-> {effect}`"
    reached = [names[j] for i, j in sorted(wired.arrows) if i == a]
    near = f"arrows out of `{cause}` may lead to {', '.join(f'`{n}`' for n in reached)}" if reached else ""
    raise error("CQ291", said, place, "no such route", help=(way, near))


def _denied(graph: Graph, diagram: Diagram, wired: Wired, model: str, others: list[str]) -> Iterator[Diagnostic]:
    """A warning of the paths of the wiring that a diagram leaves out."""
    names = [n.name for n in wired.nodes]
    bound = dict(graph.nodes)
    # What is not of the model may stand in between on a route; of what is measured, it may explain what is in common.
    between = diagram.projected(names)
    beside = diagram.projected([*names, *(v for v in others if _measured(v, bound[v], graph))])
    lines = []
    for i, j in sorted(wired.arrows):
        a, b = names[i], names[j]
        if (a, b) not in between.directed:
            route = wired.route(i, j)
            by = f"by {' -> '.join(f'{model}.{t}' for t in route)}" if route else "directly"
            lines.append((f"`{a} -> {b}`", f"a route leads there {by}"))
    for i, j in sorted(wired.spouses):
        pair = min(names[i], names[j]), max(names[i], names[j])
        if pair not in beside.bidirected:
            both = "the row leads to both" if wired.from_row >> i & wired.from_row >> j & 1 else "a part leads to both"
            lines.append((f"`{pair[0]} <-> {pair[1]}`", both))
    if not lines:
        return
    more = f", and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    yield warning(
        "CQ292",
        f"`{graph.name}` denies what the wiring of `{model}` has: {', '.join(e for e, _ in lines[:_SHOWN])}{more}",
        graph.span,
        help=(
            *(f"{edge}: {why}" for edge, why in lines[:_SHOWN]),
            'draw what is there, or say why it carries nothing: `assume "…"` behind the diagram',
        ),
    )


def _measured(name: str, value: Expr, graph: Graph) -> bool:
    """Whether a vertex that is no node of a model is one that rows have a value of: a column, or a name for one."""
    return name not in graph.latents and (isinstance(value, Variable) or not models_of(value))
