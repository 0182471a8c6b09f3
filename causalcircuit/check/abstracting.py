"""`check S`, and `check S against interventions`: a fitted model held against rows, and against what a network does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.observing import Wishes, measured, observing, of_model
from causalcircuit.check.options import read
from causalcircuit.check.values import kind_of
from causalcircuit.diagnostics import DiagnosticError, Span, did_you_mean, error
from causalcircuit.query import Assignment, Binary, DataRef, Expect, Expr, Graph, Number, Options, Query, World, render
from causalcircuit.query.regimes import INTERVENTION, Observing, Regime
from causalcircuit.query.structural import Fitted
from causalcircuit.syntax.trees import inner, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

INTERVENTIONS = "interventions"
_USAGE = "write `check S against interventions`, S being fitted: `fit S = scm(G) on d with linear_gaussian`"


def asked(options: list[Tree[Token]], low: Lowering) -> bool:
    """Whether `against` names interventions and nothing else."""
    named = [inner(o) for o in options if o.data == "against"]
    return bool(named) and [low.word(n) for n in named[0]] == [INTERVENTIONS]


def alone(tree: Tree[Token], low: Lowering) -> bool:
    """Whether the statement names one fitted model and no independence."""
    parts = [tree_of(p) for p in inner(tree)]
    sides = [p for p in parts if p.data in ("side", "between")]
    if len(sides) != 1 or len(inner(sides[0])) != 1:
        return False
    name = inner(sides[0])[0]
    try:
        found = low.scope.find(low.word(name), low.span(name))
    except DiagnosticError:
        return False
    against = any(p.data == "against" for p in parts)
    return (found is None and not against) or isinstance(found, Fitted)


def check(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """`check S on d ci 90% alpha 0.01`, and `check S against interventions`.

    Raises:
        DiagnosticError: CQ890, no fitted model, or nothing to intervene on; CQ112 an option of other forms.
    """
    parts = [tree_of(p) for p in inner(tree)]
    sides = [p for p in parts if p.data == "side"]
    given = read([p for p in parts if p.data not in ("side", "between")], low, ("on", "ci", "alpha", "against"))
    place = low.span(sides[0])
    names = inner(sides[0])
    value = low.value(names[0]) if len(sides) == 1 and len(names) == 1 else None
    if not isinstance(value, Fitted):
        what = "several things" if value is None else kind_of(value)
        raise error("CQ890", f"`{place.text}` is {what}, and no fitted model", place, help=_USAGE)
    for other in (n for o in parts if o.data == "against" for n in inner(o) if low.word(n) != INTERVENTIONS):
        way = (did_you_mean(low.word(other), [INTERVENTIONS]), _USAGE)
        raise error("CQ890", f"a fitted model is not held against `{low.word(other)}`", low.span(other), help=way)
    options = given.options
    if "ci" not in given.seen and value.level is not None:
        options = Options(level=value.level)
    question = abstracting if "against" in given.seen else examining
    made = question(value, given.data or value.data, options, comments, low.statement)
    checker.command(made if given.alpha is None else replace(made, alpha=given.alpha), low)


def examining(
    model: Fitted, data: DataRef, options: Options, comments: tuple[str, ...] = (), span: Span | None = None
) -> Observing:
    """The question what rows say: every independence that the diagram implies, and how strong each arrow is.

    Raises:
        DiagnosticError: as `observing`.
    """
    wishes = Wishes((Regime(model.name, model=model),))
    return replace(observing([], model.graph, data, options, wishes, comments, span), examined=model)


def abstracting(
    model: Fitted, data: DataRef, options: Options, comments: tuple[str, ...] = (), span: Span | None = None
) -> Observing:
    """The question: every effect that can be had both ways, by intervention and in the model; and what rows say.

    A cause is a variable whose values worlds stand for (`realize`), an outcome one that a model of a network gives.

    Raises:
        DiagnosticError: CQ890, there is no such pair; else as `observing`.
    """
    diagram, nodes = measured(model.graph), dict(model.graph.nodes)
    asked: list[Query] = []
    for cause, pairs in model.graph.realized:
        below = [v for v in diagram.observed if v != cause and v in diagram.descendants(cause) and of_model(nodes[v])]
        for (low, _), (high, _) in pairwise(sorted(pairs, key=lambda pair: _order(pair[0]))):
            for effect in below:
                sides = [_mean(nodes[effect], nodes[cause], value) for value in (high, low)]
                text = f"{cause} = {render(low)} to {render(high)}, {effect}"
                asked.append(Query(text, Binary("-", sides[0], sides[1]), span=span))
    if not asked:
        raise error(
            "CQ890",
            f"no effect in `{model.graph.name}` can be had by intervening",
            span,
            help=(
                "a cause needs worlds that stand for its values: `node B = row.b realize 1 -> w, 0 -> v`",
                "an outcome needs to be a value of a model",
                f"`check {model.name}` holds the model against its rows alone",
            ),
        )
    regimes = (Regime(INTERVENTION), Regime(model.name, model=model))
    made = observing(asked, model.graph, data, options, Wishes(regimes), comments, span)
    return replace(made, examined=model, skipped=_skipped(model.graph))


def _skipped(graph: Graph) -> tuple[tuple[str, str], ...]:
    """The causes of what a model gives that nobody intervenes on, and why: no two worlds stand for their values."""
    diagram, nodes, worlds = measured(graph), dict(graph.nodes), dict(graph.realized)
    out = []
    for cause in diagram.observed:
        below = [v for v in diagram.observed if v != cause and v in diagram.descendants(cause) and of_model(nodes[v])]
        if not below or len(worlds.get(cause, ())) > 1:
            continue
        if cause in worlds:
            why = "one value of it is realized, and an effect takes two"
        elif of_model(nodes[cause]):
            why = "a value of a model, and no `realize` says which worlds stand for its values"
        else:
            why = "a column, and no `realize` says which worlds stand for its values"
        out.append((cause, why))
    return tuple(out)


def _order(value: Expr) -> tuple[bool, float, str]:
    """Numbers by their size, then texts: neighbours are compared."""
    return (False, value.value, "") if isinstance(value, Number) else (True, 0.0, render(value))


def _mean(effect: Expr, cause: Expr, value: Expr) -> Expr:
    return Expect(effect, World((Assignment(cause, value),)))
