"""All clauses, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from causalcircuit.models.contract.close import close
from causalcircuit.models.contract.edits import disturb
from causalcircuit.models.contract.gradients import differentiate
from causalcircuit.models.contract.identities import broken_identities
from causalcircuit.models.contract.padding import padding_holds, strayed
from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.overlay import NodeTap, SettledTap, tapped
from causalcircuit.models.probe import Probe
from causalcircuit.models.representative import kind_of
from causalcircuit.models.tapping import checks_of
from causalcircuit.models.taps import Tap


class ContractError(RuntimeError):
    """A clause about the whole model that it does not keep."""


def prove(model: LoadedModel, probe: Probe) -> Proof:
    """Hold every tap against the contract.

    Args:
        model: as it was discovered.
        probe: what it is run on.

    Raises:
        ContractError: a clause about the whole model fails.
    """
    batch = model.batch(probe.even)
    bare = model.forward(batch, (), _same)
    proof = Proof()
    seen = _observe(model, probe, bare, proof)
    proof.refused.update(broken_identities(model, {n: x for n, x in seen.items() if n not in proof.refused}))
    trusted = [name for name in model.taps if name not in proof.refused]
    written_back(model, probe, bare, seen, trusted, proof)
    differentiate(model, probe, bare, [n for n in trusted if n not in proof.refused], proof)
    _whole(model, probe, bare)
    for name in strayed(model, probe, [n for n in trusted if n not in proof.refused]):
        proof.refused[name] = "padding changes what it holds at an item's positions"
    disturb(model, probe, representatives(model, trusted), proof)
    return proof


def prove_more(model: LoadedModel, probe: Probe, names: Iterable[str], proof: Proof) -> None:
    """Prove the assignment of further tensors, before the first number that rests on one is reported."""
    wanted = [n for n in names if n not in proof.assigned and n not in proof.refused]
    if wanted:
        disturb(model, probe, wanted, proof)


def representatives(model: LoadedModel, names: Iterable[str]) -> list[str]:
    """Of each kind of tensor those of the first, a middle and the last layer that has it."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(kind_of(name), []).append(name)
    chosen = [n for of in kinds.values() for n in dict.fromkeys((of[0], of[len(of) // 2], of[-1]))]
    order = {name: i for i, name in enumerate(model.taps)}
    return sorted(chosen, key=order.__getitem__)


def _observe(model: LoadedModel, probe: Probe, bare: Tensor, proof: Proof) -> dict[str, Tensor]:
    """All tensors of one pass. What changes the output by being looked at is refused, and left alone from then on.

    Raises:
        ContractError: the output changes although no tap alone changes it.
    """
    taps = {**model.taps, **checks_of(model.stacks)}
    seen, fired, output = _watched(model, probe, taps.values())
    if not torch.equal(output, bare):
        for name, tap in model.taps.items():
            if not isinstance(tap, NodeTap | SettledTap) and not torch.equal(_watched(model, probe, [tap])[2], bare):
                proof.refused[name] = "observing it changes the output"
        seen, fired, output = _watched(model, probe, [t for n, t in taps.items() if n not in proof.refused])
        if not torch.equal(output, bare):
            raise ContractError("observing changes the logits")
    for name in (n for n in model.taps if n not in proof.refused):
        value, times = seen.get(name), fired[name]
        if times != 1 or value is None:
            proof.refused[name] = f"it passes {times} times in one pass"
        elif (width := value.shape[-2 if name.endswith(".pattern") else -1]) != model.taps[name].size:
            proof.refused[name] = f"it has {width} components, {model.taps[name].size} were expected"
    return seen


def _watched(
    model: LoadedModel, probe: Probe, taps: Iterable[Tap]
) -> tuple[dict[str, Tensor], Mapping[str, int], Tensor]:
    """What taps see in one pass, how often each fires, and the output."""
    seen: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> Tensor:
        seen[name] = value.clone()
        return value

    with torch.inference_mode(), tapped(taps, keep) as fired:
        return seen, fired, model.run(model.batch(probe.even))


def written_back(
    model: LoadedModel, probe: Probe, bare: Tensor, seen: Mapping[str, Tensor], names: list[str], proof: Proof
) -> None:
    """All tensors at once, each with what it holds at that moment; where that changes anything, one by one."""
    output = model.forward(model.batch(probe.even), names, lambda _, x: x.clone())
    if not close(output, bare):
        for name in names:
            alone = model.forward(model.batch(probe.even), [name], lambda name, _: seen[name].clone())
            if not close(alone, bare):
                proof.refused[name] = "writing back the value that was read changes the output"


def _whole(model: LoadedModel, probe: Probe, bare: Tensor) -> None:
    """Padding, and the model called plainly.

    Raises:
        ContractError: either changes the output.
    """
    plain = model.plain(probe.one)
    if plain is not None and not close(plain[0], bare[0]):
        raise ContractError("the model called with its inputs alone gives another output")
    if not padding_holds(model, probe):
        raise ContractError("padding changes the logits")


def _same(name: str, value: Tensor) -> Tensor:
    return value
