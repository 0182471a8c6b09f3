"""The statement `graph`: vertices, arrows, latents and selections, or formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.highs import calculated
from causalcircuit.check.holding import held
from causalcircuit.check.scope import CLAIMS, FUNCTIONS, Poisoned
from causalcircuit.check.values import Value, kind_of
from causalcircuit.diagnostics import Diagnostic, Fix, Label, Span, error, nearest
from causalcircuit.query import Expr, Graph, Number, Text, Truth, is_estimand
from causalcircuit.query.functions import registered
from causalcircuit.query.highs import variables_in
from causalcircuit.query.identification import Variable
from causalcircuit.syntax.trees import inner, operators, unquote

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

POPULATION = "population"
"""The name from which arrows lead to what differs in another population."""


_DRAWN = ("chain", "formula", "latent", "selection")


def graph(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`graph G { X -> M -> Y, X <-> Y, latent U, population -> L } assume "…"`."""
    name, *rest = inner(tree)
    if isinstance(rest[0], Tree) and rest[0].data not in _DRAWN:
        from causalcircuit.check.made import made  # most diagrams are drawn

        made(checker, name, rest[0], unquote(str(rest[1])) if len(rest) > 1 else "", low)
        return
    vertices: dict[str, Span] = {}
    latents: dict[str, Span] = {}
    directed: list[tuple[str, str]] = []
    bidirected: list[tuple[str, str]] = []
    selections: dict[tuple[str, str], None] = {}
    drawn_in: dict[tuple[str, str], Span] = {}
    formulas: list[Tree[Token]] = []
    assume = ""
    for part in rest:
        if isinstance(part, Token):
            assume = unquote(str(part))
            continue
        if part.data == "formula":
            formulas.append(part)
            continue
        names = [c for c in part.children if isinstance(c, Tree) and c.data == "name"]
        items = [low.word(c) for c in names]
        if part.data == "selection":
            vertices.setdefault(items[1], low.span(names[1]))
            selections[items[0], items[1]] = None
            continue
        if len(items) == 1 and _selects(items[0], low):
            way = f"write `{POPULATION} -> X`: the mechanism of X differs there"
            raise error("CQ280", "a population is known by what differs in it", low.span(part), help=way)
        if part.data == "latent":
            latents[items[0]] = low.span(names[0])
        for c, word in zip(names, items, strict=True):
            if not _selects(word, low):
                vertices.setdefault(word, low.span(c))
        arrows = [operators(c)[0] for c in part.children if isinstance(c, Tree) and c.data == "arrow"]
        for a, arrow, b in zip(items, arrows, items[1:], strict=False):
            cause, effect = (a, b) if arrow != "<-" else (b, a)
            if a == b:
                raise error("CQ313", f"`{a}` has an arrow into itself", low.span(part), help="remove it")
            if _selects(effect, low) or (_selects(cause, low) and arrow == "<->"):
                way = f"write `{POPULATION} -> {b if _selects(a, low) else a}`, or `{POPULATION} trial -> …` to name it"
                raise error("CQ280", "a population has no causes in a diagram", low.span(part), help=way)
            if _selects(cause, low):
                selections[POPULATION, effect] = None
            elif arrow == "<->":
                bidirected.append((min(a, b), max(a, b)))
            else:
                directed.append((cause, effect))
                drawn_in[directed[-1]] = low.span(part)
    made_by = calculated(formulas, drawn_in, vertices, low) if formulas else ()
    directed += [(cause, name) for name, formula in made_by for cause in variables_in(formula)]
    nodes = () if made_by else bind(checker, vertices, latents)
    _acyclic(directed, drawn_in, low)
    word = low.word(name)
    declared = Graph(
        word,
        tuple(vertices),
        tuple(directed),
        tuple(bidirected),
        assume,
        low.span(name),
        made_by,
        nodes,
        tuple(latents),
        tuple(selections),
        realized=tuple((v, checker.scope.realized[v]) for v in vertices if v in checker.scope.realized and not made_by),
    )
    if not made_by:
        declared, denied = held(declared, low.scope.sites, drawn_in)
        checker.found.extend(denied)
    checker.scope.declare(word, declared, low.span(name), again=checker.redefine)
    checker.graphs[word] = declared


