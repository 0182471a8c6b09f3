"""`family f = [a] then [b, c] correct holm alpha 0.05`: named claims under one correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.options import read
from causalcircuit.check.values import Family, kind_of
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import Claim
from causalcircuit.query.families import SORTS, Correction
from causalcircuit.query.trials import CircuitClaim
from causalcircuit.syntax.trees import Node, inner, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker
    from causalcircuit.check.expressions import Lowering


def family(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """Declare a family; `then` begins a stage that waits for all claims before it.

    Raises:
        DiagnosticError: CQ202 a hypothesis twice, CQ205 something else; those of `check_family`.
    """
    name, *parts = inner(tree)
    stages = [p for p in parts if isinstance(p, Tree) and p.data == "stage"]
    given = read([p for p in parts if p not in stages], low, ("correct", "alpha"))
    claims: list[Claim | CircuitClaim] = []
    spans: list[Span] = []
    for stage, listed in enumerate(stages):
        members = inner(tree_of(listed))
        if not members:
            raise empty_family(low.word(name), low.span(listed))
        for member in members:
            found = _member(member, low, claims)
            if found is not None:
                claims.append(replace(found, named=True, stage=stage))
                spans.append(low.span(member))
    check_family(claims, spans, low.word(name), given.correction, given.seen.get("correct"))
    made = Family(low.word(name), tuple(claims), given.correction or "holm", given.alpha or 0.05)
    checker.scope.declare(made.name, made, low.span(name), again=checker.redefine)


def _member(node: Node, low: Lowering, before: Sequence[Claim | CircuitClaim]) -> Claim | CircuitClaim | None:
    """The hypothesis that a name stands for; `None` where its own declaration is in error."""
    word, span = low.word(node), low.span(node)
    value = low.scope.find(word, span)
    if value is None:
        return None
    if not isinstance(value, Claim | CircuitClaim):
        way = "a family is made of hypotheses: `hypothesis h { expect total > 0 logit }`"
        raise error("CQ205", f"`{word}` is {kind_of(value)}, not a hypothesis", span, help=way)
    if word in (c.name for c in before):
        raise error("CQ202", f"`{word}` stands twice in the family", span, help="once is enough")
    return value


def empty_family(name: str, span: Span | None = None) -> Exception:
    """A family, or a stage of one, in which nothing is claimed."""
    way = "name the hypotheses that it holds together: `[a, b]`"
    return error("CQ927", f"a list of claims of `{name}` is empty", span, "no claim", help=way)


def check_family(
    claims: Sequence[Claim | CircuitClaim],
    spans: Sequence[Span | None],
    name: str,
    correction: Correction | None,
    place: Span | None = None,
) -> None:
    """Refuse claims that cannot be held together, whether a text or Python says them.

    Args:
        claims: with their stages. spans: where each stands. name: of the family, for messages.
        correction: as it is named, `None` where it is not. place: where the correction stands.

    Raises:
        DiagnosticError: CQ272 both kinds of claims, CQ926 stages under a false discovery rate, CQ928 `max_t` of
            claims about circuits.
    """
    kinds = [isinstance(c, CircuitClaim) for c in claims]
    if any(kinds) and not all(kinds):
        raise error(
            "CQ272",
            f"`{name}` holds claims about circuits and claims about estimands",
            spans[kinds.index(False)],
            help="give each kind a family of its own, with a part of alpha",
        )
    if correction is None:
        return
    if any(c.stage for c in claims) and not SORTS[correction].family_wise:
        message = f"`{correction}` keeps a false discovery rate, and stages need the family-wise error"
        raise error("CQ926", message, place, help="write `correct holm`, `hochberg` or `max_t`, or one list")
    if any(kinds) and correction == "max_t":
        message = "claims about circuits have no estimates that vary together over rows"
        raise error("CQ928", message, place, "`max_t` needs them", help="write `correct holm`")
