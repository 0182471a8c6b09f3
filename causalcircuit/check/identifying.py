"""`identify Q in G`: whether an estimand follows from a diagram, and how. Nothing has to run for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit import causal
from causalcircuit.check.effects import Reader
from causalcircuit.check.expressions import Lowering
from causalcircuit.check.holding import UNCHECKED
from causalcircuit.check.scope import Scope
from causalcircuit.check.values import kind_of
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Label, Source, Span, error, warning
from causalcircuit.query import Expr, Graph, World, is_estimand, render
from causalcircuit.query.identification import FoundEffect, Identified, Variable
from causalcircuit.syntax import parse
from causalcircuit.syntax.trees import Node, inner, text_of, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

_OPTIONS = {"in_diagram": "in", "by": "by", "from_": "from"}


def identify(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """`identify tau in G`, `identify tau in G by frontdoor`, `identify tau in G from P(A, B), P(B | do(A = *))`."""
    heads, options = _split(tree, low)
    graph = graph_of(options.get("in_diagram"), low)
    method = options.get("by")
    by = "auto" if method is None else _method(method, low)
    sources = _sources(options.get("from_"), low)
    for head in heads:
        value = low.expr(head)
        if not is_estimand(value):
            raise error(
                "CQ214",
                f"`{low.span(head).text}` has a value on each row, and identification is of all rows",
                low.span(head),
                "a row value",
                help="ask of an effect: `E[Y | do(X = 1)]`, `P(Y | do(X = 1))`",
            )
        # Names of the question itself are known to be vertices by then: CQ832 is about what `from` names.
        places = {"CQ841": method, **dict.fromkeys(("CQ832", "CQ835", "CQ836"), options.get("from_"))}
        try:
            made = identified(value, graph, text_of(head, low.statement), by, sources, comments, low.span(head))
        except DiagnosticError as problem:
            found = [d.at(low.span(places.get(d.code) or head)) for d in problem.diagnostics]
            raise DiagnosticError(*found) from None
        if checker.asks:
            checker.identifications.append(made)
            checker.found.extend(remarks(made))


def identified(
    estimand: Expr,
    graph: Graph,
    name: str = "",
    by: str = "auto",
    sources: Sequence[causal.Given] | None = None,
    comments: tuple[str, ...] = (),
    span: Span | None = None,
) -> Identified:
    """What a diagram says of an estimand over its variables.

    Args:
        estimand: arithmetic of `E` and `P`, without names. graph: the diagram. name: what reports call it.
        by: a method of `causal.identify`. sources: what is given; by default the distribution of what is observed.
        comments: lines for the report. span: of the question.

    Raises:
        DiagnosticError: CQ281 and CQ282, what is no effect of the diagram; what `causal.identify` raises.
    """
    names: dict[Expr | World, str] = {value: vertex for vertex, value in graph.nodes}
    diagram = diagram_of(graph)
    vertices = {value: vertex for vertex, value in graph.nodes}
    effects = Reader(graph.name, vertices, span).effects(estimand)
    found = tuple(_found(diagram, effect, by, sources) for effect in effects)
    shown = render(estimand, names)
    given = () if sources is None else tuple(map(str, sources))
    return Identified(
        name or shown, shown, graph.name, found, given, graph.assume, comments, span, graph.wiring or UNCHECKED
    )


def remarks(made: Identified) -> list[Diagnostic]:
    """A warning for each effect that is not identified."""
    return [
        warning(
            "CQ843",
            f"`{e.effect}` {e.verdict} in `{made.graph}`",
            made.span,
            help=(
                e.hedge and f"hedge: {e.hedge}",
                *(note for note in e.notes if not e.hedge),
                *(f"would help: {a}" for a in e.advice),
                "" if e.hedge or e.by in ("auto", "id") else "leave `by` out: other methods may identify it",
            ),
        )
        for e in made.effects
        if not e.identified
    ]


def diagram_of(graph: Graph) -> causal.Diagram:
    """A declared graph as a diagram."""
    return causal.Diagram(graph.vertices, graph.directed, graph.bidirected, frozenset(graph.latents), graph.selections)


def drawn(made: causal.Diagram, name: str, nodes: Mapping[str, Expr], assume: str = "") -> Graph:
    """A diagram as a declared graph.

    Args:
        made: the diagram. name: of the graph. nodes: what stands for its vertices; others are bound to nothing.
        assume: what it takes for granted.

    Raises:
        DiagnosticError: CQ280 a latent that is measured or two vertices for one thing; CQ832 a name it does not have.
    """
    bound = {v: nodes.get(v, Variable(v)) for v in made.vertices}
    made.full.mask(tuple(nodes))
    measured = [v for v in nodes if v in made.latents]
    if measured:
        raise error("CQ280", f"`{measured[0]}` is latent and is measured", help="leave one of both out")
    if len(set(bound.values())) < len(bound):
        raise error("CQ280", "two vertices are the same thing", help="two names of one thing are one variable")
    return Graph(
        name,
        made.vertices,
        made.directed,
        made.bidirected,
        assume,
        nodes=tuple(bound.items()),
        latents=tuple(sorted(made.latents)),
        selections=made.selections,
    )


def given(sources: Sequence[str]) -> list[causal.Given]:
    """Distributions as the language writes them, `P[trial](B | do(A = *))`.

    Raises:
        DiagnosticError: CQ285 an experiment at one value; what cannot be read.
    """
    text = f"identify E[Y] in G from {', '.join(sources)}"
    statements, problems, _ = parse(Source("<sources>", text))
    DiagnosticError.raise_if(problems)
    low = Lowering(statements[0].span, Scope())
    return _sources(_split(statements[0].tree, low)[1].get("from_"), low) or []


def _found(
    diagram: causal.Diagram, effect: causal.Effect, by: str, sources: Sequence[causal.Given] | None
) -> FoundEffect:
    known = None if sources is None else tuple(sources)
    answer = causal.identify(diagram, effect.of, effect.do, effect.given, sources=known, by=by)
    moved = [v for v in effect.given if effect.do and v in diagram.descendants(effect.do)]
    notes = answer.notes
    if moved:
        notes += (f"{', '.join(moved)} is an effect of what is set: the condition selects other rows in each world",)
    return FoundEffect(
        str(effect),
        answer.identified,
        answer.identified or answer.proven,
        answer.by,
        "" if answer.estimand is None else answer.estimand.text,
        tuple(map(str, answer.derivation)),
        "" if answer.hedge is None else str(answer.hedge),
        tuple(map(str, answer.advice)),
        notes,
        {**answer.to_json(), "notes": list(notes)},
    )


def _split(tree: Tree[Token], low: Lowering) -> tuple[list[Node], dict[str, Tree[Token]]]:
    """The heads, and the options by name."""
    heads: list[Node] = []
    options: dict[str, Tree[Token]] = {}
    for part in inner(tree):
        kind = str(part.data) if isinstance(part, Tree) else ""
        if kind not in _OPTIONS:
            heads.append(part)
            continue
        if kind in options:
            first = Label(low.span(options[kind]), "first here")
            raise error(
                "CQ112", f"`{_OPTIONS[kind]}` stands twice", low.span(part), labels=[first], help="leave one out"
            )
        options[kind] = tree_of(part)
    return heads, options


def graph_of(option: Tree[Token] | None, low: Lowering) -> Graph:
    """The diagram that `in` names.

    Raises:
        DiagnosticError: CQ205 it is none; CQ286, none is named, or one of formulas.
    """
    if option is None:
        graphs = [name for name, (value, _) in low.scope.names.items() if isinstance(value, Graph)]
        way = f"add `in {graphs[0]}`" if len(graphs) == 1 else "declare `graph G { X -> Y }`, and add `in G`"
        raise error("CQ286", "this says not in which diagram", low.statement, help=way)
    place = low.span(inner(option)[0])
    value = low.value(inner(option)[0])
    if not isinstance(value, Graph):
        way = "`in` names a declared graph"
        raise error("CQ205", f"`{place.text}` is {kind_of(value)}, not a graph", place, help=way)
    if value.formulas:
        way = "draw its arrows: `graph G { X -> Y }`"
        raise error(
            "CQ286",
            f"`{value.name}` has formulas, and no unmeasured causes: it is no diagram to ask",
            place,
            help=way,
        )
    return value


def _method(option: Tree[Token], low: Lowering) -> str:
    word, *more = (low.word(w) for w in inner(option))
    if more:
        raise error(
            "CQ841", "identification takes one method at a time", low.span(option), help="name one, or leave `by` out"
        )
    return word


def _sources(option: Tree[Token] | None, low: Lowering) -> list[causal.Given] | None:
    """The distributions that `from` names."""
    if option is None:
        return None
    out = []
    for part in inner(option):
        population = ""
        measured: tuple[str, ...] = ()
        set_to: list[str] = []
        for child in inner(tree_of(part)):
            node = tree_of(child)
            if node.data == "population":
                population = low.word(inner(node)[0])
            elif node.data == "measured":
                measured = tuple(low.word(n) for n in inner(node))
            else:
                name, value = inner(node)
                if not (isinstance(value, Tree) and value.data == "any_value"):
                    way = f"write `do({low.word(name)} = *)`"
                    said = "an experiment is given at every value of what it sets"
                    raise error("CQ285", said, low.span(value), "one value", help=way)
                set_to.append(low.word(name))
        out.append(causal.given(measured, set_to, population))
    return out
