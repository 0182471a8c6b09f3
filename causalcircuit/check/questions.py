"""Statements that ask: estimate, show, test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check import regimes, saliency
from causalcircuit.check.expressions import Lowering
from causalcircuit.check.families import check_family
from causalcircuit.check.hypotheses import claim
from causalcircuit.check.measure import unit
from causalcircuit.check.options import Given, on_data, only_data, read
from causalcircuit.check.reachable import reachable
from causalcircuit.check.sweeps import Member, Sweep, check_sweeps, points, spread
from causalcircuit.check.values import Family, Module
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import CircuitDecl, Claim, Estimation, Expr, Query, Testing, is_estimand
from causalcircuit.query.each import sites_at_each
from causalcircuit.query.families import Correction
from causalcircuit.query.showing import Showing
from causalcircuit.query.trials import CircuitClaim
from causalcircuit.syntax.trees import Node, inner, text_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

_ESTIMATE = (
    "on",
    "with_method",
    "ci",
    "seed",
    "per",
    "for_each",
    "as",
    "by",
    "in_diagram",
    "assume",
    "until",
    "at_most",
)
_TEST = (
    "on",
    "with_method",
    "ci",
    "seed",
    "for_each",
    "correct",
    "alpha",
    "by",
    "in_diagram",
    "until",
    "at_most",
    "under",
)
_SHOW = ("on", "with_method", "ci", "seed", "per", "for_each", "as", "by", "in_diagram", "correct")
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
    if regimes.answers(given):
        regimes.estimate(checker, heads, given, given.data, comments, low)
        return
    if given.form is not None:
        place, way = given.seen["as"], f"write `show … as {given.form}`"
        raise error("CQ112", f"`as {given.form}` is an option of `show`, not of `estimate`", place, help=way)
    queries = _reached(checker, _swept(heads, low, given.sweeps), low)
    checker.command(Estimation(queries, given.data, given.options, given.per, comments, span=low.statement), low)


def show(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """`show effect(H) on d for H in m.layer[*].head[*].out @ last as heatmap`."""
    heads, options = _split(tree)
    if circuits_shown(checker, heads, options, low, comments):
        return
    if any(saliency.is_saliency(head, low) for head in heads):
        saliency.show(checker, heads, options, low, comments, only_data)
        return
    given = read(options, low, _SHOW)
    regimes.only_intervention(given, "`show`")
    data = given.data or only_data(low)
    if data is None:
        raise error("CQ217", "this says not on which data to show it", low.span(tree), help=on_data(low))
    swept = _swept(heads, low, given.sweeps)
    if given.form == "overlay":
        way = "write `as heatmap` for a sweep, or `show saliency(Y, at = S) on d as overlay`"
        raise error("CQ784", "an estimate lies over no image and no text", given.seen["as"], help=way)
    if given.form == "heatmap" and not all(q.at or sites_at_each(q.expr) for q in swept):
        raise error(
            "CQ249",
            "a heat map needs a sweep, and this asks for single numbers",
            given.seen["as"],
            help="add `for H in m.layer[*].head[*].out @ last`, or leave `as heatmap` out",
        )
    queries, left, _ = reachable(swept, low.scope.sites, low.statement)  # the report names what is left out
    correction = show_correction(given.correction, given.per is not None, given.seen.get("correct"))
    made = Showing(
        queries, data, given.options, given.per, comments, low.statement, given.form or "table", left, correction
    )  # fmt: skip
    checker.command(made, low)


def show_correction(said: Correction | None, per: bool, span: Span | None) -> Correction:
    """How the intervals of a `show` hold together.

    Raises:
        DiagnosticError: CQ919, in a way that gives no intervals which hold together, or over groups of other rows.
    """
    if said not in (None, "holm", "max_t"):
        message = f"`correct {said}` keeps no intervals together that each hold"
        raise error(
            "CQ919", message, span, help="write `correct max_t seed 7`, or leave it out: Bonferroni, and Holm for p"
        )
    if said == "max_t" and per:
        message = "`max_t` needs estimates on the same rows, and `per` has other rows in each group"
        raise error("CQ919", message, span, help="leave `correct max_t` out: Bonferroni needs nothing in common")
    return said or "holm"


def circuits_shown(
    checker: Checker, heads: list[Node], options: list[Node], low: Lowering, comments: tuple[str, ...]
) -> bool:
    """Whether the heads of a `show` are circuits, which are kept then.

    Raises:
        DiagnosticError: CQ112, options; CQ256, something else beside them.
    """
    if not checker.circuits and not any(isinstance(v, Module | CircuitDecl) for v, _ in low.scope.names.values()):
        return False
    from causalcircuit.check import circuits

    if not circuits.show(checker, heads, low, comments):
        return False
    if options:
        way = "what it is of stands where it is declared"
        raise error("CQ112", "a circuit is shown without options", low.span(options[0]), help=way)
    return True


def _swept(heads: list[Node], low: Lowering, sweeps: tuple[Sweep, ...]) -> list[Query]:
    """A query for each head, at each point of a sweep."""
    check_sweeps(sweeps, heads, low)
    out: list[Query] = []
    for head in heads:
        name, span = text_of(head, low.statement), low.span(head)
        for point in points(sweeps, low):
            value = point.low.expr(head)
            _estimand(value, span)
            out += spread(Query(name, value, at=point.at, span=span, members=point.members))
    return out


def _reached(checker: Checker, queries: list[Query], low: Lowering) -> tuple[Query, ...]:
    """The queries whose members can have an effect; a note names the others."""
    kept, _, notes = reachable(queries, low.scope.sites, low.statement)
    checker.found.extend(notes)
    return kept


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


def test(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """`test heads on d`, or `test effect(H) < 0 on d for H in … correct holm alpha 0.05`."""
    heads, options = _split(tree)
    given = read(options, low, _TEST)
    regimes.only_intervention(given, "a test")
    if given.data is None:
        raise error("CQ217", "this test says not on which data", low.span(tree), help=on_data(low))
    check_sweeps(given.sweeps, heads, low)
    claims: list[Claim] = []
    tries: list[CircuitClaim] = []
    name = ""
    correction, alpha = given.correction, given.alpha
    for head in heads:
        for point in points(given.sweeps, low):
            value = point.low.value(head)
            if isinstance(value, Family):
                if len(heads) > 1 or given.sweeps:
                    raise error("CQ228", "a family is tested alone", low.span(head), help="give it a `test` of its own")
                claims.extend(c for c in value.claims if isinstance(c, Claim))
                tries.extend(c for c in value.claims if isinstance(c, CircuitClaim))
                name, correction, alpha = value.name, correction or value.correction, alpha or value.alpha
            elif isinstance(value, Claim):
                claims.append(replace(value, named=True))
            elif isinstance(value, CircuitClaim):
                title = value.name or text_of(head, low.statement)
                tries.append(replace(value, name=title, named=bool(value.name) or value.named, at=point.at))
            else:
                claims += _claims(point.low.as_expr(value, head), head, point, low)
    claims = _claims_reached(checker, claims, low)
    place = low.span(heads[0])
    check_family([*tries, *claims], [place] * (len(tries) + len(claims)), "test", correction, given.seen.get("correct"))
    if len(claims) + len(tries) > 1 and correction is None:
        raise error(
            "CQ229",
            f"{len(claims) + len(tries)} claims are tested together without a correction",
            low.span(heads[0]).to(low.span(heads[-1])),
            help="add `correct holm alpha 0.05`",
        )
    if tries:
        from causalcircuit.check.claims import tried  # most programs have none

        if given.options.until is not None:
            place = given.options.until.span or place
            raise error("CQ951", "`until` ends no test of claims about circuits", place, help="leave `until` out")

        title = name or (text_of(heads[0], low.statement) if given.sweeps else "")
        made = Family(title, tuple(tries), correction or "none", alpha or 0.05)
        tried(checker, made, given, comments, low)
        return
    checker.command(
        Testing(
            tuple(claims),
            given.data,
            name or (text_of(heads[0], low.statement) if given.sweeps else ""),
            correction or "none",
            alpha or 0.05,
            given.options,
            comments,
            span=low.statement,
            under=_lock(given, claims, name, low),
        ),
        low,
    )


def _lock(given: Given, claims: list[Claim], name: str, low: Lowering) -> Path | None:
    """The lock that a test is held against.

    Raises:
        DiagnosticError: CQ938, what is tested has no name by which it could be frozen.
    """
    if given.path is None or name or (len(claims) == 1 and claims[0].named):
        return given.path
    way = "declare a hypothesis, or a family, freeze that, and test it"
    raise error("CQ938", "only a family or a hypothesis is frozen, and this is neither", low.statement, help=way)


def _claims(condition: Expr, head: Node, point: Member, low: Lowering) -> list[Claim]:
    """The claim of one point of a sweep, or one for each position that it goes through."""
    made = claim(condition, text_of(head, low.statement), low.span(head), point.at)
    return [replace(made, query=q) for q in spread(replace(made.query, members=point.members))]


def _claims_reached(checker: Checker, claims: list[Claim], low: Lowering) -> list[Claim]:
    """The claims whose members can have an effect."""
    found = set(map(id, _reached(checker, [c.query for c in claims], low)))
    return [c for c in claims if id(c.query) in found]
