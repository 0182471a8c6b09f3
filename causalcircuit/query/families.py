"""How the claims of a family are held together: the corrections, in words that check, inference and reports share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

Correction = Literal["none", "holm", "hochberg", "bh", "by", "max_t"]


@dataclass(frozen=True, slots=True)
class Sort:
    """A correction.

    Attributes:
        title: as reports name it. keeps: the error rate that it keeps at alpha.
        intervals: what holds of the printed intervals.
        needs: what the guarantee takes for granted; empty where nothing.
        family_wise: whether it keeps the family-wise error. random: whether it draws, and needs a seed.
    """

    title: str
    keeps: str
    intervals: str
    needs: str = ""
    family_wise: bool = True
    random: bool = False


_TOGETHER = "hold together for all claims: one may be wider than its verdict needs"
_FCR = "keep the false coverage rate: of those of decided claims, on average no larger a share than alpha misses"
_POSITIVE = "the p values are independent or positively dependent (PRDS)"
SORTS: dict[Correction, Sort] = {
    "holm": Sort("Holm", "family-wise error", _TOGETHER),
    "hochberg": Sort("Hochberg", "family-wise error", _TOGETHER, _POSITIVE),
    "bh": Sort("Benjamini-Hochberg", "false discovery rate", _FCR, _POSITIVE, family_wise=False),
    "by": Sort("Benjamini-Yekutieli", "false discovery rate", _FCR, family_wise=False),
    "max_t": Sort(
        "max-t",
        "family-wise error",
        _TOGETHER,
        "the estimates are jointly normal, near enough, with the correlations that the rows show",
        random=True,
    ),
}
CORRECTIONS = tuple(SORTS)


def title_of(correction: str) -> str:
    """How reports name a correction."""
    return SORTS[correction].title if correction in SORTS else "no correction"


def fewest(m: int, correction: Correction) -> float:
    """How many times smaller than alpha the p of a lone claim must be, to hold in a family of `m`."""
    if correction == "none":
        return 1.0
    return m * harmonic(m) if correction == "by" else float(m)


def harmonic(m: int) -> float:
    """1 + 1/2 + … + 1/m."""
    return sum(1 / k for k in range(1, m + 1))


def drawn_together(correction: Correction) -> bool:
    """Whether a correction draws at random, and needs a seed."""
    return correction in SORTS and SORTS[correction].random


def needs_of(correction: Correction) -> tuple[str, ...]:
    """What the guarantee of a correction takes for granted."""
    return (SORTS[correction].needs,) if correction in SORTS and SORTS[correction].needs else ()


def intervals_of(correction: str) -> str:
    """What holds of the printed intervals of a family."""
    return SORTS[cast(Correction, correction)].intervals
