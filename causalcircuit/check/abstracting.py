"""`check S against interventions`: how far a fitted model's answers lie from what a model of a network really does."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.observing import Wishes, measured, observing, of_model
from causalcircuit.check.options import read
from causalcircuit.check.values import kind_of
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import Assignment, Binary, DataRef, Expect, Expr, Options, Query, World, render
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


def check(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """`check S against interventions on d ci 90%`."""
    parts = [tree_of(p) for p in inner(tree)]
    sides = [p for p in parts if p.data == "side"]
    given = read([p for p in parts if p.data not in ("side", "between")], low, ("on", "ci", "against"))
    place = low.span(sides[0])
    names = inner(sides[0])
    value = low.value(names[0]) if len(sides) == 1 and len(names) == 1 else None
    if not isinstance(value, Fitted):
        what = "several things" if value is None else kind_of(value)
        raise error("CQ890", f"`{place.text}` is {what}, and no fitted model", place, help=_USAGE)
    options = given.options
    if "ci" not in given.seen and value.level is not None:
        options = Options(level=value.level)
    made = abstracting(value, given.data or value.data, options, comments, low.statement)
    checker.command(made, low)


def abstracting(
    model: Fitted, data: DataRef, options: Options, comments: tuple[str, ...] = (), span: Span | None = None
) -> Observing:
    """The question: every effect that can be had both ways, by intervention and in the model.

    A cause is a variable whose values worlds stand for (`realize`), an outcome one that a model of a network gives.

    Raises:
        DiagnosticError: CQ890, there is no such pair; else as `observing`.
    """
    diagram, nodes = measured(model.graph), dict(model.graph.nodes)
    asked: list[Query] = []
    for cause, pairs in model.graph.realized:
        below = [v for v in diagram.observed if v != cause and v in diagram.descendants(cause) and of_model(nodes[v])]
        for (low, _), (high, _) in pairwise(sorted(pairs, key=lambda pair: render(pair[0]))):
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
            ),
        )
    regimes = (Regime(INTERVENTION), Regime(model.name, model=model))
    return observing(asked, model.graph, data, options, Wishes(regimes), comments, span)


def _mean(effect: Expr, cause: Expr, value: Expr) -> Expr:
    return Expect(effect, World((Assignment(cause, value),)))
