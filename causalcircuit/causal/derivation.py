"""Derivations in words: each step with its rule and the independence that lets it apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from causalcircuit.causal.bits import bits
from causalcircuit.causal.rendering import Writer, tidy
from causalcircuit.causal.steps import Claim, Step


@dataclass(frozen=True)
class Line:
    """A step of a derivation.

    Attributes:
        rule: `rule 1`, `rule 2` or `rule 3` of the do-calculus, or the law that is used.
        before: what is rewritten.
        after: what it equals.
        because: the independences that the diagram implies.
        note: what happens, in a few words.
    """

    rule: str
    before: str
    after: str
    because: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        """The step as one line of text."""
        why = "; ".join(part for part in (self.note, ", ".join(self.because)) if part)
        return f"{self.before} = {self.after}   [{self.rule}{': ' + why if why else ''}]"

    def to_json(self) -> dict[str, object]:
        """The step for machines."""
        return {
            "rule": self.rule,
            "before": self.before,
            "after": self.after,
            "because": list(self.because),
            "note": self.note,
        }


def lines(steps: Sequence[Step], names: Sequence[str]) -> tuple[Line, ...]:
    """Steps over numbers as lines over names."""
    return tuple(_line(step, names) for step in steps)


def _line(step: Step, names: Sequence[str]) -> Line:
    outer = step.before.free | step.after.free
    # The chain rule is what a step of total probability shows: it is not drawn together again.
    shown = [side if step.rule == "total probability" else tidy(side) for side in (step.before, step.after)]
    before, after = (Writer(names, outer).write(side) for side in shown)
    return Line(step.rule, before, after, tuple(_claimed(claim, names) for claim in step.claims), step.note)


def _claimed(claim: Claim, names: Sequence[str]) -> str:
    def named(mask: int) -> str:
        return ", ".join(names[v] for v in bits(mask))

    given = f" | {named(claim.given)}" if claim.given else ""
    cut = [f"into {named(claim.cut_into)}"] if claim.cut_into else []
    cut += [f"out of {named(claim.cut_out_of)}"] if claim.cut_out_of else []
    return f"{named(claim.a)} ⊥ {named(claim.b)}{given}{' without edges ' + ' and '.join(cut) if cut else ''}"
