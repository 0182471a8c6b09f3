"""Wires whose ends stand at some positions, as wires of whole parts that are kept or not at some places.

A stream is read where it was written, so `(A @ p -> B @ q)` is the wire (A -> B) of whole parts at the places that both
positions have. A choice among such wires keeps all wires of the model, and leaves some out at some places each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.choices import Ends, UnknownWireError, numbered
from causalcircuit.attribution.stations import Regional
from causalcircuit.attribution.walk import Wiring
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import Position, SiteTable, render

Region = frozenset[Position]
"""The places that belong to all of some positions; to none in particular where it is empty."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Some wires, by the wires of whole parts that they are, and where.

    Attributes:
        wires: both ends of each. whole: the numbers of its wires of whole parts, several where all heads of an
            attention write as one. regions: where it holds. count: of the wires of whole parts.
    """

    wires: tuple[Ends, ...]
    whole: tuple[tuple[int, ...], ...]
    regions: tuple[Region, ...]
    count: int

    @classmethod
    def of(cls, wiring: Wiring, table: SiteTable, wires: Sequence[Ends]) -> Placed:
        """Find the wires of whole parts.

        Args:
            wiring: all of these. table: of the model. wires: at some positions or at all.

        Raises:
            DiagnosticError: CQ795, one ends in a neuron, an expert, or what a dictionary finds.
        """
        try:
            whole, regions = zip(*numbered(wiring, table, wires), strict=True)
        except UnknownWireError as problem:
            raise error(
                "CQ795",
                f"{problem}, and passes keep no others: what a neuron, an expert or a feature reads has no stream of "
                "its own",
                help="assign single wires, or score nodes (`method = atp`): these are kept by worlds",
            ) from None
        return cls(tuple(wires), tuple(whole), tuple(regions), len(wiring))

    def choice(self, kept: Sequence[int]) -> Regional:
        """All wires of the model but those of these wires that are not kept.

        Args:
            kept: numbers of these wires.
        """
        base = torch.ones(self.count, dtype=torch.bool)
        turned: dict[Region, torch.Tensor] = {}
        own = set(kept)
        for i, (whole, region) in enumerate(zip(self.whole, self.regions, strict=True)):
            if i in own:
                continue
            if region:
                turned.setdefault(region, torch.zeros_like(base))[list(whole)] = True
            else:
                base[list(whole)] = False
        return Regional(base, tuple(turned.items()))

    def check_apart(self, bench: Bench) -> None:
        """No two of them are one wire at one place of a row: neither could be kept without the other.

        Raises:
            DiagnosticError: CQ795, two are.
        """
        grounds, table = bench.streams.grounds, bench.rows.model.sites
        if grounds is None:
            raise TypeError("a question whose positions were not looked for")
        by_whole: dict[int, list[int]] = {}
        for i, whole in enumerate(self.whole):
            for number in whole:
                by_whole.setdefault(number, []).append(i)
        known: set[tuple[str, tuple[Region, ...]]] = set()  # most wires hold at the same positions
        for number, own in by_whole.items():
            tower = table.info(bench.wiring.writes[int(bench.wiring.writers[number])]).tower
            regions = tuple(self.regions[i] for i in own)
            if (tower, regions) in known:
                continue
            for i, j in combinations(own, 2):
                if grounds.together(tower, self.regions[i] | self.regions[j]):
                    raise self._overlap(i, j)
            known.add((tower, regions))

    def _overlap(self, i: int, j: int) -> DiagnosticError:
        (a, b), (c, d) = self.wires[i], self.wires[j]
        one, other = (a, c) if a != c or b is None or d is None else (b, d)
        return error(
            "CQ795",
            f"`{render(one)}` and `{render(other)}` overlap: their wires are not kept without each other",
            help="leave one of them out of `over`",
        )


__all__ = ["Placed", "Region"]
