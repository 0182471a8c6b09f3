"""What an effect is, and the formula that calculates it from what is given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from causalcircuit.causal.bits import bits
from causalcircuit.causal.rendering import Writer, tidy
from causalcircuit.causal.terms import Term


@dataclass(frozen=True)
class Effect:
    """P(of | do(do), given): how some variables are distributed where others are set and further ones are seen."""

    of: tuple[str, ...]
    do: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The effect as text, `P(Y | do(X), Z)`."""
        behind = [f"do({', '.join(self.do)})"] if self.do else []
        behind += self.given
        return f"P({', '.join(self.of)}{' | ' if behind else ''}{', '.join(behind)})"


@dataclass(frozen=True)
class Estimand:
    """A formula in what is given, equal to an effect in every model of the diagram in which all cells are possible.

    Attributes:
        effect: what it calculates.
        term: the formula over numbered variables.
        names: the names of the numbers.
    """

    effect: Effect
    term: Term
    names: tuple[str, ...]

    @cached_property
    def asked(self) -> int:
        """The variables of the effect."""
        at = {name: i for i, name in enumerate(self.names)}
        found = 0
        for name in (*self.effect.of, *self.effect.do, *self.effect.given):
            found |= 1 << at[name]
        return found

    @cached_property
    def anchors(self) -> tuple[str, ...]:
        """Variables that have to be given a value and whose value does not matter (Z in the napkin)."""
        return tuple(self.names[v] for v in bits(self.term.free & ~self.asked))

    @property
    def text(self) -> str:
        """The formula as text."""
        return self._written(latex=False) + (f"  (at any value of {', '.join(self.anchors)})" if self.anchors else "")

    @property
    def latex(self) -> str:
        """The formula as LaTeX."""
        return self._written(latex=True)

    def _written(self, latex: bool) -> str:
        return Writer(self.names, self.asked | self.term.free, latex).write(tidy(self.term))

    def __str__(self) -> str:
        """The formula as text."""
        return self.text
