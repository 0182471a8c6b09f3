"""The fewest wires of a circuit that keep a share of an effect: three ways to look for them, and one to check.

Faithfulness of wires K is (S(K) - S(none)) / (S(all) - S(none)), of mean readouts over weighted rows. It is not
monotone in K, so no search finds the fewest for certain. What a search gives back is measured anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.choices import chosen, ends_of
from causalcircuit.attribution.kept import Kept, prepared, readouts
from causalcircuit.attribution.lasting import Choices
from causalcircuit.attribution.passes import Question, Rows
from causalcircuit.attribution.room import room_of
from causalcircuit.attribution.summary import Floats, units
from causalcircuit.attribution.trust_curve import curve_of
from causalcircuit.models import LoadedModel
from causalcircuit.query.circuit import Circuit, SizePoint
from causalcircuit.rows import Dataset, clusters

Heard = Callable[[int, int], None]
_HELD = 8
"""Chunks of rows whose pass in `from` is held between choices."""


@dataclass(eq=False)
class Trials:
    """Measures choices among the wires of a circuit.

    Attributes:
        bench: the question. wires: the numbers of the circuit's wires, strongest first. others: [wires] those that are
            not considered, which carry what they do. weights: [rows]. heard: hears how many choices were measured.
        lasting: those that were measured before. limited: whether memory is.
        passes: of single rows. count: choices measured.
    """

    bench: Bench
    wires: tuple[int, ...]
    others: Tensor
    weights: Floats
    heard: Heard | None = None
    lasting: Choices | None = None
    limited: bool = False
    passes: int = 0
    count: int = 0
    _held: list[Kept] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check both ends, and measure them."""
        layout = prepared(self.bench, ())[0]
        mine = set(self.wires)
        ports = (sum(any(w in mine for w in p.wires) for p in s.ports) for s in layout.stations.values())
        self.layout = layout
        self.chunks = list(self.bench.chunks(4096, 2 + max(ports, default=0)))
        self.none, self.all = self.rows(()), self._rows(torch.ones_like(self.others))

    def mask(self, wires: Sequence[int]) -> Tensor:
        """[wires] what is kept."""
        made = self.others.clone()
        made[list(wires)] = True
        return made

    def rows(self, wires: Sequence[int]) -> Floats:
        """[rows] the readout with these wires."""
        return self._rows(self.mask(wires))

    def faithful(self, wires: Sequence[int]) -> float:
        """The share of the effect that these wires bring about."""
        moved = (self.rows(wires) - self.none) @ self.weights
        return float(moved / ((self.all - self.none) @ self.weights))

    def apart(self, wires: Sequence[int]) -> float:
        """How far the readout is from that of all wires, in absolute value, on a mean row."""
        return float(np.abs(self.rows(wires) - self.all) @ self.weights / self.weights.sum())

    def _rows(self, mask: Tensor) -> Floats:
        choice = np.packbits(mask.numpy()).tobytes()
        out = None if self.lasting is None else self.lasting.known(choice)
        if out is None:
            out = self._measured(mask)
            if self.lasting is not None:
                self.lasting.keep(choice, out)
        self.count += 1
        if self.heard is not None:
            self.heard(self.count, max(2 * len(self.wires), self.count + 1))
        return out

    def _measured(self, mask: Tensor) -> Floats:
        found = []
        for i, rows in enumerate(self.chunks):
            held = i < len(self._held)
            kept = self._held[i] if held else Kept(self.bench, rows, self.layout)
            before = kept.passes if held else 0
            if held and len(self.chunks) > 1:  # what values are read from is known for one chunk at a time
                self.bench.rows.before(rows)
            if not held and i < (1 if self.limited else _HELD):
                self._held.append(kept)
            found.append(kept.readout(mask).numpy())
            self.passes += kept.passes - before
        out: Floats = np.concatenate(found).astype(np.float64)
        return out


