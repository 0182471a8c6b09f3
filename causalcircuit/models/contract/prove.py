"""All clauses, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from causalcircuit.models.contract.close import close
from causalcircuit.models.contract.edits import disturb
from causalcircuit.models.contract.gradients import differentiate
from causalcircuit.models.contract.identities import broken_identities
from causalcircuit.models.contract.padding import padding_holds
from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.probe import Probe
from causalcircuit.models.representative import kind_of
from causalcircuit.models.tapping import checks_of
from causalcircuit.models.taps import tapped


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
    for name, clause in broken_identities(model, seen).items():
        proof.refused.setdefault(name, clause)
    trusted = [name for name in model.taps if name not in proof.refused]
    _written_back(model, probe, bare, seen, trusted, proof)
    differentiate(model, probe, bare, [n for n in trusted if n not in proof.refused], proof)
    _whole(model, probe, bare)
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
    seen: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> Tensor:
        seen[name] = value.clone()
        return value

    taps = {**model.taps, **checks_of(model.stacks)}
    with torch.inference_mode(), tapped(taps.values(), keep) as fired:
        output = model.run(model.batch(probe.even))
    if not torch.equal(output, bare):
        raise ContractError("observing changes the logits")
    for name in model.taps:
        value, times = seen.get(name), fired[name]
        if times != 1 or value is None:
            proof.refused[name] = f"it passes {times} times in one pass"
        elif value.shape[-1] != model.taps[name].size and value.ndim != 3:
            proof.refused[name] = f"it has {value.shape[-1]} components, {model.taps[name].size} were expected"
    return seen


def _written_back(
    model: LoadedModel, probe: Probe, bare: Tensor, seen: Mapping[str, Tensor], names: list[str], proof: Proof
) -> None:
    """All values at once; where that changes anything, one by one."""

    def back(chosen: Iterable[str]) -> bool:
        return close(model.forward(model.batch(probe.even), chosen, lambda name, _: seen[name].clone()), bare)

    if not back(names):
        for name in names:
            if not back([name]):
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
