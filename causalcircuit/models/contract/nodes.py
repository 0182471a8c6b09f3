"""The clauses for taps that were added to a proven model: nodes of dictionaries, modules by their path."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from causalcircuit.models.contract.edits import disturb
from causalcircuit.models.contract.gradients import differentiate
from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.contract.prove import written_back
from causalcircuit.models.model import LoadedModel


def prove_nodes(model: LoadedModel, names: Sequence[str], proof: Proof) -> None:
    """Hold some taps against the clauses about a tensor; those of the whole model are proven.

    Args:
        model: with these taps. names: theirs. proof: of the rest of the model; gets what is found.
    """
    probe = model.probe
    wanted = [n for n in names if n not in proof.refused]
    bare = model.forward(model.batch(probe.even), (), lambda _, x: x)
    seen: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> Tensor:
        seen[name] = value.clone()
        return value

    for name in wanted:
        try:
            output = model.forward(model.batch(probe.even), [name], keep)
        except RuntimeError as problem:
            proof.refused[name] = str(problem)
            continue
        if not torch.equal(output, bare):
            proof.refused[name] = "observing it changes the output"
    wanted = [n for n in wanted if n not in proof.refused]
    written_back(model, probe, bare, seen, wanted, proof)
    differentiate(model, probe, bare, [n for n in wanted if n not in proof.refused], proof)
    disturb(model, probe, wanted, proof)
