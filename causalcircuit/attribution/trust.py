"""How faithful a circuit is, over sizes: the part of an effect that its strongest wires alone bring about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.special import stdtrit

from causalcircuit.attribution.attribute import Scores, considered
from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.kept import readouts
from causalcircuit.attribution.passes import Question, Rows
from causalcircuit.attribution.summary import Floats, means, strongest, units
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import LoadedModel
from causalcircuit.query import Site
from causalcircuit.query.circuit import Circuit, SizePoint, Trust
from causalcircuit.query.estimate import Interval
from causalcircuit.rows import Dataset, clusters

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""The sizes of MIB (2504.13151), as shares of the wires that are considered."""
_WORK = 150_000
"""Rows × wires × sizes that are worth a curve that nobody asked for."""
_FEWEST = 20
FAITHFUL, STABLE = 0.5, 0.5
"""Below these a circuit is not to be trusted: it brings about too little, or other rows choose other wires."""


def trusted(
    made: Circuit, model: LoadedModel, data: Dataset, question: Question, found: Scores, over: Sequence[Site] = ()
) -> Circuit:
    """A circuit with its faithfulness over sizes, and what speaks against it.

    The curve is taken on all rows, or on evenly spaced ones where all would cost too much.
    """
    trust = made.trust or Trust()
    table, chosen = considered(found, over)
    sizes = _sizes(table.shape[1], len(made.edges))
    most = _WORK // max(len(found.wiring) * len(sizes), 1)
    try:
        if most < min(_FEWEST, data.n):
            trust = _noted(trust, f"faithfulness: not measured, {len(found.wiring):,} wires are too many to do unasked")
        else:
            own = data if data.n <= most else data.take(sorted({round(x) for x in np.linspace(0, data.n - 1, most)}))
            curve = _curve(model, own, question, found, chosen, _order(table, data), sizes)
            if own.n < data.n:
                trust = _noted(trust, f"faithfulness is that of {own.n} of the {data.n} rows, evenly spaced")
            trust = _judged(trust, curve, len(made.edges))
            trust = _noted(
                trust, "faithfulness is that on the rows by which the wires were chosen: on others it is lower"
            )
    except DiagnosticError as problem:
        trust = _noted(trust, f"faithfulness: not measured, {problem.diagnostics[0].message}")
    if trust.jaccard is not None and trust.jaccard < STABLE:
        failure = f"resampled rows choose other wires: {trust.jaccard:.0%} alike"
        trust = replace(trust, failures=(*trust.failures, failure))
    return replace(made, trust=trust)


def _noted(trust: Trust, note: str) -> Trust:
    return replace(trust, notes=(*trust.notes, note))


def _sizes(count: int, kept: int) -> list[int]:
    return sorted({0, kept, *(max(1, round(s * count)) for s in SHARES)})


def _curve(
    model: LoadedModel,
    data: Dataset,
    question: Question,
    found: Scores,
    chosen: np.ndarray,
    order: np.ndarray,
    sizes: Sequence[int],
) -> tuple[SizePoint, ...] | None:
    """Faithfulness at each size; `None` where the effect of all wires cannot be told from none."""
    bench = Bench(Rows(model, data, question))
    # A method that pays for each wire scores some of them: masks are over all that the model has.
    every = zip(bench.wiring.writers.tolist(), bench.wiring.readers.tolist(), strict=True)
    number = {ends: i for i, ends in enumerate(every)}
    own = zip(found.wiring.writers.tolist(), found.wiring.readers.tolist(), strict=True)
    place = torch.tensor([number[ends] for ends in own], dtype=torch.long)[torch.as_tensor(chosen)]
    masks = []
    for size in sizes:
        mask = torch.ones(len(bench.wiring), dtype=torch.bool)
        mask[place] = size >= len(chosen)
        mask[place[torch.as_tensor(order[:size].copy())]] = True
        masks.append(mask)
    rows = readouts(bench, masks)[0].detach().double().cpu().numpy()
    return curve_of(rows, sizes, len(chosen), units(clusters(data), data.n), _weights(data))


def _weights(data: Dataset) -> Floats:
    ref = data.ref.weight
    return np.ones(data.n) if ref is None else np.asarray(data.column(ref.name), dtype=np.float64)


def _order(table: Floats, data: Dataset) -> np.ndarray:
    """The wires, strongest first, by the means that the circuit has."""
    value = means(table, np.arange(len(table)), _weights(data))[0]
    return strongest(value, len(value))


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
        left = (own.sum() - own) / rest
        half = q * float(np.sqrt((groups - 1) / groups * ((left - left.mean()) ** 2).sum()))
        interval = Interval(f - half, f + half) if groups > 1 and np.isfinite(half) else None
        found.append(SizePoint(int(size), size / count, f, interval))
    return tuple(found)


def _judged(trust: Trust, curve: tuple[SizePoint, ...] | None, kept: int) -> Trust:
    """With the curve, its integrals over the share of wires, and what it says against the circuit."""
    if curve is None:
        return replace(
            trust, notes=(*trust.notes, "faithfulness: undefined, all wires together change nothing for sure")
        )
    share = np.array([p.share for p in curve])
    f = np.array([p.faithful for p in curve])
    point = next(p for p in curve if p.size == kept)
    failures = trust.failures
    if point.faithful < FAITHFUL:
        failures = (*failures, f"its {kept} wires alone bring about {point.faithful:.0%} of the effect")
    return replace(
        trust,
        curve=curve,
        cpr=float(np.trapezoid(f, share)),
        cmd=float(np.trapezoid(np.abs(1 - f), share)),
        failures=failures,
    )
