"""`check tau in G on d by adjustment against placebo, subset seed 7`; the same for Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.measure import unit
from causalcircuit.check.observing import Wishes, observing
from causalcircuit.check.options import on_data, read
from causalcircuit.check.regimes import graph_in
from causalcircuit.diagnostics import Span, did_you_mean, error
from causalcircuit.query import DataRef, Expr, Graph, Options, Query, is_estimand
from causalcircuit.query.refutation import ADJUSTING, REFUTERS
from causalcircuit.query.regimes import INTERVENTION, OBSERVED, Observing
from causalcircuit.syntax.trees import inner, text_of, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

_OPTIONS = ("on", "by", "ci", "seed", "in_diagram", "assume", "against")
_USAGE = "write `check tau in G on d by adjustment against placebo seed 7`"


def check(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """Read the estimand and its refuters, and keep the question.

    Raises:
        DiagnosticError: CQ904 no one estimand; CQ217 no data; CQ286 no diagram; else as `refuting`.
    """
    parts = [tree_of(part) for part in inner(tree)]
    sides = [part for part in parts if part.data == "side"]
    heads = inner(sides[0])
    if len(sides) > 1 or len(heads) > 1:
        place = low.span(sides[0]).to(low.span(sides[-1]))
        raise error("CQ904", "one estimand is held against refuters at a time", place, help=_USAGE)
    given = read([p for p in parts if p.data not in ("side", "between")], low, _OPTIONS)
    if given.data is None:
        raise error("CQ217", "this says not on which data", low.span(tree), help=on_data(low))
    value = low.expr(heads[0])
    place = low.span(heads[0])
    if not is_estimand(value):
        way = f"name the estimand: `let tau = E[{place.text} | do(X = 1)] - E[{place.text} | do(X = 0)]`"
        raise error("CQ214", f"`{place.text}` has a value on each row", place, help=way)
    unit(value, place)
    spans = {"by": given.seen["by"]} if "by" in given.seen else {}
    wishes = Wishes(given.regimes, given.linear, None, False, spans)
    query = Query(text_of(heads[0], low.statement), value, span=place)
    graph, at = graph_in(given, low), given.seen["against"]
    made = refuting(query, graph, given.data, given.options, wishes, given.against, comments, low.statement, at)
    checker.command(made, low)


def refuting(
    query: Query,
    graph: Graph,
    data: DataRef,
    options: Options,
    wishes: Wishes,
    against: Sequence[tuple[str, Span | None]],
    comments: tuple[str, ...] = (),
    span: Span | None = None,
    place: Span | None = None,
) -> Observing:
    """The command that estimates and attempts to refute; `against` are names of refuters, none for all that apply.

    Raises:
        DiagnosticError: CQ902 an unknown refuter, or one twice; CQ903 one that does not apply; CQ904 several regimes;
            CQ905 no seed; else as `observing`.
    """
    seen: list[str] = []
    for name, where in against:
        if name not in REFUTERS:
            ways = (did_you_mean(name, REFUTERS), f"refuters: {', '.join(REFUTERS)}")
            raise error("CQ902", f"there is no refuter `{name}`", where, help=ways)
        if name in seen:
            raise error("CQ902", f"the refuter `{name}` stands twice", where, help="once is enough")
        seen.append(name)
    if options.seed is None:
        raise error("CQ905", "refuters draw at random, and need a seed", place or span, help="add `seed 7`")
    if len(wishes.regimes) > 1:
        way = "ask for one at a time; `estimate … by a, b` puts them side by side"
        raise error("CQ904", "one regime is held against refuters at a time", wishes.place("by", span), help=way)
    made = observing([query], graph, data, options, wishes, comments, span)
    (regime,) = made.regimes
    if regime.name not in OBSERVED or regime.model is not None:
        why = "an intervention is run, and nothing of it is estimated from a diagram"
        if regime.name != INTERVENTION:
            why = f"`{regime}` was fitted before, and is not fitted anew to changed rows"
        way = "name a regime of observed rows: `by adjustment`"
        raise error("CQ903", why, wishes.place("by", query.span), help=way)
    adjusts = OBSERVED[regime.name][0] == "adjustment" and _one_treatment(query.expr, made)
    for name, where in against:
        if name in ADJUSTING and not adjusts:
            raise error(
                "CQ903",
                f"`{name}` adds a cause to what one treatment is adjusted for, and `{regime}` adjusts none here",
                where,
                help="leave it out: `placebo` and `subset` ask every regime",
            )
    chosen = tuple(seen) or tuple(r for r in REFUTERS if adjusts or r not in ADJUSTING)
    return replace(made, against=chosen)


def _one_treatment(e: Expr, made: Observing) -> bool:
    """Whether all means are of one outcome under one treatment, without conditions."""
    from causalcircuit.check.terms import terms_of

    wanted = terms_of(e, made.graph, None).wanted
    return len(wanted) == 1 and (len(wanted[0].of), len(wanted[0].do), len(wanted[0].given)) == (1, 1, 0)
