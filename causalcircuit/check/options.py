"""The options after the head of a question: in any order, each once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.diagnostics import Label, Span, did_you_mean, error
from causalcircuit.query import Column, DataRef, Expr, Input, Items, Options, Site, render
from causalcircuit.syntax.trees import Node, inner, span_of, tree_of

METHODS = ("bootstrap", "bca", "percentile", "basic", "student", "fieller", "wilson")
CORRECTIONS = ("holm",)
_RESAMPLED = ("bootstrap", "bca", "percentile", "basic")


@dataclass(slots=True)
class Given:
    """The options of one statement, read."""

    options: Options = field(default_factory=Options)
    data: DataRef | None = None
    per: Column | None = None
    sweep: tuple[str, tuple[Expr, ...], Span] | None = None
    correction: str | None = None
    alpha: float | None = None
    seen: dict[str, Span] = field(default_factory=dict)


def read(nodes: list[Node], low: Lowering, allowed: tuple[str, ...]) -> Given:
    """The options among a statement's children.

    Raises:
        DiagnosticError: CQ112, an option twice or out of place; CQ218 and others for its value.
    """
    given = Given()
    for node in nodes:
        if not isinstance(node, Tree):
            continue
        kind = str(node.data).rstrip("_")
        span = span_of(node, low.statement)
        word = {"with_method": "with", "for_each": "for", "in_diagram": "in"}.get(kind, kind)
        if kind in given.seen:
            raise error(
                "CQ112",
                f"`{word}` stands twice",
                span,
                labels=[Label(given.seen[kind], "first here")],
                help="leave one out",
            )
        given.seen[kind] = span
        if kind not in allowed:
            raise error("CQ112", f"`{word}` is no option of this statement", span, help="remove it")
        _READ[kind](given, node, low, span)
    return given


def _on(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    value = low.value(inner(node)[0])
    if not isinstance(value, DataRef):
        raise error("CQ217", f"`{low.span(inner(node)[0]).text}` is no data", span, help="`on` names declared data")
    given.data = value


def _with(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    child = inner(node)[0]
    if isinstance(child, Tree) and child.data == "call":
        callee, *rest = inner(child)
        arguments = [low.expr(a) for a in inner(tree_of(rest[0]))] if rest else []
    else:
        callee, arguments = child, []
    name = (
        low.word(callee.children[0])
        if isinstance(callee, Tree) and callee.data == "reference"
        else low.span(callee).text
    )
    if name not in METHODS:
        raise error("CQ218", f"unknown estimator `{name}`", low.span(callee), help=did_you_mean(name, METHODS))
    resamples: int | None = None
    if name in _RESAMPLED:
        from causalcircuit.query import Number

        first = arguments[0] if arguments else None
        if not isinstance(first, Number) or first.value != int(first.value) or first.value < 1:
            raise error(
                "CQ218", f"`{name}` needs a number of resamples", span, help=f"write `{name}(2000)` and `seed 7`"
            )
        resamples = int(first.value)
    elif arguments:
        raise error("CQ218", f"`{name}` takes no arguments", span, help=f"write `with {name}`")
    given.options = replace(given.options, method=name, resamples=resamples)


def _ci(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    token = str(inner(node)[0])
    level = float(token[:-1]) / 100 if token.endswith("%") else float(token)
    if not 0 < level < 1:
        raise error("CQ219", f"a level lies between 0 and 1, and `{token}` does not", span, help="write `ci 95%`")
    given.options = replace(given.options, level=level)


def _seed(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    given.options = replace(given.options, seed=whole(inner(node)[0], low))


def _per(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    value = low.value(inner(node)[0])
    if not isinstance(value, Column):
        raise error("CQ220", "`per` takes a column", span, help="write `per row.gender`")
    given.per = value


def _for(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    name, over = inner(node)
    value = low.value(over)
    if isinstance(value, Site | Input):
        members: tuple[Expr, ...] = (value,)
    else:
        items = low.as_expr(value, over)
        members = items.items if isinstance(items, Items) else ()
    if not members:
        raise error(
            "CQ221",
            f"`{low.span(over).text}` is nothing to go through",
            span,
            help="go through sites: `for H in m.layer[*].head[*].out @ last`, or a list `[a, b]`",
        )
    given.sweep = (low.word(name), members, low.span(name))


def _as(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    words = [low.word(w) for w in inner(node)]
    if words != ["population"]:
        raise error("CQ112", f"`as {', '.join(words)}` is not available in this version", span, help="`as population`")
    given.options = replace(given.options, population=True)


def _by(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    words = [low.word(w) for w in inner(node)]
    if words != ["intervention"]:
        raise error(
            "CQ222",
            f"the regime `{', '.join(words)}` is not available in this version",
            span,
            help="interventions on the model are the only regime so far: leave `by` out",
        )


def _in(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    from causalcircuit.query import Graph

    value = low.value(inner(node)[0])
    if not isinstance(value, Graph):
        raise error("CQ205", f"`{low.span(inner(node)[0]).text}` is no graph", span, help="`in` names a declared graph")


def _correct(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    word = low.word(inner(node)[0])
    if word not in CORRECTIONS:
        raise error("CQ223", f"unknown correction `{word}`", span, help=did_you_mean(word, CORRECTIONS))
    given.correction = word


def _alpha(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    alpha = float(str(inner(node)[0]))
    if not 0 < alpha < 0.5:
        raise error("CQ219", f"alpha lies between 0 and 0.5, and {alpha:g} does not", span, help="write `alpha 0.05`")
    given.alpha = alpha


def whole(node: Node, low: Lowering) -> int:
    """A whole number."""
    text = str(node)
    if not text.isdigit():
        raise error("CQ219", f"a whole number is needed, and `{text}` is none", low.span(node), help="write `seed 7`")
    return int(text)


def described(sweep: Expr) -> str:
    """A member of a sweep as results name it."""
    return render(sweep)


_READ = {
    "on": _on,
    "with_method": _with,
    "ci": _ci,
    "seed": _seed,
    "per": _per,
    "for_each": _for,
    "as": _as,
    "by": _by,
    "in_diagram": _in,
    "correct": _correct,
    "alpha": _alpha,
}
