"""The statement `fit S = scm(G) on d with linear_gaussian`, and what a fitted model is asked. The same for Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.options import on_data, read
from causalcircuit.check.values import kind_of
from causalcircuit.diagnostics import Span, did_you_mean, error
from causalcircuit.query import DataRef, Graph, Number
from causalcircuit.query.structural import Fitted
from causalcircuit.syntax.trees import Node, inner, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

SETTINGS: Mapping[str, tuple[str, ...]] = {
    "linear_gaussian": (),
    "discrete": ("bins", "prior"),
    "additive_noise": ("degree", "resamples"),
}
"""The kinds of mechanisms, and the numbers that each takes."""
_USAGE = "write `fit S = scm(G) on d with linear_gaussian`"


def fit(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`fit S = scm(G) on d with discrete(bins = 4) ci 90% seed 7`."""
    name, what, *options = inner(tree)
    graph = _graph(what, low)
    kinds = [tree_of(o) for o in options if isinstance(o, Tree) and o.data == "with_method"]
    given = read([o for o in options if o not in kinds], low, ("on", "ci", "seed"))
    if given.data is None:
        raise error("CQ217", "this fit says not to which data", low.span(tree), help=on_data(low))
    if len(kinds) != 1:
        place = low.span(kinds[1]) if kinds else low.span(tree)
        said = "`with` stands twice" if kinds else "this fit says not with which mechanisms"
        raise error("CQ880", said, place, help=f"there are {', '.join(f'`{k}`' for k in SETTINGS)}: name one")
    kind, settings = _mechanisms(kinds[0], low)
    level = given.options.level if "ci" in given.seen else None
    word = low.word(name)
    made = fitted(word, graph, given.data, kind, settings, level, given.options.seed, low.span(name))
    checker.scope.declare(word, made, low.span(name), again=checker.redefine)


def fitted(
    name: str,
    graph: Graph,
    data: DataRef,
    kind: str,
    settings: Mapping[str, float],
    level: float | None = None,
    seed: int | None = None,
    span: Span | None = None,
) -> Fitted:
    """A structural model that is to be fitted.

    Raises:
        DiagnosticError: CQ286, a diagram with formulas; CQ880, an unknown kind or setting.
    """
    if graph.formulas:
        way = "draw its arrows: `graph G { X -> Y }`"
        raise error("CQ286", f"`{graph.name}` has formulas: nothing is left to fit", span, help=way)
    if kind not in SETTINGS:
        way = did_you_mean(kind, list(SETTINGS)) or f"there are {', '.join(f'`{k}`' for k in SETTINGS)}"
        raise error("CQ880", f"there are no mechanisms `{kind}`", span, help=way)
    for word in settings:
        if word not in SETTINGS[kind]:
            known = SETTINGS[kind]
            way = did_you_mean(word, list(known)) or (f"it takes {' and '.join(known)}" if known else "leave it out")
            raise error("CQ880", f"`{kind}` takes no `{word}`", span, help=way)
    return Fitted(name, graph, data, kind, tuple(sorted(settings.items())), level, seed, span)


def _graph(what: Node, low: Lowering) -> Graph:
    """The diagram in `scm(G)`."""
    place = low.span(what)
    if not isinstance(what, Tree) or what.data != "call" or low.span(inner(what)[0]).text != "scm":
        raise error("CQ880", f"`{place.text}` is nothing that is fitted", place, help=_USAGE)
    arguments = inner(tree_of(inner(what)[1])) if len(inner(what)) > 1 else []
    if len(arguments) != 1:
        raise error("CQ880", "`scm` takes one diagram", place, help=_USAGE)
    value = low.value(arguments[0])
    if not isinstance(value, Graph):
        here = low.span(arguments[0])
        raise error(
            "CQ205", f"`{here.text}` is {kind_of(value)}, not a graph", here, help="`scm` takes a declared graph"
        )
    return value


def _mechanisms(option: Tree[Token], low: Lowering) -> tuple[str, dict[str, float]]:
    """The kind after `with`, and its numbers."""
    parts = inner(option)
    node = parts[0]
    if len(parts) > 1:
        raise error("CQ880", "a model has one kind of mechanism", low.span(parts[1]), help="leave one out")
    callee, *rest = inner(node) if isinstance(node, Tree) and node.data == "call" else (node,)
    kind = low.span(callee).text
    if kind not in SETTINGS:
        way = did_you_mean(kind, list(SETTINGS)) or f"there are {', '.join(f'`{k}`' for k in SETTINGS)}"
        raise error("CQ880", f"there are no mechanisms `{kind}`", low.span(callee), help=way)
    settings: dict[str, float] = {}
    for argument in inner(tree_of(rest[0])) if rest else []:
        place = low.span(argument)
        if not isinstance(argument, Tree) or argument.data != "named":
            known = SETTINGS[kind]
            way = f"name it: `{kind}({known[0]} = 4)`" if known else f"write `with {kind}`"
            raise error("CQ880", f"`{place.text}` says not what it is", place, help=way)
        word, number = low.span(inner(argument)[0]).text, low.expr(inner(argument)[1])
        if word not in SETTINGS[kind] or not isinstance(number, Number) or word in settings:
            takes = ", ".join(f"`{w}`" for w in SETTINGS[kind]) or "nothing"
            raise error(
                "CQ880", f"`{kind}` does not take `{place.text}`", place, help=f"it takes {takes}, a number each"
            )
        settings[word] = number.value
    return kind, settings
