"""A circuit in its model: readouts with its wires alone, without them, and the like of random circuits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.chance import Bools, Web
from causalcircuit.attribution.kept import readouts
from causalcircuit.attribution.lasting import Choices
from causalcircuit.attribution.passes import Question, Rows
from causalcircuit.attribution.room import room_of
from causalcircuit.attribution.summary import Floats, units
from causalcircuit.diagnostics import error
from causalcircuit.models import LoadedModel
from causalcircuit.query import ALL, Address, Site, render
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.routes import belongs
from causalcircuit.query.circuits.wires import shared_in
from causalcircuit.rows import Dataset, clusters

Heard = Callable[[int], None]
"""Hears that so many more choices of wires are done."""
_NEAR = 1e-5
"""Readouts that are nearer than this share of their size are one: what float32 leaves of equal sums."""
_TOGETHER = 8
"""Choices of wires that share what `from` needs, between two words of progress."""


class Lab:
    """One circuit, one question, some rows.

    Wires between nodes that are not considered (`over`) always carry what they do in `to`.
    """

    def __init__(
        self,
        model: LoadedModel,
        data: Dataset,
        question: Question,
        circuit: Circuit,
        limit: int | None = None,
        lasting: Choices | None = None,
    ) -> None:
        """Lay the model out, and find the circuit's wires in it.

        Args:
            model, data, question, circuit: what is looked at. limit: bytes that passes may take.
            lasting: choices of wires that were measured before.

        Raises:
            DiagnosticError: CQ810, a circuit whose wires are not those of the model; CQ820, the limit holds no row.
        """
        self.bench = Bench(Rows(model, data, question))
        if limit is not None:
            self.bench.rows.most = room_of(self.bench.rows, len(self.bench.wiring), limit).places
        self.lasting = lasting
        self.circuit, self.model, self.data = circuit, model, data
        self.heard: Heard | None = None
        self.passes = 0
        self._known: dict[bytes, Floats] = {}
        self.wires: Bools = self._found()
        labels = clusters(data)
        self.cluster = None if labels is None else units(labels, data.n)
        ref = data.ref.weight
        self.weight = None if ref is None else np.asarray(data.column(ref.name), dtype=np.float64)

    def _found(self) -> Bools:
        wiring, name = self.bench.wiring, self.circuit.name or "the circuit"
        ends = zip(wiring.writers.tolist(), wiring.readers.tolist(), strict=True)
        number = {(wiring.writes[w], wiring.reads[r]): i for i, (w, r) in enumerate(ends)}
        out = np.zeros(len(wiring), dtype=bool)
        for e in self.circuit.edges:
            i = number.get((e.source.address, None if e.target is None else e.target.address))
            placed = [s for s in (e.source, e.target) if s is not None and s.position != ALL]
            if placed:
                why = f"`{render(placed[0])}` stands at some positions, and claims are of wires at all positions"
            elif i is None:
                why = "claims are of wires between heads, MLPs, embeddings and the readout, and this is none of them"
            elif not self.considered[i]:
                why = "it joins no nodes that were considered"
            else:
                out[i] = True
                continue
            said = f"{render(e.source)} -> {'the readout' if e.target is None else render(e.target)}"
            raise error("CQ810", f"`{said}` of `{name}`: {why}", help="draw circuits of nodes `@ all`")
        if not out.any():
            raise error("CQ810", f"`{name}` has no wire: nothing can be claimed of it", help="claim it of wires")
        return out

    @property
    def size(self) -> int:
        """How many wires the circuit has."""
        return int(self.wires.sum())

    @cached_property
    def owners(self) -> list[tuple[int, ...] | None]:
        """Of each read the numbers of the writes of its own part; `None` for the readout."""
        wiring = self.bench.wiring
        shared = shared_in(self.model.sites)
        writes = [Site(w, ALL) for w in wiring.writes]

        def own(read: Address) -> tuple[int, ...]:
            return tuple(i for i, w in enumerate(writes) if belongs(Site(read, ALL), w, shared))

        return [None if r is None else own(r) for r in wiring.reads]

    @cached_property
    def considered(self) -> Bools:
        """[wires] those between nodes that were considered, and from these to the readout."""
        return self.bench.wiring.between(self.circuit.over)

    @cached_property
    def web(self) -> Web:
        """The wires as routes know them."""
        wiring = self.bench.wiring
        return Web(wiring.writers.numpy(), [self.owners[r] for r in wiring.readers.tolist()], self.considered)

    def leaving(self, node: int) -> Bools:
        """[wires] those considered that leave a node."""
        found: Bools = self.considered & (self.bench.wiring.writers.numpy() == node)
        return found

    # ---- readouts, each choice of wires once

    def alone(self, wires: Bools) -> Bools:
        """The choice in which of the wires considered these alone are kept."""
        out: Bools = ~self.considered | wires
        return out

    def readouts(self, masks: Sequence[Bools]) -> Floats:
        """[masks, rows] the readout with the wires of each mask kept."""
        new = list({m.tobytes(): m for m in masks if not self._knows(m)}.values())
        for at in range(0, len(new), _TOGETHER):
            some = new[at : at + _TOGETHER]
            found, passes = readouts(self.bench, [torch.from_numpy(m) for m in some])
            for mask, rows in zip(some, found, strict=True):
                self._known[mask.tobytes()] = own = rows.numpy().astype(np.float64)
                if self.lasting is not None:
                    self.lasting.keep(np.packbits(mask).tobytes(), own)
            self.passes += passes
            if self.heard is not None:
                self.heard(len(some))
        return np.stack([self._known[m.tobytes()] for m in masks])

    def _knows(self, mask: Bools) -> bool:
        """Whether a choice was measured, now or before."""
        key = mask.tobytes()
        if key not in self._known and self.lasting is not None:
            found = self.lasting.known(np.packbits(mask).tobytes())
            if found is not None:
                self._known[key] = found
                if self.heard is not None:
                    self.heard(1)
        return key in self._known

    @cached_property
    def whole(self) -> Floats:
        """[rows] the readout of the model itself, in `to`."""
        found: Floats = self.readouts([np.ones_like(self.wires)])[0]
        return found

    @cached_property
    def kept(self) -> Floats:
        """[rows] with the circuit's wires alone."""
        found: Floats = self.readouts([self.alone(self.wires)])[0]
        return found

    @cached_property
    def without(self) -> Floats:
        """[rows] with all wires but the circuit's."""
        found: Floats = self.readouts([~self.wires])[0]
        return found

    @cached_property
    def none(self) -> Floats:
        """[rows] with none of the wires considered."""
        found: Floats = self.readouts([~self.considered])[0]
        return found

    @cached_property
    def near(self) -> float:
        """Readouts whose difference is below it are one."""
        share = 1e-10 if self.model.dtype == torch.float64 else _NEAR
        return share * max(float(np.abs(np.stack([self.whole, self.none])).max()), 1e-30)

    def distance(self, one: Floats, other: Floats) -> Floats:
        """[…] the mean over rows of |one - other|, by the weights of rows."""
        found: Floats = np.average(np.abs(one - other), axis=-1, weights=self.weight)
        return found
