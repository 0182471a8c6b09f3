"""From a question to a circuit: chunks of rows, scores, the strongest of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from causalcircuit.attribution.bench import Bench, Chunk
from causalcircuit.attribution.lasting import Lasting
from causalcircuit.attribution.methods import METHODS, Scored
from causalcircuit.attribution.passes import Question, Rows
from causalcircuit.attribution.reasons import check_finite, zero
from causalcircuit.attribution.room import room_of
from causalcircuit.attribution.scoring import Heard, Scoring, side_by_side, weights_of
from causalcircuit.attribution.summary import Floats, means, stability, strongest, units
from causalcircuit.attribution.tally import Tally, size_of
from causalcircuit.attribution.walk import Wiring
from causalcircuit.models import LoadedModel
from causalcircuit.query import Site
from causalcircuit.query.circuit import Circuit, CircuitEdge, Origin, Score, Trust
from causalcircuit.query.estimate import Interval
from causalcircuit.rows import Dataset, clusters


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a method gives on all rows, and what it took.

    Attributes:
        wiring: the wires. table: [rows, wires]; of no rows where all of them would be too many.
        passes: of single rows that were made. seconds: they took. over: the nodes, one position each.
        tally: sums over the rows, where there is no table. stored: rows that were known. halved: chunks that memory
            did not hold at once. limit, places: bytes that it was held within, and so positions a pass.
    """

    wiring: Wiring
    table: Floats
    passes: int
    seconds: float
    over: tuple[Site, ...] = ()
    tally: Tally | None = None
    stored: int = 0
    halved: int = 0
    limit: int | None = None
    places: int | None = None

    def means(self, data: Dataset, own: np.ndarray) -> tuple[Floats, Floats]:
        """[n] the means of some wires over the rows, and [n] half the width of their intervals."""
        if self.tally is not None:
            value, half = self.tally.means()
            return value[own], half[own]
        return means(self.table[:, own], units(clusters(data), data.n), weights_of(data))

    def stability(self, data: Dataset, own: np.ndarray, keep: int, seed: int) -> tuple[Floats, float] | None:
        """As `summary.stability` of some wires; `None` where its sums would not have fitted the memory."""
        if self.tally is not None:
            return self.tally.stability(keep, own) if self.tally.resampled else None
        return stability(self.table[:, own], units(clusters(data), data.n), weights_of(data), keep, seed)


@dataclass(frozen=True, slots=True)
class Means:
    """How scores are to be come by.

    Attributes:
        limit: bytes that weights, passes and scores may take. seed: of the bootstrap that will be asked for.
        lasting: what is known already, and is kept.
    """

    limit: int | None = None
    seed: int | None = None
    lasting: Lasting | None = None


def scores(
    model: LoadedModel,
    data: Dataset,
    question: Question,
    method: str,
    numbers: Sequence[float] = (),
    heard: Heard | None = None,
    over: Sequence[Site] = (),
    by: Means = Means(),
) -> Scores:
    """The score of every wire on every row.

    With `over`, a method that pays for each wire scores those of its nodes; so does any method where some of them are
    finer than whole parts.

    Raises:
        DiagnosticError: CQ785 the readout depends on nothing, CQ786 worlds of different length, CQ787 scores that are
            no numbers, CQ788 worlds with generated texts; CQ244, CQ789, CQ793 nodes whose wires are not known;
            CQ820, CQ821 too little memory; what else is wrong with the worlds on these rows.
    """
    if question.turned:
        found = scores(model, data, question.stood, method, numbers, heard, over, by)
        tally = None if found.tally is None else found.tally.negative()
        return replace(found, table=0.0 - found.table, tally=tally)
    began = time.perf_counter()
    bench = Bench(Rows(model, data, question), over=over)
    room = room_of(bench.rows, len(bench.wiring), by.limit)
    asked = METHODS[method]
    if asked.whole:
        found = _whole(bench, asked, numbers, heard, over, by, began)
        return found if by.limit is None else replace(found, limit=by.limit, places=room.places)
    seed = by.seed if size_of(data.n, len(bench.wiring), by.seed) <= room.table else None
    summed = data.n * len(bench.wiring) * 8 > room.table
    ordered = side_by_side(data) if summed else data
    if ordered is not data:
        bench = Bench(Rows(model, ordered, question), over=over)
    bench.streams.together = room.writes

    def score(rows: range) -> tuple[Tensor, int]:
        chunk = Chunk(bench, rows)
        return asked(chunk, *numbers), chunk.passes

    def check(own: Floats, rows: range) -> None:
        check_finite(own, bench.wiring, ordered, rows, bench)

    scoring = Scoring(model, ordered, len(bench.wiring), score, check, heard, by.lasting)
    chunks = bench.chunks(room.places)
    made = scoring.sums(chunks, seed) if summed else scoring.table(chunks)
    if not (made.table if made.tally is None else made.tally.means()[0]).any():
        raise zero(bench, next(iter(bench.chunks(room.places))))
    spent = time.perf_counter() - began
    found = Scores(bench.wiring, made.table, made.passes, spent, bench.over, made.tally, made.stored, made.halved)
    return found if by.limit is None else replace(found, limit=by.limit, places=room.places)


def _whole(
    bench: Bench,
    asked: Scored,
    numbers: Sequence[float],
    heard: Heard | None,
    over: Sequence[Site],
    by: Means,
    began: float,
) -> Scores:
    """The scores of a method that is asked once for all rows."""
    data = bench.rows.data
    wiring = bench.wiring
    if over and not wiring.fine:
        wiring = _part(wiring, wiring.between(over))
    if by.lasting is not None:
        bench.rows.kept = by.lasting.outcomes
        known = by.lasting.scores(len(wiring))
        if known is not None and known[1].all():
            return Scores(wiring, known[0], 0, time.perf_counter() - began, bench.over, stored=data.n)
    bench.rows.limit(by.limit)
    table, passes = asked.score(bench, wiring, heard, *numbers)
    check_finite(table, wiring, data, range(data.n))
    if by.lasting is not None:
        by.lasting.keep(range(data.n), table)
        by.lasting.finish(table)
    return Scores(wiring, table, passes, time.perf_counter() - began, bench.over)


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
    chosen = considered(found, over)[1]
    value, half = found.means(data, chosen)
    kept = strongest(value, len(value) if keep is None else keep)
    if above is not None:
        kept = kept[np.abs(value[kept]) >= above]
    resampled = None if seed is None else found.stability(data, chosen, len(kept), seed)
    selected, overlap = resampled or (None, None)
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
    if seed is not None and resampled is None:
        trust = Trust(notes=("stability: not measured, its sums of all wires do not fit the memory",))
    return Circuit("", question.model, tuple(edges), origin=origin, trust=trust, over=found.over or tuple(over))


def considered(found: Scores, over: Sequence[Site]) -> tuple[Floats, np.ndarray]:
    """The scores of the wires between some nodes, and to the readout; and the wires' numbers."""
    numbers = np.arange(len(found.wiring))
    if not over or found.wiring.fine:
        return found.table, numbers
    own = found.wiring.between(over)
    return found.table[:, own], numbers[own]


def _part(wiring: Wiring, chosen: np.ndarray) -> Wiring:
    """Some of the wires."""
    own = torch.from_numpy(np.flatnonzero(chosen))
    return replace(wiring, writers=wiring.writers[own], readers=wiring.readers[own])
