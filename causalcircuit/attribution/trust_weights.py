"""The same model with shuffled weights: what its wires score owes nothing to what was learned.

Source: the randomisation of parameters in Adebayo et al., "Sanity checks for saliency maps", arXiv 1810.03292. Each
tensor keeps its own numbers, in another order, so that norms keep their scale and activations their size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch

from causalcircuit.models import LoadedModel
from causalcircuit.models.memory import free_bytes

TIMES = 5
"""Shuffles: were the model one of them, it would be the odd one out once in six."""
_SPARE = 0.8
"""The part of the free memory that a copy may take."""


def why_not(model: LoadedModel) -> str | None:
    """Why a model's weights cannot be shuffled, if they cannot."""
    own = list(model.hf.parameters())
    if any(not p.is_floating_point() or p.device.type == "meta" for p in own) or model.ref.device_map is not None:
        return "its weights are packed, or spread over devices"
    free = free_bytes(model.device)
    needed = sum(p.numel() * p.element_size() for p in own) + 12 * max((p.numel() for p in own), default=0)
    if free is not None and needed > _SPARE * free:
        return f"a copy of its weights takes {needed / 2**30:.2g} GiB, and {free / 2**30:.2g} GiB are free"
    return None


def shuffled(model: LoadedModel, seed: int, times: int = TIMES) -> Iterator[LoadedModel]:
    """The model with the numbers in each of its tensors in another order, several times; each ends with the next.

    A copy is shuffled: the model itself is only read, so that whatever ends this leaves it as it is.

    Raises:
        RuntimeError: the copy shares memory with the model.
    """
    shared = (model.ref, model.sites, model.tokenizer, model.processor)
    copy = deepcopy(model, {id(x): x for x in shared if x is not None})
    own = dict(model.hf.named_parameters())
    places = {p.data_ptr() for p in own.values() if p.numel()}
    if any(p.data_ptr() in places for p in copy.hf.parameters() if p.numel()):
        raise RuntimeError("a copy of the model shares its weights")
    for i in range(times):
        rng = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, i]).generate_state(1)[0]))
        with torch.no_grad():
            for name, p in copy.hf.named_parameters():
                order = torch.randperm(p.numel(), generator=rng).to(p.device)
                p.copy_(own[name].detach().flatten()[order].view_as(p))
        # What is proven of it is its own, and is not found again under the model's name.
        key = hashlib.sha256(f"{model.key} shuffled {seed} {i}".encode()).hexdigest()
        yield replace(copy, key=key, proof=deepcopy(model.proof))


__all__ = ["TIMES", "shuffled", "why_not"]
