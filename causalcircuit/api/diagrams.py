"""Diagrams, and what follows from them: `cq.graph("X -> M, M -> Y, X <-> Y")`, `cq.identify(…)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from causalcircuit.api.addresses import Model
from causalcircuit.api.quantities import Do, Models, Quantity, merge, quantity
from causalcircuit.causal import Diagram
from causalcircuit.causal.files import check_suffix, read, text_of, write
from causalcircuit.check import sites
from causalcircuit.check.holding import held
from causalcircuit.check.identifying import diagram_of, drawn, given, identified, remarks
from causalcircuit.check.made import wiring_of
from causalcircuit.check.separating import denials
from causalcircuit.check.separating import independent as answered
from causalcircuit.diagnostics import Diagnostic, did_you_mean, error
from causalcircuit.query import Expr, Graph, Items, Result, is_estimand, render
from causalcircuit.query.identification import Variable


@dataclass(frozen=True, eq=False)
class Vertex(Quantity):
    """A variable of a diagram, which `do` may set there even where no model lets it be set."""

    drawn: ClassVar[bool] = True


@dataclass(frozen=True)
class Drawing:
    """A diagram; `G["X"]` is one of its variables.

    Attributes:
        graph: the noun that the language builds for `graph`. models: of the nodes in it.
        remarks: what is to be said of it, in every answer about it.
    """

    graph: Graph
    models: Models = field(default_factory=dict, repr=False)
    remarks: tuple[Diagnostic, ...] = field(default=(), repr=False)

    def __getitem__(self, name: str) -> Vertex:
        """A variable, to be read, set by `do`, and conditioned on.

        Raises:
            DiagnosticError: CQ832, the diagram has none of that name.
        """
        nodes = dict(self.graph.nodes)
        if name not in nodes:
            raise error("CQ832", f"the diagram has no variable `{name}`", help=did_you_mean(name, list(nodes)))
        bound = nodes[name]
        return Vertex(bound, {} if isinstance(bound, Variable) else self.models)

    def save(self, path: str | Path) -> None:
        """Write it to a file: DOT (`.dot`, `.gv`) or dagitty (`.dagitty`, `.txt`).

        Raises:
            DiagnosticError: CQ293 another suffix, CQ845 it cannot be written there.
        """
        file = Path(path)
        check_suffix(file)
        write(text_of(diagram_of(self.graph), file.suffix), file)


def load_graph(
    path: str | Path,
    *,
    name: str = "G",
    assume: str = "",
    realize: Mapping[str, Mapping[float | str, Do]] | None = None,
    **nodes: Quantity,
) -> Drawing:
    """A diagram from a file of DOT or dagitty; the other arguments are those of `graph`.

    Raises:
        DiagnosticError: CQ293 a file that cannot be read, CQ834 one that holds no diagram; as `graph`.
    """
    return _drawing(read(Path(path)), name, assume, nodes, realize or {})


def graph(
    text: str,
    *,
    name: str = "G",
    assume: str = "",
    realize: Mapping[str, Mapping[float | str, Do]] | None = None,
    **nodes: Quantity,
) -> Drawing:
    """A diagram from `"X -> M, M -> Y, X <-> Y"`, DOT or dagitty.

    Args:
        text: the diagram; latents and populations in the form of DOT or dagitty. name: how answers call it.
        assume: what it takes for granted, for reports. nodes: what variables stand for; others are bound to nothing.
        realize: for a variable of rows, the worlds of a model that stand for its values.

    Raises:
        DiagnosticError: CQ280 a latent that is measured, CQ291 an arrow that the wiring of a model does not have, CQ830
            a cycle, CQ831, CQ832, CQ834 a text that is no diagram.
    """
    return _drawing(Diagram.read(text), name, assume, nodes, realize or {})


def _drawing(
    diagram: Diagram,
    name: str,
    assume: str,
    nodes: Mapping[str, Quantity],
    realize: Mapping[str, Mapping[float | str, Do]],
) -> Drawing:
    made = drawn(diagram, name, {v: q.expr for v, q in nodes.items()}, assume)
    unknown = [v for v in realize if v not in made.vertices]
    if unknown:
        way = did_you_mean(unknown[0], made.vertices)
        raise error("CQ832", f"the diagram has no variable `{unknown[0]}`", help=way)
    realized = tuple(
        (v, tuple((quantity(value).expr, world.world) for value, world in of.items())) for v, of in realize.items()
    )
    models = merge(*(q.models for q in nodes.values()), *(w.models for of in realize.values() for w in of.values()))
    checked, denied = held(replace(made, realized=realized), lambda model: sites(models[model]))
    return Drawing(checked, models, tuple(denied))


def wiring(
    model: Model, nodes: Mapping[str, Quantity] | Sequence[Quantity], *, name: str = "G", assume: str = ""
) -> Drawing:
    """What the wiring of a model says of some of its nodes: `wiring(m, {"A": A, "Y": Y})`.

    `A -> Y`: a route leads from A to Y that passes no other of the nodes. `A <-> Y`: something that is not listed, the
    row of the data included, leads to both.

    Args:
        model: whose wiring. nodes: by name, or without: then each is called by its text, and sets by their members.
        name: how answers call the diagram. assume: what is taken for granted beside it, for reports.

    Raises:
        DiagnosticError: CQ240 no nodes, CQ288 no node of the model, CQ289 two that overlap.
    """
    named = list(nodes.items()) if isinstance(nodes, Mapping) else [("", q) for q in nodes]
    each: list[tuple[str, Expr, None]] = []
    for called, q in named:
        members = q.expr.items if isinstance(q.expr, Items) else ()
        each += [(render(e), e, None) for e in members] or [(called or render(q.expr), q.expr, None)]
    models = merge({model.ref.name: model.ref}, *(q.models for _, q in named))
    return Drawing(wiring_of(name, model.ref.name, each, lambda m: sites(models[m]), assume), models)


Named = str | Quantity | Sequence[str | Quantity]
"""A variable of a diagram by its name or as `G["X"]`, or several."""


def independent(a: Named, b: Named, given: Named = (), *, diagram: Drawing) -> Result:
    """Whether a diagram implies an independence: `independent("X", "Y", given="Z", diagram=G)`.

    Args:
        a, b: the sides. given: what is conditioned on. diagram: made by `graph`.

    Returns:
        A result with one of `independences`; where it is not implied with an open path, and a warning, CQ844.

    Raises:
        DiagnosticError: CQ832 a name that the diagram does not have, CQ833 one that stands twice.
    """
    sides = [_vertices(side, diagram.graph) for side in (a, b, given)]
    found = answered(sides[0], sides[1], sides[2], diagram.graph)
    return Result(diagnostics=(*diagram.remarks, *denials([found])), independences=(found,))


def _vertices(names: Named, graph: Graph) -> list[str]:
    bound = {value: vertex for vertex, value in graph.nodes}
    each = [names] if isinstance(names, str | Quantity) else names
    return [n if isinstance(n, str) else bound.get(n.expr, str(n)) for n in each]


def identify(
    *estimands: Quantity,
    diagram: Drawing,
    by: str = "auto",
    sources: Sequence[str] | None = None,
    **named: Quantity,
) -> Result:
    """Whether estimands follow from a diagram, and how: `identify(E[G["Y"] | do({G["X"]: 1})], diagram=G)`.

    Args:
        estimands, named: arithmetic of `E` and `P` over the diagram's variables. diagram: made by `graph`.
        by: `adjustment`, `frontdoor`, `iv`, `id`, or `auto`.
        sources: distributions that are known, as the language writes them: `["P(A, B)", "P[trial](B | do(A = *))"]`.

    Returns:
        A result with `identifications`; those without a formula have a warning, CQ843.

    Raises:
        DiagnosticError: CQ214 no estimand, CQ281 what the diagram does not have, CQ282 what it does not answer; what
            is wrong with the question or the sources (CQ833, CQ835, CQ836, CQ841, CQ842).
    """
    known = None if sources is None else given(sources)
    asked = [*(("", q) for q in estimands), *named.items()]
    found = []
    for name, q in asked:
        if not is_estimand(q.expr):
            raise error("CQ214", f"`{q}` has a value on each row", help=f"write `E[{q}]` for its mean")
        found.append(identified(q.expr, diagram.graph, name, by, known))
    said = (*diagram.remarks, *(d for one in found for d in remarks(one)))
    return Result(diagnostics=said, identifications=tuple(found))
