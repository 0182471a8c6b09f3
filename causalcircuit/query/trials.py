"""Claims about circuits (arXiv 2410.13032): what is claimed, of which circuit, for which readout and worlds.

Each is a statement about one number, which lies in a region or does not. The number and the region are said in words
here, so that a report and a page of the docs mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from causalcircuit.diagnostics import Span
from causalcircuit.query.expr import Expr, World
from causalcircuit.query.families import Correction, fewest
from causalcircuit.query.program import DataRef
from causalcircuit.query.render import number

if TYPE_CHECKING:
    from causalcircuit.query.circuits.formulas import Formula
    from causalcircuit.query.highs import Alignment

Kind = Literal[
    "equivalent", "independent", "minimal", "sufficient", "partially_necessary", "jointly_necessary", "aligned"
]


@dataclass(frozen=True, slots=True)
class Sort:
    """A kind of claim.

    Attributes:
        setting: what its bound is called, and the bound that it has unless another is named; no bound where empty.
        draws: how many random circuits or permutations it takes; 0 where nothing is drawn.
        number: the number that it is about, in words.
    """

    setting: str
    bound: float
    draws: int
    number: str


_LESS = "share of random circuits of its size"
SORTS: dict[Kind, Sort] = {
    "equivalent": Sort("within", 0.1, 0, "share of rows on which {C} alone reads higher than the model, ties half"),
    "independent": Sort("", 0.0, 999, "dependence (HSIC, 0 to 1) of the readout without {C} on the model's"),
    "minimal": Sort("beyond", 0.9, 100, "share of random wires that matter less than the least wire of {C}"),
    "sufficient": Sort("beyond", 0.9, 100, f"{_LESS} that are less faithful than {{C}}"),
    "partially_necessary": Sort("beyond", 0.9, 100, f"{_LESS} whose loss changes less than that of {{C}}"),
    "jointly_necessary": Sort("leaving", 0.2, 0, "part of the effect that is left without {C}"),
    "aligned": Sort("beyond", 0.8, 999, "share of rows on which interchanges change the model as they change {C}"),
}
RANDOM = ("independent", "minimal", "sufficient", "partially_necessary", "aligned")
"""Those that draw at random, and need a seed."""
AGAINST = ("minimal", "sufficient", "partially_necessary")
"""Those held against random circuits: exact in the draws, with the rows as they are."""


@dataclass(frozen=True, slots=True)
class CircuitClaim:
    """`sufficient(C, beyond = 0.9)`: a claim about a circuit, or about the nodes of a high-level model.

    Attributes:
        kind: which. of: the circuit's name as it is shown. circuit: the circuit; `None` for an alignment.
        readout, start, end: the question: the model in `end`, and what wires carry in `start` where they are cut.
        bound: how near to even, beyond which share, leaving how much. draws: random circuits or permutations.
        alignment: of `aligned`. negated: the opposite is claimed.
        at: the member of a sweep. The rest as in `Claim`.
    """

    kind: Kind
    of: str
    bound: float
    draws: int
    circuit: Formula | None = None
    readout: Expr | None = None
    start: World = field(default_factory=World)
    end: World = field(default_factory=World)
    alignment: Alignment | None = None
    negated: bool = False
    name: str = ""
    title: str = ""
    because: str = ""
    named: bool = False
    at: tuple[tuple[str, str], ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)
    stage: int = 0

    @property
    def number(self) -> str:
        """The number that the claim is about, in words."""
        return SORTS[self.kind].number.format(C=f"`{self.of}`")

    @property
    def region(self) -> str:
        """Where it is claimed to lie."""
        match self.kind:
            case "equivalent":
                said = f"within [{number(round(0.5 - self.bound, 12))}, {number(round(0.5 + self.bound, 12))}]"
            case "independent":
                said = "none"
            case "jointly_necessary":
                said = f"< {number(self.bound, '%')}"
            case _:
                said = f"> {number(self.bound, '%')}"
        return f"not {said}" if self.negated else said


@dataclass(frozen=True, slots=True)
class Trial:
    """`test sufficient(C), minimal(C) on d correct holm alpha 0.05 seed 7`: claims about circuits, tested together."""

    __test__: ClassVar[bool] = False

    claims: tuple[CircuitClaim, ...]
    data: DataRef
    name: str = ""
    correction: Correction = "none"
    alpha: float = 0.05
    seed: int | None = None
    comments: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def level(self) -> float:
        """The error that one claim of the family may have."""
        return self.alpha / fewest(len(self.claims), self.correction)
