"""Whether queries, keys, values and patterns are those of the head whose output they make, and which is which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from causalcircuit.models.contract.edits import Pass, Trial


def wrong_heads(made: Pass, trial: Trial, bar: float) -> Iterator[str]:
    """Noise in a head's query, key, value or pattern moves the output of that head (its group) and of no other.

    Noise in queries moves the output at their own positions alone, noise in keys and values at positions that see
    them; the output is linear in the values and not in the keys.
    """
    name = f"{trial.name.rpartition('.')[0]}.z"
    if trial.which not in ("q", "k", "v", "pattern") or name not in made.seen:
        return
    tower = made.model.sites.tower(trial.info.tower)
    left, right = made.of(name, 0), made.of(name, trial.item)
    per = tower.heads // tower.groups if trial.which in ("k", "v") else 1
    own = trial.info.start // (1 if trial.which == "pattern" else tower.head_dim)
    heads = set(range(own * per, (own + 1) * per))
    scale = max(float(left.abs().max()), 1e-12)
    for j in range(tower.heads):
        part = slice(j * tower.head_dim, (j + 1) * tower.head_dim)
        far = float((left[:, part] - right[:, part]).abs().max()) / scale
        if far > bar and j not in heads:
            yield f"noise in head {own} of it moves head {j} of the attention"
        if far <= bar / 100 and j in heads:
            yield f"noise in head {own} of it does not move that head of the attention"
    yield from _wrong_role(made, trial, left, right, scale, bar)


def _wrong_role(made: Pass, trial: Trial, left: Tensor, right: Tensor, scale: float, bar: float) -> Iterator[str]:
    if trial.which == "pattern":
        return
    aside = made.last(trial) < len(made.places(trial.info.stand, 0)) or trial.info.stand != trial.info.tower
    far = float((left[-1] - right[-1]).abs().max()) / scale
    if trial.which == "q":
        if aside and far > bar:
            yield "noise in queries of other positions moves the attention's output at the last one"
        return
    if aside and far <= bar / 100:
        yield "noise at earlier positions of it does not move the attention's output at the last one"
    if trial.twin is None or torch.finfo(left.dtype).bits < 32:
        return  # too coarse to tell a straight line from a bent one
    opposite = made.of(f"{trial.name.rpartition('.')[0]}.z", trial.twin)
    bent = float((right + opposite - 2 * left).abs().max()) / max(float((right - opposite).abs().max()), 1e-12 * scale)
    if trial.which == "v" and bent > 10 * bar:
        yield "the attention's output is not linear in it, as it is in values"
    if trial.which == "k" and bent <= bar / 10:
        yield "the attention's output is linear in it, as it is in values and not in keys"
