"""From a question on nodes to a circuit of nodes: chunks of rows, scores, the strongest of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from causalcircuit.attribution.methods import METHODS
from causalcircuit.attribution.nodes import NodeBench, NodeChunk
from causalcircuit.attribution.passes import Question
from causalcircuit.attribution.summary import Floats, means, stability, strongest, units
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.models import LoadedModel
from causalcircuit.query import Site, render
from causalcircuit.query.circuit import Circuit, CircuitNode, Origin, Score, Trust
from causalcircuit.query.estimate import Interval
from causalcircuit.rows import Dataset, clusters

Heard = Callable[[int, int], None]
"""Hears how many rows are done, of how many."""
_PLACES = 1024
"""Positions of one pass with gradients."""
STABLE = 0.5
"""Below this overlap, resampled rows choose other nodes."""


@dataclass(frozen=True, slots=True, eq=False)
class NodeScores:
    """What a method gives on all rows: `table` [rows, nodes], and what it took."""

    sites: tuple[Site, ...]
    table: Floats
    passes: int
    seconds: float


def node_scores(
    model: LoadedModel,
    data: Dataset,
    question: Question,
    method: str,
    numbers: Sequence[float] = (),
    heard: Heard | None = None,
    over: Sequence[Site] = (),
) -> NodeScores:
    """The score of every node on every row: those of `over`; heads, MLPs, embeddings and the projector without it.

    Raises:
        DiagnosticError: CQ785 every score is zero, CQ786 worlds of different length, CQ787 gradients that are no
            numbers, CQ788 worlds with generated texts; what else is wrong with worlds and positions on these rows.
    """
    began = time.perf_counter()
    asked = METHODS[method]
    bench = NodeBench(model, data, question, over)
    if asked.whole:
        table, passes = asked.score(bench, heard, *numbers)
        _check_finite(table, bench, range(data.n), None)
        if not table.any():
            raise _zero(bench)
        return NodeScores(bench.sites, table, passes, time.perf_counter() - began)
    found: list[Floats] = []
    passes = 0
    for rows in bench.chunks(_PLACES):
        chunk = NodeChunk(bench, rows)
        own = asked(chunk, *numbers).detach().double().cpu().numpy()
        _check_finite(own, bench, rows, chunk)
        found.append(own)
        passes += chunk.passes
        if heard is not None:
            heard(rows.stop, data.n)
    table = np.concatenate(found)
    if not table.any():
        raise _zero(bench)
    return NodeScores(bench.sites, table, passes, time.perf_counter() - began)


def _zero(bench: NodeBench) -> DiagnosticError:
    """Scores that are all zero say nothing; the error says why they are."""
    chunk = NodeChunk(bench, next(bench.chunks(_PLACES)))
    _ = chunk.start
    gradients = chunk.gradients([g.tensor for g in bench.groups])
    moved = any(bool(chunk.change(g).any()) for g in bench.groups)
    slope = any(bool(g.any()) for g in gradients.values())
    if not moved:
        why = "none of them differs between `from` and `to`"
        way = "let the worlds feed the model different inputs, or name nodes that stand behind what differs"
    elif not slope:
        why = "the gradient of the readout is zero there, it does not depend on them"
        way = "a probability may be saturated: read a logit, at a position that the nodes reach"
    else:
        why = "where they differ between `from` and `to`, the readout does not depend on them"
        way = "name nodes, or positions, that stand between what differs and what is read"
    return error("CQ785", f"every node scores exactly zero: {why}", help=way)


def _check_finite(own: Floats, bench: NodeBench, rows: range, chunk: NodeChunk | None) -> None:
    bad = np.argwhere(~np.isfinite(own))
    if not len(bad):
        return
    row, node = bad[0]
    where = "" if chunk is None else _overflows(chunk)
    raise error(
        "CQ787",
        f"the score of `{render(bench.sites[node])}` in row {bench.rows.data.rows[rows[row]]} is no number"
        + (f": {where}" if where else ""),
        help="`dtype = float32`, or `float64`, in the settings of the model",
    )


def _overflows(chunk: NodeChunk) -> str:
    """The layer in which numbers overflow: the first on the way in for values, the last one for gradients."""
    bench = chunk.bench
    by_tensor = {i.tensor: i for i in bench.infos}
    towers = [t.name for t in bench.rows.model.sites.towers]
    order = sorted(by_tensor, key=lambda t: (towers.index(by_tensor[t].tower), by_tensor[t].rank))

    def finite(x: Tensor | None) -> bool:
        return x is None or bool(torch.isfinite(x).all())

    for world, here in (("from", chunk.start), ("to", chunk.end)):
        bad = next((t for t in order if not finite(here.nodes.get(t))), None)
        if bad is not None:
            return f"`{bench.rows.question.model}.{by_tensor[bad].address}` is not finite in `{world}`"
    if chunk.start.score is None or not finite(chunk.start.score):
        return "the readout is not finite"
    fresh = NodeChunk(bench, chunk.range)
    gradients = fresh.gradients(order)
    bad = next((t for t in reversed(order) if not finite(gradients[t])), None)
    if bad is None:
        return ""
    layer, layers = by_tensor[bad].layer, bench.rows.model.sites.tower(by_tensor[bad].tower).layers
    named = f"layer {layer}" if 0 <= layer < layers else "the embedding" if layer < 0 else "the last norm"
    tower = by_tensor[bad].tower
    of = f" of `{tower}`" if tower else ""
    return f"the gradient overflows on its way back to {named}{of}"


def node_circuit(
    found: NodeScores,
    question: Question,
    data: Dataset,
    origin: Origin,
    *,
    over: Sequence[Site] = (),
    keep: int | None = None,
    above: float | None = None,
    seed: int | None = None,
) -> Circuit:
    """The strongest nodes as a circuit without wires.

    Args:
        found: of all nodes. question, data: of what. origin: said with it. over: the nodes as they were named.
        keep: so many. above: those with at least that score. seed: of the bootstrap of rows; none without it.
    """
    unit = units(clusters(data), data.n)
    ref = data.ref.weight
    weights = np.ones(data.n) if ref is None else np.asarray(data.column(ref.name), dtype=np.float64)
    value, half = means(found.table, unit, weights)
    kept = strongest(value, len(value) if keep is None else keep)
    if above is not None:
        kept = kept[np.abs(value[kept]) >= above]
    selected, overlap = (None, None) if seed is None else stability(found.table, unit, weights, len(kept), seed)
    nodes = tuple(
        CircuitNode(
            Site(found.sites[i].address, found.sites[i].position),
            Score(
                float(value[i]),
                Interval(float(value[i] - half[i]), float(value[i] + half[i])) if np.isfinite(half[i]) else None,
                data.n,
                None if selected is None else float(selected[i]),
            ),
        )
        for i in kept
    )
    trust = None
    if overlap is not None:
        failure = f"resampled rows choose other nodes: {overlap:.0%} alike"
        notes = ("faithfulness is measured of wires, and these are nodes",)
        trust = Trust(jaccard=overlap, failures=(failure,) if overlap < STABLE else (), notes=notes)
    return Circuit("", question.model, (), nodes, origin=origin, trust=trust, over=tuple(over))