def _selects(word: str, low: Lowering) -> bool:
    """Whether a name in a diagram is that of the other population; a declared one is a variable like any other."""
    return word == POPULATION and word not in low.scope.names


def _acyclic(directed: list[tuple[str, str]], drawn_in: dict[tuple[str, str], Span], low: Lowering) -> None:
    import networkx as nx  # only here: its import costs more than the rest of a check

    drawn = nx.DiGraph(directed)
    if not nx.is_directed_acyclic_graph(drawn):
        loop = nx.find_cycle(drawn)
        raise error(
            "CQ313",
            f"the graph has a cycle: {' -> '.join([*(a for a, _ in loop), loop[0][0]])}",
            max((drawn_in.get(edge, low.statement) for edge in loop), key=lambda place: place.start),
            "closes the cycle",
            help="causes come before effects: remove one of these arrows",
        )


# ---- what stands behind the vertices


def bind(checker: Checker, vertices: dict[str, Span], latents: dict[str, Span]) -> tuple[tuple[str, Expr], ...]:
    """What each vertex stands for; a name that is bound to nothing becomes a variable of its own.

    Raises:
        DiagnosticError: CQ280, a vertex that is no variable.
    """
    found: dict[str, Expr] = {}
    twins: dict[Expr, str] = {}
    for word, span in vertices.items():
        value = _value(checker, word, span)
        if value is None:
            value = Variable(word)
            checker.found.extend(_misspelt(word, span, vertices, checker))
            if word.isidentifier():  # another name, from a file, is a vertex that nothing else can name
                checker.scope.declare(word, value, span)
        if word in latents and not isinstance(value, Variable):
            labels = [Label(checker.scope.names[word][1], "measured here")]
            way = "leave `latent` out, or give the latent another name"
            raise error("CQ280", f"`{word}` is latent and is measured", latents[word], labels=labels, help=way)
        if value in twins:
            way = "one vertex for each: two names of one thing are one variable"
            raise error("CQ280", f"`{twins[value]}` and `{word}` are the same thing", span, help=way)
        twins[value] = word
        found[word] = value
    checker.scope.drawn.update(twins)
    return tuple(found.items())


def _value(checker: Checker, word: str, span: Span) -> Expr | None:
    """What a vertex is declared as; `None` where it is not."""
    scope = checker.scope
    if word in scope.later or word in scope.failed or word in scope.names:
        value = scope.find(word, span)
        if value is None:
            raise Poisoned
        return _row_value(word, value, span)
    if word in ("true", "false", "row", *FUNCTIONS, *CLAIMS) or registered(word) is not None:
        raise error("CQ280", f"`{word}` is a word of the language, and no variable", span, help="choose another name")
    return None


def _row_value(word: str, value: Value, span: Span) -> Expr:
    constant = isinstance(value, Number | Text | Truth)
    if isinstance(value, Expr) and not constant and not is_estimand(value):
        return value
    kind = "a constant" if constant else kind_of(value)
    way = f"a variable has a value on each row: `node {word} = …`; or choose a name that is not declared"
    raise error("CQ280", f"`{word}` is {kind}, and no variable", span, help=way)


def _misspelt(word: str, span: Span, vertices: dict[str, Span], checker: Checker) -> list[Diagnostic]:
    """A warning where a name that is bound to nothing looks like one that is declared and not in the diagram."""
    declared = {
        name: place
        for name, (value, place) in checker.scope.names.items()
        if name not in vertices and isinstance(value, Expr) and not isinstance(value, Variable)
    }
    near = nearest(word, [*declared])
    if near is None:
        return []
    return [
        Diagnostic(
            "CQ283",
            f"`{word}` is bound to nothing: it is a variable of the diagram that nobody measures",
            span,
            "not declared above",
            (Label(declared[near], "a similar name is declared here"),),
            (f"did you mean `{near}`?",),
            fix=Fix(span, near) if span.text == word else None,  # the name may stand in a file
            severity="warning",
        )
    ]
