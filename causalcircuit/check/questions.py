"""Statements that ask: estimate, hypothesis, family, test."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.measure import unit
from causalcircuit.check.options import described, on_data, read
from causalcircuit.check.scope import Scope
from causalcircuit.check.values import Family, kind_of
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import (
    Binary,
    Claim,
    Compare,
    Estimation,
    Expr,
    Number,
    Query,
    Region,
    Testing,
    Within,
    is_estimand,
    number,
)
from causalcircuit.query.units import WRITTEN
from causalcircuit.syntax.trees import Node, inner, text_of, unquote

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

_ESTIMATE = ("on", "with_method", "ci", "seed", "per", "for_each", "as", "by", "in_diagram")
_TEST = ("on", "with_method", "ci", "seed", "for_each", "correct", "alpha", "by", "in_diagram")
_IN_UNITS = {
    "probability": "write the bound in `pp`, percentage points",
    "ratio": "write the bound as a plain number or in %",
    "": "write the bound as a plain number",
}
_HEADS = frozenset({*_ESTIMATE, *_TEST, "as_"})


def _split(tree: Tree[Token]) -> tuple[list[Node], list[Node]]:
    """The heads of a question, and its options."""
    parts = inner(tree)
    heads = [p for p in parts if not (isinstance(p, Tree) and str(p.data) in _HEADS)]
    return heads, [p for p in parts if isinstance(p, Tree) and str(p.data) in _HEADS]


def estimate(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """`estimate total, nie / total on d with bootstrap(2000) ci 95% seed 7`."""
    heads, options = _split(tree)
    given = read(options, low, _ESTIMATE)
    if given.data is None:
        raise error("CQ217", "this estimate says not on which data", low.span(tree), help=on_data(low))
    queries = [q for head in heads for q in _swept(head, low, given.sweep)]
    checker.command(Estimation(tuple(queries), given.data, given.options, given.per, comments, span=low.statement), low)


def _swept(head: Node, low: Lowering, sweep: tuple[str, tuple[Expr, ...], Span] | None) -> list[Query]:
    """One query, or one for each member of a sweep."""
    name = text_of(head, low.statement)
    out: list[Query] = []
    for at, inside in _members(low, sweep):
        value = inside.expr(head)
        _estimand(value, low.span(head))
        out.append(Query(name, value, at=at, span=low.span(head)))
    return out


def _members(
    low: Lowering, sweep: tuple[str, tuple[Expr, ...], Span] | None
) -> list[tuple[tuple[tuple[str, str], ...], Lowering]]:
    if sweep is None:
        return [((), low)]
    name, members, span = sweep
    out: list[tuple[tuple[tuple[str, str], ...], Lowering]] = []
    for member in members:
        scope = Scope(names={name: (member, span)}, parent=low.scope)
        out.append((((name, described(member)),), replace(low, scope=scope)))
    return out


def _estimand(value: Expr, span: Span) -> None:
    if not is_estimand(value):
        raise error(
            "CQ214",
            f"`{span.text}` has a value on each row, and an estimate speaks of all rows",
            span,
            "a row value",
            help=f"write `E[{span.text}]` for its mean",
        )
    unit(value, span)


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
    made = replace(claim(low.expr(condition), word, low.span(condition)), title=title, because=because)
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


def family(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`family heads = [name_mover, idle] correct holm alpha 0.05`."""
    heads, options = _split(tree)
    given = read(options, low, ("correct", "alpha"))
    name, *members = heads
    claims: list[Claim] = []
    for member in members:
        value = low.scope.find(low.word(member), low.span(member))
        if value is None:
            continue
        if not isinstance(value, Claim):
            raise error(
                "CQ205",
                f"`{low.word(member)}` is {kind_of(value)}, not a hypothesis",
                low.span(member),
                help="a family is made of hypotheses: `hypothesis h { expect total > 0 logit }`",
            )
        if low.word(member) in (c.name for c in claims):
            raise error(
                "CQ202", f"`{low.word(member)}` stands twice in the family", low.span(member), help="once is enough"
            )
        claims.append(replace(value, named=True))
    made = Family(low.word(name), tuple(claims), given.correction or "holm", given.alpha or 0.05)
    checker.scope.declare(made.name, made, low.span(name), again=checker.redefine)


def test(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """`test heads on d`, or `test effect(H) < 0 on d for H in … correct holm alpha 0.05`."""
    heads, options = _split(tree)
    given = read(options, low, _TEST)
    if given.data is None:
        raise error("CQ217", "this test says not on which data", low.span(tree), help=on_data(low))
    claims: list[Claim] = []
    name, correction, alpha = "", given.correction, given.alpha
    for head in heads:
        for at, inside in _members(low, given.sweep):
            value = inside.value(head)
            if isinstance(value, Family):
                if len(heads) > 1 or given.sweep is not None:
                    raise error("CQ228", "a family is tested alone", low.span(head), help="give it a `test` of its own")
                claims.extend(value.claims)
                name, correction, alpha = value.name, correction or value.correction, alpha or value.alpha
            elif isinstance(value, Claim):
                claims.append(replace(value, named=True))
            else:
                text = text_of(head, low.statement)
                claims.append(claim(inside.as_expr(value, head), text, low.span(head), at))
    if len(claims) > 1 and correction is None:
        raise error(
            "CQ229",
            f"{len(claims)} claims are tested together without a correction",
            low.span(heads[0]).to(low.span(heads[-1])),
            help="add `correct holm alpha 0.05`",
        )
    checker.command(
        Testing(
            tuple(claims),
            given.data,
            name or (text_of(heads[0], low.statement) if given.sweep else ""),
            "holm" if correction == "holm" else "none",
            alpha or 0.05,
            given.options,
            comments,
            span=low.statement,
        ),
        low,
    )
