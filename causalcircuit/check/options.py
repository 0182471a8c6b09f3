"""The options after the head of a question: in any order, each once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.scope import Poisoned
from causalcircuit.check.sweeps import Sweep, sweep_of
from causalcircuit.check.values import kind_of
from causalcircuit.diagnostics import Label, Span, did_you_mean, error
from causalcircuit.query import Column, DataRef, Graph, Negative, Number, Options
from causalcircuit.query.families import CORRECTIONS, Correction
from causalcircuit.query.methods import ANALYTIC, METHODS, known
from causalcircuit.query.regimes import INTERVENTION, OBSERVED, Regime
from causalcircuit.query.showing import Form
from causalcircuit.query.structural import Fitted
from causalcircuit.query.until import Until
from causalcircuit.syntax.trees import Node, inner, span_of, tree_of, unquote

WISHES = ("bounds", "sensitivity")
"""What may stand after `with` beside a method, where a regime answers."""
_WORDS = {"at_most": "at most", "with_method": "with", "for_each": "for", "in_diagram": "in", "planned": "sample"}


@dataclass(slots=True)
class Given:
    """The options of one statement, read."""

    options: Options = field(default_factory=Options)
    data: DataRef | None = None
    per: Column | None = None
    sweeps: tuple[Sweep, ...] = ()
    form: Form | None = None
    correction: Correction | None = None
    alpha: float | None = None
    path: Path | None = None
    planned: int | None = None
    seen: dict[str, Span] = field(default_factory=dict)
    graph: Graph | None = None
    regimes: tuple[Regime, ...] = ()
    linear: bool = False
    bounds: str | None = None
    sensitivity: bool = False
    most: tuple[int, Literal["rows", "clusters"]] | None = None
    fitted: Fitted | None = None
    against: tuple[tuple[str, Span], ...] = ()


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
        word = _WORDS.get(kind, kind)
        if kind in given.seen and kind != "for_each":
            raise error(
                "CQ112",
                f"`{word}` stands twice",
                span,
                labels=[Label(given.seen[kind], "first here")],
                help="leave one out",
            )
        given.seen[kind] = span
        if kind not in allowed:
            place = Span(span.source, span.start, span.start + len(word))
            known = ", ".join(f"`{_WORDS.get(a, a)}`" for a in allowed)
            raise error("CQ112", f"`{word}` is no option of this statement", place, help=f"its options are {known}")
        _READ[kind](given, node, low, span)
    if given.most is not None:
        _capped(given, given.seen["at_most"])
    if given.fitted is not None:
        _in_model(given, given.fitted)
    return given


def _in_model(given: Given, fitted: Fitted) -> None:
    """`in S`: the model's own diagram and rows, its level and seed where none is named."""
    if given.regimes:
        raise error("CQ112", f"`in {fitted.name}` is answered by the model", given.seen["by"],
                    help=f"leave `by` out, or write `in {fitted.graph.name}`")  # fmt: skip
    given.regimes = (Regime(fitted.name, model=fitted),)
    given.data = given.data or fitted.data
    if "ci" not in given.seen and fitted.level is not None:
        given.options = replace(given.options, level=fitted.level)


