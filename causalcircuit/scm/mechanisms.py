"""What a kind of mechanism hands to the answers: a function of sums over sampling units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from causalcircuit.causal import Diagram
from causalcircuit.inference.observed._resampling import Functional, Sums
from causalcircuit.inference.observed._table import Data
from causalcircuit.scm.worlds import Moment


@dataclass(frozen=True, eq=False)
class Answering:
    """Moments as a function of sums over units.

    Attributes:
        sums: over units. means: [B, m] sums to [B, moments]. parameters: coefficients of the largest fit in it.
        notes: what an answer has to say. strength: [B, m] sums to [B, s], each 0 where an instrument says nothing.
        weak: the variables that rest on these instruments.
    """

    sums: Sums
    means: Functional
    parameters: int
    notes: tuple[str, ...] = ()
    strength: Functional | None = None
    weak: tuple[str, ...] = ()


class Mechanisms(Protocol):
    """Fitted mechanisms of one kind."""

    @property
    def diagram(self) -> Diagram:
        """Over the columns."""

    @property
    def data(self) -> Data:
        """The columns."""

    @property
    def words(self) -> str:
        """The kind, in words."""

    @property
    def refitted(self) -> bool:
        """Whether intervals come from fitting anew to resamples only."""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the kind takes for granted."""

    def answering(self, moments: Sequence[Moment]) -> Answering:
        """The means of some moments as a function of sums."""
