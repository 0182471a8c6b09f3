"""Statements that ask: estimate, hypothesis, family, test."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.measure import unit
from causalcircuit.check.options import described, read
from causalcircuit.check.scope import Scope
from causalcircuit.check.values import Family, kind_of
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
    render,
)
from causalcircuit.query.units import WRITTEN
from causalcircuit.syntax.trees import Node, inner, text_of, unquote

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

_ESTIMATE = ("on", "with_method", "ci", "seed", "per", "for_each", "as", "by", "in_diagram")
_TEST = ("on", "with_method", "ci", "seed", "for_each", "correct", "alpha", "by", "in_diagram")
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
        raise error("CQ217", "this estimate says not on which data", low.span(tree), help="add `on d`")
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
            raise error("CQ112", "a hypothesis expects one thing", low.span(part), help="declare a second hypothesis")
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
        if low.value >= high.value:
            raise error(
                "CQ227", f"the region [{low.value:g}, {high.value:g}] is empty", place, help="the lower end first"
            )
        region = Region(low.value, high.value, closed=True, outside=condition.outside)
        written = low.unit or high.unit
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
        raise error("CQ227", "this claims nothing", place, help="compare an estimand: `total < -0.5 logit`")
    if not is_estimand(query):
        raise error("CQ214", "a claim is about an estimand", query.span or place, help="write `E[Y] < …`")
    measure = unit(query, place)
    if written is not None and WRITTEN[written] != measure and not (written == "%" and measure == ""):
        raise error(
            "CQ311",
            f"the claim is in {written}, and its estimand in {measure or 'no unit'}",
            place,
            help=f"write the bound in {measure}"
            if measure != "probability"
            else "write the bound in `pp`, percentage points",
        )
    return Claim(name, Query(name, query, at=at, span=place), region, measure, named=False, span=place)


def _end(e: Expr, condition: Expr, span: Span | None) -> Number:
    if isinstance(e, Number):
        return e
    raise error("CQ227", f"a region ends at a number, and `{render(e)}` is none", e.span or span, help="`-0.5 logit`")


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
            raise error("CQ205", f"`{low.word(member)}` is {kind_of(value)}, not a hypothesis", low.span(member))
        if value in claims:
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
        raise error("CQ217", "this test says not on which data", low.span(tree), help="add `on d`")
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
            low.span(tree),
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
