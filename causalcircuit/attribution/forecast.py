"""What an attribution will take, from a sketch of its model: wires, passes, operations, seconds, bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from causalcircuit.attribution.ends import fine
from causalcircuit.attribution.layout import Event, Read, Write, events
from causalcircuit.attribution.methods import METHODS
from causalcircuit.attribution.passes import Question
from causalcircuit.attribution.room import TABLE, Room, held_of, lengths_of, room_for, row_of
from causalcircuit.attribution.streams import Streams
from causalcircuit.attribution.tally import size_of
from causalcircuit.attribution.trust import FLOOR
from causalcircuit.attribution.trust_subject import passes_a_row, work_in
from causalcircuit.attribution.walk import Wiring, wiring_of
from causalcircuit.engine import make_plan, prepare
from causalcircuit.engine.cost.predict import predict
from causalcircuit.engine.cost.seconds import Rates
from causalcircuit.engine.formulas import projected
from causalcircuit.engine.prepared import Prepared, Setup
from causalcircuit.models import LoadedModel
from causalcircuit.query import Expect, Site
from causalcircuit.query.circuits.formulas import Method
from causalcircuit.rows import Dataset

_BACK = 2
"""A backward pass beside a forward one."""
_DONE = {"embed": 0.0, "projector": 0.0, "heads": 1 / 3, "cross": 1 / 2, "mlp": 1.0}
"""What of a block stands before what it writes."""
_PARALLEL = ("use_parallel_residual", "parallel_attn", "new_decoder_architecture")
_SIDE_BY_SIDE = ("gptj", "phi", "cohere", "cohere2", "codegen")
"""Families whose attention and MLP always read the same stream."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """The cost of an attribution.

    Attributes:
        wires: that are scored. considered: those among them that the circuit may have.
        row_passes: forward and backward passes of single rows. flops, seconds: of them. memory: bytes at most.
        unasked: row passes at most by which its trust is looked at without being asked for.
        weights, row, scores: bytes of it: weights, the passes of the longest row, and scores.
    """

    wires: int
    considered: int
    row_passes: int
    flops: int
    seconds: float
    memory: int
    weights: int
    row: int
    scores: int
    unasked: int


def predicted(
    model: LoadedModel,
    data: Dataset,
    question: Question,
    method: Method,
    over: Sequence[Site],
    seed: int | None,
    rates: Rates,
    limit: int | None = None,
) -> Predicted | None:
    """What scoring will take; `None` where its nodes show when the model runs only, or are no ends of wires.

    Raises:
        DiagnosticError: CQ820, the limit holds no row; what is wrong with the worlds on these rows.
    """
    if METHODS[method.name].of != "wires" or fine(model.sites, question.model, over):
        return None
    both = [Expect(question.readout, w) for w in dict.fromkeys((question.start, question.end))]
    plan = make_plan(both, data, {question.model: model.sites})
    ready = prepare(plan, {question.model: model}, data)
    order = {t.name: (_order(model),) * t.layers for t in model.sites.towers}
    every = events(model.sites, question.model, order)
    wiring = wiring_of(replace(Streams.of(model), events=every))
    considered = int(wiring.between(over).sum()) if over else len(wiring)
    scored = considered if METHODS[method.name].whole else len(wiring)
    at = {w: plan.run_of(question.model, projected(w, question.model)) for w in (question.start, question.end)}
    setups = [ready.setups[i] for i in at.values()]
    return _costs(model, ready, setups, wiring, every, method, (scored, considered), seed, rates, limit)


def _costs(
    model: LoadedModel,
    ready: Prepared,
    setups: Sequence[Setup],
    wiring: Wiring,
    every: Sequence[Event],
    method: Method,
    counts: tuple[int, int],
    seed: int | None,
    rates: Rates,
    limit: int | None,
) -> Predicted:
    n = ready.data.n
    setup, number = max(((s, i) for s in setups for i in range(n)), key=lambda at: at[0].cost(at[1]))
    row = row_of(model, lengths_of(setup, number), len(wiring))
    weights = held_of(model)
    room: Room = room_for(model, row, setup.cost(number), limit, weights)
    bare = predict(ready, room.places, "naive", {model.ref.name: rates})
    runs = max(1, len({id(s) for s in setups}))
    forward, seconds = bare.flops.total / runs, bare.seconds / runs
    turns = method.name == "eap_ig_activations"  # gradients begin where a tensor stands
    passes = passes_a_row(method, counts[0], sum(isinstance(e, Write) for e in every))
    back = 0 if METHODS[method.name].whole else (passes - 2) // 2 + (passes - 2) % 2
    places = sum(setup.cost(i) for i in range(n))
    walked = sum(places * _walk(model, every, t.name, turns) for t in model.sites.towers)
    walked *= int(method.arguments[0]) if turns else max(1, back)
    behind = _behind(model, every, lengths_of(setup, number)) if turns else 1.0
    times = passes - back + _BACK * back * behind  # forward passes that take as long
    flops = forward * times + (0 if METHODS[method.name].whole else walked)
    table = n * counts[0] * 8
    scores = size_of(n, counts[0], seed) if table > (room.table if limit is not None else TABLE) else table
    longest = max(1, setup.cost(number))
    held = min(room.places, n * longest) * row.whole // longest if room.writes is None else row.passes
    return Predicted(
        counts[0],
        counts[1],
        passes * n,
        int(flops),
        seconds * times + (0.0 if METHODS[method.name].whole else walked * rates.linear),
        weights + held + scores,
        weights,
        row.whole,
        scores,
        math.ceil(max(passes * n, FLOOR / work_in(model, setups, n))),
    )


def _walk(model: LoadedModel, every: Sequence[Event], tower: str, turns: bool) -> float:
    """Operations of a position by which reads are pulled back, anew for each write in `turns`, and meet writes."""
    width, total, above, written = model.sites.tower(tower).width, 0.0, 0, 0
    for event in every:
        if event.tower != tower:
            continue
        if isinstance(event, Write):
            above += len(event.nodes)
            written += 1
            total += 2.0 * len(event.nodes) * width * model.sites.tower(tower).head_dim
        elif isinstance(event, Read):
            reads = len(event.nodes)
            total += 2.0 * reads * width * (above + model.sites.tower(tower).head_dim * (written if turns else 1))
    return total


def _behind(model: LoadedModel, every: Sequence[Event], lengths: Mapping[str, int]) -> float:
    """The share of a pass that stands behind a write, on average over all writes."""
    size = {t.name: float(lengths[t.name] * t.layers * t.width**2) for t in model.sites.towers}
    whole, shares = sum(size.values()), list[float]()
    left = whole
    for tower in model.sites.towers:
        left -= size[tower.name]
        for e in every:
            if isinstance(e, Write) and e.tower == tower.name:
                done = max(e.layer, 0) + _DONE[e.kind]
                shares.append((left + size[tower.name] * (1 - done / tower.layers)) / whole)
    return sum(shares) / len(shares)


def _order(model: LoadedModel) -> str:
    """How the parts of blocks stand, as far as a config says: after each other, or side by side."""
    config: Any = model.hf.config.get_text_config()
    beside = config.model_type in _SIDE_BY_SIDE or any(getattr(config, name, False) is True for name in _PARALLEL)
    return "parallel" if beside else "pre"


__all__ = ["Predicted", "predicted"]
