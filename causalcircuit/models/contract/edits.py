"""The clause about assignments: noise in a tensor moves what reads it, what comes later, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from causalcircuit.models.contract.close import gap, tolerance
from causalcircuit.models.contract.heads import wrong_heads
from causalcircuit.models.contract.identities import Identity, identities_of
from causalcircuit.models.contract.moved import Moved, moved
from causalcircuit.models.contract.places import places_of
from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.contract.readers import readers_of
from causalcircuit.models.feed import Batch
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.overlay import NodeTap, needed, tapped
from causalcircuit.models.probe import Probe
from causalcircuit.models.representative import site_of
from causalcircuit.models.tapping import checks_of
from causalcircuit.query import SiteInfo

_WITNESSES = (".z", ".neurons")
_FEW = 2
"""So many tensors may be at fault themselves when they move one that is computed before them."""
_PLACES = 4096
"""Positions of one pass; more items are proven in several."""


@dataclass(frozen=True, slots=True)
class Trial:
    """An item of the batch: noise in one tensor.

    Attributes:
        name, info: the tensor, and the site of it that gets noise. item: of the batch.
        twin: of keys and values, another item with the opposite noise.
    """

    name: str
    info: SiteInfo
    item: int
    twin: int | None

    @property
    def which(self) -> str:
        """The last step of its name."""
        return self.name.rpartition(".")[2]

    def concerns(self, identity: Identity) -> bool:
        """Whether an identity must hold under its noise.

        What attention or the MLP alone reads must leave the stream beside it as it is, so all of its layer's do, but
        for what is seen where the MLP reads.
        """
        if identity.result.endswith(".between") and self.name not in identity.parts:
            return False
        layer, _, last = self.name.partition("].")
        beside = last in ("attn.in", "mlp.in") and any(
            n.startswith(f"{layer}].") for n in (*identity.parts, identity.result)
        )
        return self.name in identity.parts or beside


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over several trials gave: item 0 is left alone, each other one is a trial's or its twin's."""

    model: LoadedModel
    batch: Batch
    probe: Probe
    seen: dict[str, Tensor]
    stands: Mapping[str, str]
    items: int
    _places: dict[tuple[str, int], Tensor] = field(default_factory=dict)
    _moved: dict[str, Moved] = field(default_factory=dict)

    def places(self, stand: str, item: int) -> Tensor:
        """The flat places of all positions of an item."""
        key = (stand, item)
        if key not in self._places:
            self._places[key] = places_of(self.model, self.batch, self.probe.one, stand, item)
        return self._places[key]

    def of(self, name: str, item: int) -> Tensor:
        """A tensor's lines of one item."""
        value = self.seen[name]
        return value[self.places(self.stands[name], item).to(value.device)]

    def gap(self, name: str, item: int, before: int | None = None) -> float:
        """How far a tensor's lines of an item are from those of the item that is left alone; some of the first ones."""
        if name not in self._moved:
            places = torch.stack([self.places(self.stands[name], i) for i in range(self.items)])
            self._moved[name] = moved(self.seen[name], places)
        return self._moved[name].gap(item, before)

    def causal(self, info: SiteInfo) -> bool:
        """Whether a site's positions see only earlier ones."""
        return info.stand == info.tower and self.model.sites.tower(info.tower).causal

    def first(self, trial: Trial) -> int:
        """The first position that gets noise; another one from trial to trial, so that each border is tried.

        Never one between tokens of an image, which may see each other.
        """
        if not self.causal(trial.info):
            return 0
        pictured = set(self.probe.one.pictured)
        borders = [p for p in range(1, len(self.places(trial.info.stand, 0))) if not {p - 1, p} <= pictured]
        if not borders:
            return 0
        return borders[0] if trial.which in ("q", "k", "v") else borders[trial.item % len(borders)]

    def last(self, trial: Trial) -> int:
        """The position before which noise ends: of queries, keys and values the last one shows which they are."""
        count = len(self.places(trial.info.stand, 0))
        return count - 1 if trial.which in ("q", "k", "v") and self.first(trial) < count - 1 else count


