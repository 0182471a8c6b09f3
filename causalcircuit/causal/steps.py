"""The steps of a derivation, as data: what equals what, by which rule, and why the rule applies."""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.causal.terms import Term


@dataclass(frozen=True, slots=True)
class Claim:
    """`given` separates `a` and `b` in the graph without edges into `cut_into` and arrows out of `cut_out_of`."""

    a: int
    b: int
    given: int
    cut_into: int = 0
    cut_out_of: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One equality of a derivation; both sides are terms, in which `do` may stand.

    Attributes:
        rule: `rule 1`, `rule 2`, `rule 3` of the do-calculus, or the law of probability or theorem that is used.
        before: what is rewritten.
        after: what it equals.
        claims: the separations that let the rule apply.
        note: what happens, in a few words.
    """

    rule: str
    before: Term
    after: Term
    claims: tuple[Claim, ...] = ()
    note: str = ""


class Trace(list[Step]):
    """The steps in the order in which they were taken."""

    def add(self, rule: str, before: Term, after: Term, *claims: Claim, note: str = "") -> None:
        """Write a step down, unless it changes nothing."""
        if before != after:
            self.append(Step(rule, before, after, claims, note))
