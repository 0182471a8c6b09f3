"""Hypotheses, and the claims of tests: an estimand, and the region in which it is expected."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.measure import unit
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import Binary, Claim, Compare, Expr, Number, Query, Region, Within, is_estimand, number
from causalcircuit.query.trials import CircuitClaim
from causalcircuit.query.units import WRITTEN
from causalcircuit.syntax.trees import Node, inner, unquote

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

_IN_UNITS = {
    "probability": "write the bound in `pp`, percentage points",
    "ratio": "write the bound as a plain number or in %",
    "": "write the bound as a plain number",
}


def hypothesis(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`hypothesis name "title" { because "…" expect effect(A) < -0.5 logit }`."""
    name, *rest = inner(tree)
    title = because = ""
    condition: Node | None = None
    for part in rest:
        if isinstance(part, Token):
            title = unquote(str(part))
        elif part.data == "because":
            because = unquote(str(inner(part)[0]))
        elif condition is None:
            condition = inner(part)[0]
        else:
            way = "declare a second hypothesis, or a region: `within [low, high]`"
            raise error("CQ112", "a hypothesis expects one thing", low.span(part), help=way)
    if condition is None:
        raise error("CQ226", "this hypothesis says not what it expects", low.span(name), help="add `expect … < …`")
    word = low.word(name)
    value = low.value(condition)
    made: Claim | CircuitClaim
    if isinstance(value, CircuitClaim):
        made = replace(value, name=word, title=title, because=because)
    else:
        made = replace(claim(low.as_expr(value, condition), word, low.span(condition)), title=title, because=because)
    checker.scope.declare(word, made, low.span(name), again=checker.redefine)


def claim(condition: Expr, name: str, span: Span | None, at: tuple[tuple[str, str], ...] = ()) -> Claim:
    """A comparison of an estimand with numbers (or with another estimand) as a claim.

    Raises:
        DiagnosticError: CQ227, the expression claims nothing; CQ311, units differ.
    """
    place = condition.span or span
    if isinstance(condition, Within):
        query, region, ends = condition.value, None, (condition.low, condition.high)
        low, high = (_end(e, condition, place) for e in ends)
        written = _one_unit(low, high, place)
        if low.value >= high.value:
            raise error(
                "CQ227", f"the region [{shown(low)}, {shown(high)}] is empty", place, help="write the lower end first"
            )
        region = Region(low.value, high.value, closed=True, outside=condition.outside)
    elif isinstance(condition, Compare) and condition.op in ("<", ">", "<=", ">="):
        query, bound = condition.left, condition.right
        upward = condition.op.startswith(">")
        if isinstance(query, Number) and is_estimand(bound):
            query, bound, upward = bound, query, not upward
        end = Number(0.0) if is_estimand(bound) else _end(bound, condition, place)
        if is_estimand(bound):
            query = Binary("-", query, bound, span=condition.span)
        closed = condition.op.endswith("=")
        region = Region(end.value, math.inf, closed) if upward else Region(-math.inf, end.value, closed)
        written = end.unit
    elif isinstance(condition, Compare):
        raise error(
            "CQ227",
            f"no interval supports that an estimand is exactly a number: `{condition.op}`",
            place,
            help="claim a region: `within [-0.1 logit, 0.1 logit]`, or a direction: `< 0`",
        )
    else:
        raise error("CQ227", f"`{shown(condition)}` claims nothing", place, help="compare it: `total < -0.5 logit`")
    if not is_estimand(query):
        raise error(
            "CQ214",
            f"`{shown(query)}` has a value on each row, and a claim speaks of all rows",
            within(query.span, place),
            "a row value",
            help=f"write `E[{shown(query)}]` for its mean",
        )
    measure = unit(query, place)
    if written is not None and WRITTEN[written] != measure and not (written == "%" and measure == ""):
        raise error(
            "CQ311",
            f"the claim is in {written}, and its estimand {f'in {measure}' if measure else 'has no unit'}",
            place,
            help=_IN_UNITS.get(measure, f"write the bound in {measure}"),
        )
    return Claim(name, Query(name, query, at=at, span=place), region, measure, named=False, span=place)


def _end(e: Expr, condition: Expr, span: Span | None) -> Number:
    if isinstance(e, Number):
        return e
    message = f"a region ends at a number, and `{shown(e)}` is none"
    raise error("CQ227", message, e.span or span, help="write a number: `< -0.5 logit`, `within [-1 pp, 1 pp]`")


def _one_unit(low: Number, high: Number, span: Span | None) -> str | None:
    """The unit of a region: both ends say it, or one where the other is 0."""
    if low.unit != high.unit and not any(end.unit is None and end.value == 0 for end in (low, high)):
        units = " and ".join(end.unit or "no unit" for end in (low, high))
        raise error("CQ311", f"the ends of the region are in {units}", span, help="write both in one unit")
    return low.unit or high.unit


def region_text(c: Claim) -> str:
    """The region of a claim, as the language writes it."""
    r = c.region
    shown = None
    if c.unit == "probability":
        shown = "pp"
    elif c.unit in ("logit", "nat"):
        shown = c.unit
    low, high = (number(x, shown) if math.isfinite(x) else "" for x in (r.low, r.high))
    if low and high:
        return f"{'outside' if r.outside else 'within'} [{low}, {high}]"
    sign = ("<" if high else ">") + ("=" if r.closed else "")
    return f"{sign} {high or low}"
