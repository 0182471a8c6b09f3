"""From a question to a circuit: chunks of rows, scores, the strongest of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from causalcircuit.attribution.bench import Bench, Chunk
from causalcircuit.attribution.methods import METHODS
from causalcircuit.attribution.passes import Question, Rows
from causalcircuit.attribution.summary import Floats, means, stability, strongest, units
from causalcircuit.attribution.walk import Wiring
from causalcircuit.diagnostics import error
from causalcircuit.models import LoadedModel
from causalcircuit.query import ALL, Site, render
from causalcircuit.query.circuit import Circuit, CircuitEdge, Origin, Score, Trust
from causalcircuit.query.circuits.routes import belongs
from causalcircuit.query.estimate import Interval
from causalcircuit.rows import Dataset, clusters

Heard = Callable[[int, int], None]
"""Hears how many rows are done, of how many."""
_PLACES = 1024
"""Positions of one pass with gradients."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a method gives on all rows: `table` [rows, wires], what it took, and the nodes, one position each."""

    wiring: Wiring
    table: Floats
    passes: int
    seconds: float
    over: tuple[Site, ...] = ()


def scores(
    model: LoadedModel,
    data: Dataset,
    question: Question,
    method: str,
    numbers: Sequence[float] = (),
    heard: Heard | None = None,
    over: Sequence[Site] = (),
) -> Scores:
    """The score of every wire on every row.

    With `over`, a method that pays for each wire scores those of its nodes; so does any method where some of them are
    finer than whole parts.

    Raises:
        DiagnosticError: CQ785 the readout depends on nothing, CQ786 worlds of different length, CQ787 scores that are
            no numbers, CQ788 worlds with generated texts; CQ244, CQ789, CQ793 nodes whose wires are not known; what
            else is wrong with the worlds on these rows.
    """
    began = time.perf_counter()
    bench = Bench(Rows(model, data, question), over=over)
    asked = METHODS[method]
    if asked.whole:
        part = over and not bench.wiring.fine
        wiring = _part(bench.wiring, _between(bench.wiring, over)) if part else bench.wiring
        table, passes = asked.score(bench, wiring, heard, *numbers)
        _check_finite(table, wiring, data, range(data.n))
        return Scores(wiring, table, passes, time.perf_counter() - began, bench.over)
    found: list[Floats] = []
    passes = 0
    for rows in bench.chunks(_PLACES):
        chunk = Chunk(bench, rows)
        own = asked(chunk, *numbers).detach().double().cpu().numpy()
        _check_finite(own, bench.wiring, data, rows)
        found.append(own)
        passes += chunk.passes
        if heard is not None:
            heard(rows.stop, data.n)
    table = np.concatenate(found)
    if not table.any():
        _refuse_zero(bench)
    return Scores(bench.wiring, table, passes, time.perf_counter() - began, bench.over)


def _refuse_zero(bench: Bench) -> None:
    """Scores that are all zero say nothing; raise with the reason."""
    chunk = Chunk(bench, next(bench.chunks(_PLACES)))
    moved = any(bool(d.any()) for d in chunk.delta.values())
    raise error(
        "CQ785",
        "every wire scores exactly zero: "
        + (
            "the gradient of the readout is zero, it does not depend on what the parts of the model write"
            if moved
            else "nothing that is written differs between `from` and `to`"
        ),
        help=(
            "a probability may be saturated: read a logit or a log-probability, at a position that the input reaches"
            if moved
            else "let the worlds feed the model different inputs"
        ),
    )


def _check_finite(own: Floats, wiring: Wiring, data: Dataset, rows: range) -> None:
    bad = np.argwhere(~np.isfinite(own))
    if len(bad):
        row, wire = bad[0]
        source = wiring.source(int(wire))
        raise error(
            "CQ787",
            f"the score of `{render(source) if wiring.fine else source.address}` in row {data.rows[rows[row]]} is no "
            "number: a gradient overflows there",
            help="`dtype = float32`, or `float64`, in the settings of the model",
        )


def circuit(
    found: Scores,
    question: Question,
    data: Dataset,
    origin: Origin,
    *,
    over: Sequence[Site] = (),
    keep: int | None = None,
    above: float | None = None,
    seed: int | None = None,
) -> Circuit:
    """The strongest wires as a circuit.

    Args:
        found: of all wires. question, data: of what. origin: said with it.
        over: the nodes whose wires are considered; all of the model's where none are named.
        keep: so many wires. above: those with at least that score. seed: of the bootstrap of rows; none without it.
    """
    table, chosen = considered(found, over)
    unit = units(clusters(data), data.n)
    ref = data.ref.weight
    weights = np.ones(data.n) if ref is None else np.asarray(data.column(ref.name), dtype=np.float64)
    value, half = means(table, unit, weights)
    kept = strongest(value, len(value) if keep is None else keep)
    if above is not None:
        kept = kept[np.abs(value[kept]) >= above]
    selected, overlap = (None, None) if seed is None else stability(table, unit, weights, len(kept), seed)
    edges = [
        CircuitEdge(
            found.wiring.source(int(chosen[i])),
            found.wiring.target(int(chosen[i])),
            Score(
                float(value[i]),
                Interval(float(value[i] - half[i]), float(value[i] + half[i])) if np.isfinite(half[i]) else None,
                data.n,
                None if selected is None else float(selected[i]),
            ),
        )
        for i in kept
    ]
    trust = None if overlap is None else Trust(jaccard=overlap)
    return Circuit("", question.model, tuple(edges), origin=origin, trust=trust, over=found.over or tuple(over))


def considered(found: Scores, over: Sequence[Site]) -> tuple[Floats, np.ndarray]:
    """The scores of the wires between some nodes, and to the readout; and the wires' numbers."""
    numbers = np.arange(len(found.wiring))
    if not over or found.wiring.fine:
        return found.table, numbers
    own = _between(found.wiring, over)
    return found.table[:, own], numbers[own]


def _between(wiring: Wiring, over: Sequence[Site]) -> np.ndarray:
    """[wires] which lead from one of some nodes to one of them, or to the readout."""
    names = {s.address for s in over}
    writes = np.array([w in names for w in wiring.writes])
    sites = [Site(a, ALL) for a in names]
    reads = np.array([r is None or any(belongs(Site(r, ALL), s) for s in sites) for r in wiring.reads])
    chosen: np.ndarray = writes[wiring.writers.numpy()] & reads[wiring.readers.numpy()]
    return chosen


def _part(wiring: Wiring, chosen: np.ndarray) -> Wiring:
    """Some of the wires."""
    own = torch.from_numpy(np.flatnonzero(chosen))
    return replace(wiring, writers=wiring.writers[own], readers=wiring.readers[own])
