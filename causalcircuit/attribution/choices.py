"""From the wires of a circuit to a choice among all wires that a model has."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from causalcircuit.attribution.walk import Wiring
from causalcircuit.query import ALL, Address, Position, Site, SiteTable
from causalcircuit.query.circuit import CircuitEdge

Ends = tuple[Site, Site | None]
"""A wire: where it leaves, and where it ends; `None` is the readout."""


class UnknownWireError(ValueError):
    """A wire is none of those that a choice is made among; its text says which."""


def ends_of(edges: Iterable[CircuitEdge]) -> list[Ends]:
    """The wires of a circuit without their scores."""
    return [(e.source, e.target) for e in edges]


def chosen(wiring: Wiring, table: SiteTable, wires: Iterable[Ends]) -> Tensor:
    """[wires] which of a model's wires these are.

    Raises:
        UnknownWireError: one holds at some positions only, or leaves or ends where no whole part of the model does.
    """
    found, regions = placed(wiring, table, wires)
    if regions:
        partial = next(p for p in next(iter(regions)) if p != ALL)
        raise UnknownWireError(f"a wire holds at some positions only, `@ {partial}`")
    return found


def placed(wiring: Wiring, table: SiteTable, wires: Iterable[Ends]) -> tuple[Tensor, dict[frozenset[Position], Tensor]]:
    """[wires] which of a model's wires these are: at all positions, and by region those that hold there only.

    A stream is read where it was written, so a wire holds at the positions that both of its ends have.

    Raises:
        UnknownWireError: one leaves or ends where no whole part of the model does, or at generated positions.
    """
    index = _Index(wiring, table)
    whole = torch.zeros(len(wiring), dtype=torch.bool)
    regions: dict[frozenset[Position], Tensor] = {}
    for source, target in wires:
        region = _region(source, target)
        mask = regions.setdefault(region, torch.zeros_like(whole)) if region else whole
        mask[index.of(source, target)] = True
    return whole, {region: mask & ~whole for region, mask in regions.items()}


def numbered(
    wiring: Wiring, table: SiteTable, wires: Iterable[Ends]
) -> list[tuple[tuple[int, ...], frozenset[Position]]]:
    """Of each of some wires the numbers of a model's wires that it is, and the positions that both of its ends have.

    It is several where all heads of an attention write as one.

    Raises:
        UnknownWireError: as `placed`.
    """
    index = _Index(wiring, table)
    return [(tuple(index.all_of(source, target)), _region(source, target)) for source, target in wires]


def _region(source: Site, target: Site | None) -> frozenset[Position]:
    return frozenset(s.position for s in (source, target) if s is not None and s.position != ALL)


class _Index:
    """Finds a wire by its ends, whichever of their names these have."""

    def __init__(self, wiring: Wiring, table: SiteTable) -> None:
        self.table, self.names = table, wiring.writes
        self.writes = {self._key(a): i for i, a in enumerate(wiring.writes)}
        self.reads = {self._key(a): i for i, a in enumerate(wiring.reads)}
        pairs = zip(wiring.writers.tolist(), wiring.readers.tolist(), strict=True)
        self.wires = {ends: i for i, ends in enumerate(pairs)}

    def _key(self, address: Address | None) -> tuple[str, int, int] | Address | None:
        if address is None or address.attached:
            return address
        info = self.table.info(address)
        return info.tensor, info.start, info.stop

    def of(self, source: Site, target: Site | None) -> int:
        ends = [source] if target is None else [source, target]
        said = f"({source.address} -> {'readout' if target is None else target.address})"
        if any(s.position.new or s.position.kind == "each" for s in ends):
            raise UnknownWireError(f"`{said}` holds at positions that are not those of one prompt")
        read = self.reads.get(self._key(None if target is None else target.address))
        found = self.wires.get((self.writes.get(self._key(source.address), -1), -1 if read is None else read))
        if found is None or (target is not None and _shared(self.table, target)):
            raise UnknownWireError(f"`{said}` is no wire of a whole part of the model")
        return found

    def all_of(self, source: Site, target: Site | None) -> list[int]:
        """The wire, or those of all heads where the source is what an attention writes as a whole."""
        tensor = "" if source.address.attached else self.table.info(source.address).tensor
        if not tensor.endswith((".attn.out", ".cross.out")):
            return [self.of(source, target)]
        own = f"{tensor.removesuffix('out').removesuffix('attn.')}z"
        return [self.of(Site(a, source.position), target) for a in self.names if self.table.info(a).tensor == own]


def _shared(table: SiteTable, target: Site) -> bool:
    """Whether it is one head's read of keys or values that others share."""
    from causalcircuit.query.wiring import shared_of

    return shared_of(table, target.address) is not None