def greedy(trials: Trials, bound: float, _: Sequence[float] = ()) -> tuple[int, ...]:
    """Leave out wires, weakest first, as long as the rest stays faithful: blocks of them, then one by one.

    What is left has no single wire that can be left out.
    """
    kept, size = list(trials.wires), max(1, len(trials.wires) // 2)
    while True:
        fell = False
        for end in range(len(kept), 0, -size):
            block = kept[max(0, end - size) : end]
            rest = [w for w in kept if w not in set(block)]
            if rest and trials.faithful(rest) > bound:
                kept, fell = rest, True
        if size == 1 and not fell:
            return tuple(kept)
        size = max(1, size // 2)


def bisect(trials: Trials, bound: float, _: Sequence[float] = ()) -> tuple[int, ...]:
    """So many of the strongest that one fewer is not faithful enough."""
    low, high = 0, len(trials.wires)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if trials.faithful(trials.wires[:middle]) > bound else (middle, high)
    return trials.wires[:high]


def acdc(trials: Trials, _: float, numbers: Sequence[float]) -> tuple[int, ...]:
    """Leave out each wire that brings the readout less than a threshold further from that of all wires.

    Reads are visited from the readout up, and the writes that each reads from the last to the first.

    Source: Conmy et al., arXiv 2304.14997, algorithm 1, with the mean absolute difference of the readout for their
    divergence of outputs.
    """
    (threshold,) = numbers
    wiring = trials.bench.wiring
    order = sorted(trials.wires, key=lambda w: (-int(wiring.readers[w]), -int(wiring.writers[w])))
    kept = list(trials.wires)
    now = trials.apart(kept)
    for wire in order:
        rest = [w for w in kept if w != wire]
        then = trials.apart(rest)
        if then - now < threshold:
            kept, now = rest, then
    return tuple(kept)


SEARCHES: dict[str, Callable[[Trials, float, Sequence[float]], tuple[int, ...]]] = {
    "greedy": greedy,
    "acdc": acdc,
    "bisect": bisect,
}


@dataclass(frozen=True, slots=True)
class Smallest:
    """What a search found, measured on all rows.

    Attributes:
        edges: which of the circuit's wires, by their numbers there. curve: none, these, and all; `None` where all
            wires together change nothing for sure. whole: how faithful all wires of the circuit are.
        count: choices measured. passes: of single rows.
    """

    edges: tuple[int, ...]
    curve: tuple[SizePoint, ...] | None
    whole: float
    count: int
    passes: int


def smallest(
    circuit: Circuit,
    model: LoadedModel,
    data: Dataset,
    question: Question,
    search: str,
    numbers: Sequence[float],
    bound: float,
    heard: Heard | None = None,
    limit: int | None = None,
    lasting: Choices | None = None,
) -> Smallest:
    """Search among the wires of a circuit, and measure what was found.

    Args:
        circuit: among whose wires. model, data, question: of what. search, numbers, bound: how, and how faithful.
        heard: hears how many choices were measured. limit: bytes that passes may take. lasting: choices that are known.

    Raises:
        UnknownWireError: a wire holds at some positions only, or is none of a whole part.
        DiagnosticError: as `prepared`; CQ820, the limit holds no row.
    """
    ref = data.ref.weight
    weights = np.ones(data.n) if ref is None else np.asarray(data.column(ref.name), dtype=np.float64)
    bench = Bench(Rows(model, data, question), quick=False)
    bench.rows.most = places = None if limit is None else room_of(bench.rows, len(bench.wiring), limit).places
    own = [int(chosen(bench.wiring, model.sites, [e]).nonzero()) for e in ends_of(circuit.edges)]
    considered = torch.from_numpy(bench.wiring.between(circuit.over))
    considered[own] = True
    trials = Trials(bench, tuple(own), ~considered, weights, heard, lasting, limit is not None)

    def measured(wires: Sequence[int]) -> tuple[SizePoint, ...] | None:
        again = Bench(Rows(model, data, question), quick=False)
        again.rows.most = places
        kept = [circuit.edges[own.index(w)] for w in wires]
        mask = ~considered | chosen(again.wiring, model.sites, ends_of(kept))
        table, passes = readouts(again, [~considered, mask, torch.ones_like(considered)])
        trials.passes += passes
        sizes = [0, len(wires), int(considered.sum())]
        return curve_of(table.numpy(), sizes, sizes[-1], units(clusters(data), data.n), weights)

    ends = np.stack([trials.none, trials.all])
    if curve_of(ends, [0, 1], 1, units(clusters(data), data.n), weights) is None:
        return Smallest((), None, 0.0, trials.count, trials.passes)
    whole = trials.faithful(own)
    found = SEARCHES[search](trials, bound, numbers) if whole > bound else tuple(own)
    curve = measured(found)
    return Smallest(tuple(own.index(w) for w in found), curve, whole, trials.count, trials.passes)
