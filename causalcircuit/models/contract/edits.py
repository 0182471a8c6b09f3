"""The clause about assignments: noise in a tensor moves what comes later and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from causalcircuit.models.contract.close import gap, tolerance
from causalcircuit.models.contract.places import places_of
from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.feed import Batch
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.probe import Probe
from causalcircuit.models.representative import site_of
from causalcircuit.query import SiteInfo

_PLACES = 4096
"""Positions of one pass; more items are proven in several."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """An item of the batch: noise in one tensor."""

    name: str
    info: SiteInfo
    item: int


def disturb(
    model: LoadedModel,
    probe: Probe,
    names: list[str],
    proof: Proof,
) -> None:
    """Prove assignments to tensors, one an item of a batch, against an item that is left alone.

    Args:
        model, probe: what is run; all items are fed the same.
        names: the tensors. proof: gets what fails and what holds; noise need not move anything where it says that
            nothing reads the tensor.
    """
    each = sum(t.extent for t in model.sites.towers) + len(probe.one.ids or ()) + len(probe.one.source or ())
    size = max(_PLACES // max(each, 1) - 1, 1)
    wanted = [n for n in names if n not in proof.refused]
    for low in range(0, len(wanted), size):
        part = wanted[low : low + size]
        trials = [_Trial(n, site_of(model.sites, n), i + 1) for i, n in enumerate(part)]
        batch = model.batch([probe.one] * (len(part) + 1))
        seen, output = _passed(model, batch, trials, probe, proof.refused)
        for trial in trials:
            reason = next(_faults(model, batch, probe, trial, seen, output, trial.name in proof.still), None)
            if reason is None:
                proof.assigned.add(trial.name)
            else:
                proof.refused[trial.name] = reason


def _passed(
    model: LoadedModel, batch: Batch, trials: list[_Trial], probe: Probe, refused: dict[str, str]
) -> tuple[dict[str, Tensor], Tensor]:
    seen: dict[str, Tensor] = {}
    edits: dict[str, list[_Trial]] = {}
    for trial in trials:
        edits.setdefault(trial.name, []).append(trial)
    generator = torch.Generator().manual_seed(3)

    def visit(name: str, value: Tensor) -> Tensor:
        new = value
        for trial in edits.get(name, ()):
            new = new.clone()
            rows = _disturbed(model, batch, probe, trial)
            part = new[rows, trial.info.start : trial.info.stop]
            noise = torch.randn(part.shape, generator=generator).to(part.device, part.dtype)
            new[rows, trial.info.start : trial.info.stop] = part + noise * _size(value)
        seen[name] = new.clone()
        return new

    output = model.forward(batch, [n for n in model.taps if n not in refused], visit)
    return seen, output


def _size(value: Tensor) -> float:
    """How large noise must be to show: as the tensor's numbers, or 1 where it is silent."""
    return float(value.abs().max()) or 1.0


def _disturbed(model: LoadedModel, batch: Batch, probe: Probe, trial: _Trial) -> Tensor:
    """The places that get noise: all, but not the first of a causal tower, where a leak would show."""
    rows = places_of(model, batch, probe.one, trial.info.stand, trial.item)
    return rows[1:] if _causal(model, trial.info) and len(rows) > 1 else rows


def _causal(model: LoadedModel, info: SiteInfo) -> bool:
    return info.stand == info.tower and model.sites.tower(info.tower).causal


def _faults(
    model: LoadedModel,
    batch: Batch,
    probe: Probe,
    trial: _Trial,
    seen: dict[str, Tensor],
    output: Tensor,
    still: bool,
) -> Iterator[str]:
    bar = tolerance(model.dtype)
    moved = False
    for name, value in seen.items():
        if name == trial.name:
            continue
        other = site_of(model.sites, name)
        places = (places_of(model, batch, probe.one, other.stand, item) for item in (0, trial.item))
        left, right = (value[p] for p in places)
        if model.sites.depends(other, trial.info):
            moved = moved or gap(left, right) > bar
            if _causal(model, trial.info) and _causal(model, other) and gap(left[:1], right[:1]) > bar:
                yield f"noise at later positions moves the first one of {name}: a mask leaks"
        elif gap(left, right) > bar:
            yield f"noise in it moves {name}, which is computed before it or beside it"
        if name.endswith(".z"):
            yield from _wrong_heads(model, trial, name, left, right, bar, still)
    if not moved and not still and gap(output[0], output[trial.item]) <= bar:
        yield "noise in it moves nothing"


def _wrong_heads(
    model: LoadedModel, trial: _Trial, name: str, left: Tensor, right: Tensor, bar: float, still: bool
) -> Iterator[str]:
    """Noise in a head's query, key, value or pattern moves the output of that head (its group) and of no other."""
    lead, _, which = trial.name.rpartition(".")
    if which not in ("q", "k", "v", "pattern") or name != f"{lead}.z":
        return
    tower = model.sites.tower(trial.info.tower)
    per = tower.heads // tower.groups if which in ("k", "v") else 1
    own = trial.info.start // (1 if which == "pattern" else tower.head_dim)
    heads = set(range(own * per, (own + 1) * per))
    scale = float(left.abs().max())
    for j in range(tower.heads):
        part = slice(j * tower.head_dim, (j + 1) * tower.head_dim)
        far = float((left[:, part] - right[:, part]).abs().max()) > bar * max(scale, 1e-12)
        if far and j not in heads:
            yield f"noise in head {own} of it moves head {j} of the attention"
        if not far and j in heads and not still:
            yield f"noise in head {own} of it does not move that head of the attention"
