"""Claims in stages: a later one is tested only where all claims before it are supported (serial gatekeeping).

Westfall & Krishen (2001, "Optimally weighted, fixed sequence and gatekeeper multiple testing procedures", JSPI 99).
Each stage has all of alpha, and the family-wise error stays at alpha: the first wrong verdict is made in a stage whose
forerunners all hold, and no stage after it is reached unless it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from causalcircuit.inference._corrections import Ps

Adjust = Callable[[Ps, Sequence[int]], list[float | None]]


@dataclass(frozen=True, slots=True)
class Gate:
    """The adjusted p-values of a family in stages.

    Attributes:
        support, refute: [m] adjusted. shut: [m] why a claim is not tested; empty where it is.
    """

    support: list[float | None]
    refute: list[float | None]
    shut: list[str]

    @classmethod
    def of(
        cls, support: Ps, refute: Ps, stages: Sequence[int], names: Sequence[str], alpha: float, adjust: Adjust
    ) -> Gate:
        """Adjust each stage by itself; the p of a claim is no smaller than the largest of the stages before it.

        What refutes is adjusted over the whole family at once: a refutation opens no gate, so that stages of alpha
        each would add up.
        """
        found: list[float | None] = [None] * len(support)
        before: float | None = 0.0
        for stage in sorted(set(stages)):
            places = [i for i, s in enumerate(stages) if s == stage]
            for i, p in zip(places, adjust([support[i] for i in places], places), strict=True):
                found[i] = None if p is None or before is None else max(p, before)
            own = [found[i] for i in places]
            before = None if any(p is None for p in own) else max((p for p in own if p is not None), default=0.0)
        open_ = [p is not None and p <= alpha for p in found]
        return cls(found, adjust(refute, range(len(refute))), gated(open_, names, stages))


def gated(supported: Sequence[bool], names: Sequence[str], stages: Sequence[int]) -> list[str]:
    """[m] why each claim is not tested: a claim of an earlier stage is not supported; empty where it is tested."""
    out = []
    for stage in stages:
        first = next((i for i, s in enumerate(stages) if s < stage and not supported[i]), None)
        out.append("" if first is None else f"not tested: `{names[first]}`, which comes first, is not supported")
    return out
