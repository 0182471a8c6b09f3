"""What passes really cost, counted by torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.profiler import ProfilerActivity, profile

from causalcircuit.engine.cost.meter import counting
from causalcircuit.engine.cost.shapes import PassShape, TowerPass
from causalcircuit.models import Feed, LoadedModel
from causalcircuit.models.feed import extent, parts


def operations(run: Callable[[], Any]) -> int:
    """By torch's counter of operations."""
    with counting() as counter:
        run()
    return int(counter.get_total_flops())


def allocated(run: Callable[[], Any]) -> int:
    """The most bytes that tensors made inside held at once, by torch's allocator."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def whole(model: LoadedModel, feeds: Sequence[Feed]) -> PassShape:
    """The shape of one pass over items of one length, from the first position to all logits."""
    towers: list[TowerPass] = []
    for t in model.sites.towers:
        if t.modality != "text":
            lines = sum(parts(f.media) for f in feeds) if t.extent else len(feeds)
            towers.append(TowerPass(t.name, lines, t.extent or extent(t, feeds[0].media)))
        else:
            source = t.channel == "input" and "prefix" in model.sites.channels
            ids = feeds[0].source if source else feeds[0].ids
            towers.append(TowerPass(t.name, len(feeds), len(ids or ())))
    last = towers[-1]
    logits = last.items * last.length if model.by_position else len(feeds)
    return PassShape(tuple(towers), logits, merged=sum(len(f.pictured) for f in feeds))
