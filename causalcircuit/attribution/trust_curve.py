"""How faithful a circuit is, over sizes: the part of an effect that its strongest wires alone bring about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import stdtrit
from torch import Tensor

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.kept import readouts
from causalcircuit.attribution.passes import Rows
from causalcircuit.attribution.stations import Choice, Layout, streamed
from causalcircuit.attribution.summary import Floats, units
from causalcircuit.attribution.trust_ends import Placed
from causalcircuit.attribution.trust_subject import Subject
from causalcircuit.query.circuit import SizePoint
from causalcircuit.query.estimate import Interval
from causalcircuit.rows import clusters

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""The sizes of MIB (2504.13151), as shares of the wires that are considered."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sets of wires whose faithfulness is asked for.

    Attributes:
        sizes: how many wires each has, none first and all of them last. masks: [wires of the model] each.
        own: which of them the circuit is. nested: whether it is as many of the strongest wires.
        placed: the wires considered, where some stand at some positions only.
    """

    sizes: tuple[int, ...]
    masks: tuple[Choice, ...]
    own: int
    nested: bool
    placed: Placed | None = None


def sizes_of(subject: Subject, kept: Sequence[int], whole: bool) -> Sizes:
    """The circuit itself, none and all of the wires considered; and with `whole` the strongest at all shares.

    Args:
        subject: what was attributed. kept: the circuit's wires, by their numbers among those considered.
        whole: see above.

    Raises:
        DiagnosticError: CQ795, nodes that are parts of heads, MLPs or embeddings.
    """
    placed = _placed(subject) if subject.found.wiring.fine else None
    mask = _whole(subject) if placed is None else placed.choice
    count = len(subject.chosen)
    strongest = subject.order.tolist()
    nested = set(kept) == set(strongest[: len(kept)])
    found = {len(kept): mask(kept), 0: mask(()), count: mask(range(count))}
    if whole:
        for share in SHARES:
            size = max(1, round(share * count))
            if size not in found:
                found[size] = mask(strongest[:size])
    sizes = tuple(sorted(found))
    return Sizes(sizes, tuple(found[s] for s in sizes), sizes.index(len(kept)), nested, placed)


def _whole(subject: Subject) -> Callable[[Sequence[int]], Choice]:
    """Makes the choice of all wires but those considered that are not kept, each at all positions."""
    bench = subject.bench
    # A method that pays for each wire scores some of them: masks are over all that the model has.
    every = zip(bench.wiring.writers.tolist(), bench.wiring.readers.tolist(), strict=True)
    number = {ends: i for i, ends in enumerate(every)}
    wiring = subject.found.wiring
    own = zip(wiring.writers[subject.chosen].tolist(), wiring.readers[subject.chosen].tolist(), strict=True)
    place = torch.tensor([number[ends] for ends in own], dtype=torch.long)

    def mask(inside: Sequence[int]) -> Tensor:
        made = torch.ones(len(bench.wiring), dtype=torch.bool)
        made[place] = False
        made[place[torch.tensor(list(inside), dtype=torch.long)]] = True
        return made

    return mask


def _placed(subject: Subject) -> Placed:
    """The wires considered, where some stand at some positions only."""
    wiring = subject.found.wiring
    ends = [(wiring.source(i), wiring.target(i)) for i in subject.chosen.tolist()]
    return Placed.of(subject.bench.wiring, subject.model.sites, ends)


def passes_of(bench: Bench, masks: Sequence[Choice]) -> int:
    """Passes of a single row that kept wires take: one in `from`; for each mask the copies, and one that is read."""
    layout = Layout.of(bench.streams)
    copies = (max(len(streamed(s, m, False).masks) for s in layout.stations.values()) for m in masks)
    return 1 + sum(2 + c for c in copies)


def faithfulness(subject: Subject, asked: Sizes, some: Sequence[int]) -> tuple[tuple[SizePoint, ...] | None, int]:
    """Faithfulness at each size on some rows, and the passes it took.

    It is `None` where the effect of all wires cannot be told from none.

    Raises:
        DiagnosticError: CQ795, wires that share places; CQ795, CQ797: what `readouts` finds.
    """
    question, data = subject.some(some)
    bench = Bench(Rows(subject.model, data, question), quick=False)
    bench.rows.most = subject.found.places
    if asked.placed is not None:
        asked.placed.check_apart(bench)
    outcomes, passes = readouts(bench, asked.masks)
    rows = outcomes.detach().double().cpu().numpy()
    unit = units(clusters(data), data.n)
    return curve_of(rows, asked.sizes, len(subject.chosen), unit, subject.weights(data)), passes


def curve_of(
    outcomes: Floats, sizes: Sequence[int], count: int, unit: np.ndarray, weights: Floats | None = None
) -> tuple[SizePoint, ...] | None:
    """F = (S(k) - S(none)) / (S(all) - S(none)) of mean readouts, with intervals from leaving out one unit at a time.

    Args:
        outcomes: [sizes, rows] readouts, none of the wires first and all of them last. sizes: how many wires.
        count: of all wires. unit: [rows] the number of each row's sampling unit. weights: [rows].
    """
    moved = (outcomes - outcomes[0]) * (1 if weights is None else weights)
    groups = int(unit.max()) + 1
    sums = np.stack([np.bincount(unit, m, groups) for m in moved])
    whole = sums[-1].sum()
    rest = whole - sums[-1]
    spread = float(np.sqrt(max((groups - 1) / groups * ((rest - rest.mean()) ** 2).sum(), 0.0)))
    # The bound of Fieller's theorem: a denominator that may be zero has no ratio.
    q = float(stdtrit(groups - 1, 0.975)) if groups > 1 else 0.0
    if whole == 0 or abs(whole) <= q * spread:
        return None
    found: list[SizePoint] = []
    for size, own in zip(sizes, sums, strict=True):
        f = float(own.sum() / whole)
        if groups == 1:  # nothing is left without it
            found.append(SizePoint(int(size), size / count, f))
            continue
        left = (own.sum() - own) / rest
        half = q * float(np.sqrt((groups - 1) / groups * ((left - left.mean()) ** 2).sum()))
        interval = Interval(f - half, f + half) if np.isfinite(half) else None
        found.append(SizePoint(int(size), size / count, f, interval))
    return tuple(found)


def integrals(curve: Sequence[SizePoint]) -> tuple[float, float]:
    """CPR = ∫ f and CMD = ∫ |1 - f| over the share of wires."""
    share = np.array([p.share for p in curve])
    f = np.array([p.faithful for p in curve])
    return float(np.trapezoid(f, share)), float(np.trapezoid(np.abs(1 - f), share))


__all__ = ["SHARES", "Sizes", "curve_of", "faithfulness", "integrals", "passes_of", "sizes_of"]
