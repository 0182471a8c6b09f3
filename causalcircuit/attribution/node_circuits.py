"""From a question on nodes to a circuit of nodes: chunks of rows, scores, the strongest of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from causalcircuit.attribution.attribute import Means
from causalcircuit.attribution.methods import METHODS
from causalcircuit.attribution.methods.registry import Scored
from causalcircuit.attribution.nodes import NodeBench, NodeChunk
from causalcircuit.attribution.passes import Question
from causalcircuit.attribution.room import PLACES, room_of
from causalcircuit.attribution.scoring import Heard, Scoring, weights_of
from causalcircuit.attribution.summary import Floats, means, stability, strongest, units
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.models import LoadedModel
from causalcircuit.query import Site, render
from causalcircuit.query.circuit import Circuit, CircuitNode, Origin, Score, Trust
from causalcircuit.query.estimate import Interval
from causalcircuit.rows import Dataset, clusters

STABLE = 0.5
"""Below this overlap, resampled rows choose other nodes."""


@dataclass(frozen=True, slots=True, eq=False)
class NodeScores:
    """What a method gives on all rows: `table` [rows, nodes], and what it took; `stored` rows were known."""

    sites: tuple[Site, ...]
    table: Floats
    passes: int
    seconds: float
    stored: int = 0


def node_scores(
    model: LoadedModel,
    data: Dataset,
    question: Question,
    method: str,
    numbers: Sequence[float] = (),
    heard: Heard | None = None,
    over: Sequence[Site] = (),
    by: Means | None = None,
) -> NodeScores:
    """The score of every node on every row: those of `over`; heads, MLPs, embeddings and the projector without it.

    Raises:
        DiagnosticError: CQ785 every score is zero, CQ786 worlds of different length, CQ787 gradients that are no
            numbers, CQ788 worlds with generated texts; CQ820, CQ821 too little memory; what else is wrong with worlds
            and positions on these rows.
    """
    if question.turned:
        made = node_scores(model, data, question.stood, method, numbers, heard, over, by)
        return replace(made, table=0.0 - made.table)
    began = time.perf_counter()
    by = by or Means()
    asked = METHODS[method]
    bench = NodeBench(model, data, question, over)
    if asked.whole:
        table, passes, stored = _whole(bench, asked, numbers, heard, by)
    else:
        room = room_of(bench.rows, len(bench.sites), by.limit)
        chunks: dict[range, NodeChunk] = {}

        def score(rows: range) -> tuple[Tensor, int]:
            chunks.clear()
            chunk = chunks[rows] = NodeChunk(bench, rows)
            return asked(chunk, *numbers), chunk.passes

        def check(own: Floats, rows: range) -> None:
            _check_finite(own, bench, rows, chunks.get(rows))

        found = Scoring(model, data, len(bench.sites), score, check, heard, by.lasting).table(bench.chunks(room.places))
        table, passes, stored = found.table, found.passes, found.stored
    if not table.any():
        raise _zero(bench)
    return NodeScores(bench.sites, table, passes, time.perf_counter() - began, stored)


def _whole(
    bench: NodeBench, asked: Scored, numbers: Sequence[float], heard: Heard | None, by: Means
) -> tuple[Floats, int, int]:
    """The scores of a method that is asked once for all rows, its passes, and the rows that were known."""
    n = bench.rows.data.n
    if by.lasting is not None:
        bench.rows.kept = by.lasting.outcomes
        known = by.lasting.scores(len(bench.sites))
        if known is not None and known[1].all():
            return known[0], 0, n
    bench.rows.limit(by.limit)
    table, passes = asked.score(bench, heard, *numbers)
    _check_finite(table, bench, range(n), None)
    if by.lasting is not None:
        by.lasting.keep(range(n), table)
        by.lasting.finish(table)
    return table, passes, 0


def _zero(bench: NodeBench) -> DiagnosticError:
    """Scores that are all zero say nothing; the error says why they are."""
    chunk = NodeChunk(bench, next(bench.chunks(PLACES)))
    _ = chunk.start
    gradients = chunk.gradients([g.tensor for g in bench.groups])
    moved = any(bool(g.own(chunk.change(g)).any()) for g in bench.groups)
    slope = any(bool(g.own(chunk.standing(g, gradients[g.tensor])).any()) for g in bench.groups)
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
    weights = weights_of(data)
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
        trust = Trust(jaccard=overlap, failures=(failure,) if overlap < STABLE else ())
    considered = tuple(Site(s.address, s.position) for s in found.sites) if over else ()
    return Circuit("", question.model, (), nodes, origin=origin, trust=trust, over=considered)