def disturb(
    model: LoadedModel,
    probe: Probe,
    names: list[str],
    proof: Proof,
) -> None:
    """Prove assignments to tensors, one an item of a batch, against an item that is left alone.

    Args:
        model, probe: what is run; all items are fed the same.
        names: the tensors. proof: gets what fails and what holds; noise need not move the output where it says that
            the output does not depend on the tensor.
    """
    each = sum(t.extent for t in model.sites.towers) + len(probe.one.ids or ()) + len(probe.one.source or ())
    size = max(_PLACES // max(each, 1) - 1, 2)
    identities, readers = identities_of(model), readers_of(model)
    wanted = [n for n in _with_witnesses(model, names, proof) if n not in proof.refused]
    while wanted:
        trials: list[Trial] = []
        items = 1
        while wanted and items + 2 <= size + 1:
            name = wanted.pop(0)
            paired = name.rpartition(".")[2] in ("k", "v")
            trials.append(Trial(name, site_of(model.sites, name), items, items + 1 if paired else None))
            items += 2 if paired else 1
        made, output = _passed(model, probe, trials, items, proof.refused)
        for trial in trials:
            if trial.name.endswith(_WITNESSES):
                _convict(made, trial, identities, readers.get(trial.name, ()), proof)
        _convict_by_strangers(made, trials, proof)
        tried = [t for t in trials if t.name not in proof.refused]
        cleared: set[str] = set()
        for _ in range(2):  # again, since what fails by itself is no witness against others
            for trial in (t for t in tried if t.name not in cleared):
                proof.refused.pop(trial.name, None)
                sound = made.seen.keys() - proof.refused
                own = [e for e in identities if e.written and trial.concerns(e) and e.known(sound)]
                reason = next(_faults(made, trial, output, own, readers.get(trial.name, ()), proof), None)
                if reason is not None:
                    proof.refused[trial.name] = reason
                else:
                    cleared.add(trial.name)
        proof.assigned.update(t.name for t in tried if t.name not in proof.refused)


def _with_witnesses(model: LoadedModel, names: Iterable[str], proof: Proof) -> list[str]:
    """The tensors, and those that show whether what attention and the MLP write is where it is said to be."""
    found: list[str] = []
    for name in names:
        lead = name.removesuffix("attn.out").removesuffix("out")
        witness = f"{lead}neurons" if name.endswith("mlp.out") else f"{lead}z"
        if name.endswith(("attn.out", "cross.out", "mlp.out")) and witness in model.taps and witness not in names:
            found.extend([witness] if witness not in proof.refused else [])
        found.append(name)
    return found


def _convict(made: Pass, trial: Trial, identities: list[Identity], readers: tuple[str, ...], proof: Proof) -> None:
    """Refuse a write that does not follow its heads or neurons, although these go through their projection."""
    for identity in (e for e in identities if e.parts == (trial.name,) and e.known(made.seen)):
        shown = {n: made.of(n, trial.item) for n in (*identity.parts, identity.result)}
        if identity.holds(shown):
            for name in readers:
                silent = name in made.seen and _constant(made.of(name, 0))
                if name in made.seen and not silent and made.gap(name, trial.item) <= _least(made):
                    proof.refused[name] = f"noise in {trial.name}, which it is made of, does not move it"


def _convict_by_strangers(made: Pass, trials: list[Trial], proof: Proof) -> None:
    """Refuse a tensor that several others move which it cannot depend on: it, and not they, is elsewhere."""
    sites, bar = made.model.sites, tolerance(made.model.dtype)
    for name in [n for n in made.seen if n in made.model.taps and n not in proof.refused]:
        other = site_of(sites, name)
        movers = [
            t.name
            for t in trials
            if t.name != name and not sites.depends(other, t.info) and made.gap(name, t.item) > bar
        ]
        if len(movers) > _FEW:
            what = f"{movers[0]} and {len(movers) - 1} others"
            proof.refused[name] = f"noise in {what} moves it, and they are computed after it or beside it"


def _least(made: Pass) -> float:
    """The least change that is no rounding: less than what may be neglected."""
    return tolerance(made.model.dtype) / 100


def _passed(
    model: LoadedModel, probe: Probe, trials: list[Trial], items: int, refused: Mapping[str, str]
) -> tuple[Pass, Tensor]:
    shown = [name for name in model.taps if name not in refused]
    checks = checks_of(model.stacks)
    attached = needed(model.taps, shown)
    used = [*(tap for name, tap in model.taps.items() if name in attached), *checks.values()]
    batch = model.batch([probe.one] * items)
    stands = {name: site_of(model.sites, name).stand for name in shown} | {n: t.stand for n, t in checks.items()}
    made = Pass(model, batch, probe, {}, stands, items)
    edits = {trial.name: trial for trial in trials}

    def visit(name: str, value: Tensor) -> Tensor:
        if name in edits:
            value = _noisy(made, edits[name], value)
        made.seen[name] = value.clone()
        return value

    with torch.inference_mode(), tapped(used, visit, attached - set(shown)):
        output = model.run(batch)
    return made, output


def _noisy(made: Pass, trial: Trial, value: Tensor) -> Tensor:
    """A tensor with noise in the trial's item, as large as its numbers (or 1 where it is silent)."""
    generator = torch.Generator().manual_seed(3 + trial.item)
    new = value.clone()
    part = slice(trial.info.start, trial.info.stop)
    noise: Tensor | None = None
    for item, sign in ((trial.item, 1), (trial.twin, -1)):
        if item is None:
            continue
        rows = made.places(trial.info.stand, item)[made.first(trial) : made.last(trial)].to(value.device)
        if noise is None:
            tap = made.model.taps.get(trial.name)
            size = float(value.abs().max()) or 1.0
            if isinstance(tap, NodeTap):  # an error may be rounding alone: what it is part of gives the measure
                size = max(size, float(made.seen[tap.overlay.writes].abs().max()))
            noise = size * torch.randn(new[rows, part].shape, generator=generator).to(value.device, value.dtype)
        new[rows, part] = new[rows, part] + sign * noise
    return new


def _constant(value: Tensor) -> bool:
    """Whether all positions hold the same numbers: what is read was multiplied by zero, as in a pruned model."""
    return bool((value == value[:1]).all())


def _faults(
    made: Pass, trial: Trial, output: Tensor, identities: list[Identity], readers: tuple[str, ...], proof: Proof
) -> Iterator[str]:
    sites, bar = made.model.sites, tolerance(made.model.dtype)
    moved = False
    for name in made.seen:
        if name == trial.name or name not in made.model.taps or name in proof.refused:
            continue
        other = site_of(sites, name)
        far = made.gap(name, trial.item)
        if sites.depends(other, trial.info):
            moved = moved or far > bar
            early = made.causal(trial.info) and made.causal(other)
            if early and made.gap(name, trial.item, before=made.first(trial)) > bar:
                yield f"noise at later positions moves an earlier one of {name}: a mask leaks"
        elif far > bar:
            yield f"noise in it moves {name}, which is computed before it or beside it"
        if name in readers and far <= _least(made) and not _constant(made.of(name, 0)):
            yield f"noise in it does not move {name}, which reads it"
    for identity in identities:
        if not identity.holds({n: made.of(n, trial.item) for n in (*identity.parts, identity.result)}):
            yield f"what is written does not go where it was read ({identity.clause})"
    yield from wrong_heads(made, trial, bar)
    if not moved and trial.name not in proof.still and gap(output[0], output[trial.item]) <= bar:
        yield "noise in it moves nothing"