def _on(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    value = low.value(inner(node)[0])
    if not isinstance(value, DataRef):
        place = low.span(inner(node)[0])
        raise error("CQ217", f"`{place.text}` is {kind_of(value)}, not data", place, help=on_data(low))
    given.data = value


def _with(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    methods = 0
    for child in inner(node):
        if _wished(given, child, low):
            continue
        methods += 1
        if methods > 1:
            raise error("CQ112", "an estimate has one method", low.span(child), help="leave one out")
        _method(given, child, low)


def _wished(given: Given, child: Node, low: Lowering) -> bool:
    """Whether a word after `with` asks for bounds or for a sensitivity analysis."""
    callee, *rest = inner(child) if isinstance(child, Tree) and child.data == "call" else (child,)
    word = low.span(callee).text
    if word not in WISHES:
        return False
    names = [low.span(a).text for a in inner(tree_of(rest[0]))] if rest else []
    if len(names) > 1 or (names and word == "sensitivity"):
        way = "write `with sensitivity`, `with bounds`, or `with bounds(Z)` for an instrument Z"
        raise error("CQ218", f"`{word}` does not take {', '.join(names)}", low.span(child), help=way)
    given.seen[word] = low.span(child)
    if word == "bounds":
        given.bounds = names[0] if names else ""
    else:
        given.sensitivity = True
    return True


def _method(given: Given, child: Node, low: Lowering) -> None:
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
    if not known(name):
        raise error("CQ601", f"unknown method `{name}`", low.span(callee), help=did_you_mean(name, METHODS))
    resamples: int | None = None
    if name not in ANALYTIC and arguments:
        first = arguments[0]
        if len(arguments) > 1 or not isinstance(first, Number) or not first.value.is_integer() or first.value < 1:
            raise error(
                "CQ218",
                f"`{name}` takes one number, of resamples",
                low.span(child),
                help=f"write `{name}(2000)` and `seed 7`",
            )
        resamples = int(first.value)
    elif arguments:
        raise error("CQ218", f"`{name}` takes no arguments", low.span(child), help=f"write `with {name}`")
    given.options = replace(given.options, method=name, resamples=resamples)


def _ci(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    token = str(inner(node)[0])
    level = float(token[:-1]) / 100 if token.endswith("%") else float(token)
    if not 0 < level < 1:
        way = f"write `ci {token}%`" if 1 < level < 100 and not token.endswith("%") else "write `ci 95%`"
        raise error("CQ602", f"a level lies between 0% and 100%, and `{token}` does not", span, help=way)
    given.options = replace(given.options, level=level)


def _seed(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    given.options = replace(given.options, seed=whole(inner(node)[0], low))


def _per(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    value = low.value(inner(node)[0])
    if not isinstance(value, Column):
        place = low.span(inner(node)[0])
        raise error("CQ220", f"`per` takes a column, not `{place.text}`", place, help="write `per row.gender`")
    given.per = value


def _for(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    name, over = inner(node)
    made = sweep_of(name, over, low)
    twin = next((s for s in given.sweeps if s.name == made.name), None)
    if twin is not None and twin.span is not None:
        place = low.span(name)
        raise error("CQ112", f"`for {made.name}` stands twice", place, labels=[Label(twin.span, "first here")],
                    help="give the second one a name of its own")  # fmt: skip
    given.sweeps += (made,)


def _as(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    for at in inner(node):
        word = low.word(at)
        if word == "population":
            given.options = replace(given.options, population=True)
        elif word == "heatmap" or word == "table" or word == "overlay":
            if given.form not in (None, word):
                raise error("CQ112", f"`as {given.form}` and `as {word}` exclude each other", span, help="keep one")
            given.form = cast(Form, word)
        else:
            way = "`as population`, `as table`, `as heatmap`, `as overlay`"
            raise error("CQ105", f"`as {word}` is not available in this version", span, help=way)


def _by(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    made = []
    for part in inner(node):
        word, *using = (low.word(w) for w in inner(tree_of(part)))
        if word in low.scope.failed:
            raise Poisoned
        known = low.scope.names.get(word)
        if known is not None and isinstance(known[0], Fitted) and not using:
            made.append(Regime(word, model=known[0]))
            continue
        if word not in (INTERVENTION, *OBSERVED):
            way = (did_you_mean(word, [INTERVENTION, *OBSERVED]), f"regimes: {', '.join((INTERVENTION, *OBSERVED))}")
            raise error("CQ222", f"there is no regime `{word}`", low.span(part), help=way)
        made.append(Regime(word, tuple(using) or None))
    given.regimes = tuple(made)


def _assume(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    word = low.word(inner(node)[0])
    if word != "linear":
        way = "`assume linear` is the only one: lines, with one slope for all rows"
        raise error("CQ862", f"`assume {word}` says nothing to a regime", span, help=way)
    given.linear = True


def _in(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    value = low.value(inner(node)[0])
    if isinstance(value, Fitted):
        given.graph, given.fitted = value.graph, value
        return
    if not isinstance(value, Graph):
        place = low.span(inner(node)[0])
        raise error(
            "CQ205", f"`{place.text}` is {kind_of(value)}, not a graph", place, help="`in` names a declared graph"
        )
    given.graph = value


def _against(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    given.against = tuple((low.word(part), low.span(part)) for part in inner(node))


def _correct(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    said = node.children[-1]  # `by` is a reserved word
    word = low.word(said)
    if word not in CORRECTIONS:
        place = low.span(said)
        raise error("CQ223", f"unknown correction `{word}`", place, help=did_you_mean(word, CORRECTIONS))
    given.correction = word


def _alpha(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    alpha = float(str(inner(node)[0]))
    if not 0 < alpha < 0.5:
        raise error("CQ613", f"alpha lies between 0 and 0.5, and {alpha:g} does not", span, help="write `alpha 0.05`")
    given.alpha = alpha


def _path(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    given.path = Path(low.scope.resolve(unquote(str(inner(node)[0]))))


def _planned(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    given.planned = whole(inner(node)[0], low)


def _until(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    name, *bound = inner(node)
    word = low.word(name)
    ways = ("`until width < 0.05` ends an estimate", "`until decided` ends a test")
    if word not in ("width", "decided") or (word == "decided") == bool(bound):
        raise error("CQ946", f"`{span.text}` is no stopping rule", span, help=ways)
    if not bound:
        given.options = replace(given.options, until=Until(span=span))
        return
    end = low.expr(bound[0])
    if isinstance(end, Negative) and isinstance(end.operand, Number):
        end = Number(-end.operand.value, end.operand.unit)
    if not isinstance(end, Number):
        raise error("CQ946", f"a width is a number, and `{low.span(bound[0]).text}` is none", span, help=ways)
    given.options = replace(given.options, until=Until(width=end.value, unit=end.unit, span=span))


def _at_most(given: Given, node: Tree[Token], low: Lowering, span: Span) -> None:
    number, unit = inner(node)
    word = low.word(unit)
    if word not in ("rows", "clusters"):
        place = low.span(unit)
        raise error("CQ946", f"`at most` counts rows or clusters, not `{word}`", place, help="write `at most 500 rows`")
    given.most = whole(number, low), cast(Literal["rows", "clusters"], word)


def _capped(given: Given, span: Span) -> None:
    """`at most 500 rows` belongs to a rule."""
    until = given.options.until
    if until is None or given.most is None:
        way = "add `until width < 0.05`; or take a part of the data, `sample 500 seed 1`"
        raise error("CQ946", "`at most` says where a stopping rule ends, and there is none", span, help=way)
    most, counted = given.most
    given.options = replace(given.options, until=replace(until, most=most, counted=counted))


def whole(node: Node, low: Lowering) -> int:
    """A whole number."""
    text = str(node)
    if not text.isdigit():
        raise error("CQ219", f"a whole number is needed, and `{text}` is none", low.span(node), help="write `seed 7`")
    return int(text)


def only_data(low: Lowering) -> DataRef | None:
    """The declared data, where there is one set of them."""
    found = [value for value, _ in low.scope.names.values() if isinstance(value, DataRef)]
    return found[0] if len(found) == 1 else None


def on_data(low: Lowering) -> str:
    """The way out where no data is named: with the data that is declared."""
    names = [name for name, (value, _) in low.scope.names.items() if isinstance(value, DataRef)]
    return f"add `on {names[0]}`" if len(names) == 1 else "add `on d`, where `d` is declared data"


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
    "assume": _assume,
    "under": _path,
    "to": _path,
    "planned": _planned,
    "until": _until,
    "at_most": _at_most,
    "against": _against,
}
