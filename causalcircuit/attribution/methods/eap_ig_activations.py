"""Edge attribution patching with integrated gradients over activations: Marks et al., arXiv 2403.19647, for wires.

Every tensor that something is written by (the embedding, the heads of a layer, an MLP, a projector) goes by itself from
its value in `from` to that in `to`, and all that stands behind it is computed anew on the way. The wires that leave it
are scored by the gradients met there. So the wires out of one tensor add up to what the readout changes by in `from`
when that tensor alone is what it is in `to`, but for the error of m steps at the middles of m parts
(docs/decisions/0024-middles-of-steps.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from causalcircuit.attribution.bench import Chunk
from causalcircuit.attribution.methods.registry import method
from causalcircuit.attribution.turns import turns_of


@method("eap_ig_activations")
def eap_ig_activations(chunk: Chunk, steps: float) -> Tensor:
    """[rows, wires] as `eap`, gradients averaged with what is written (k - ½)/m of the way, k = 1 … m."""
    count = int(steps)
    if count < 1:
        raise ValueError("eap_ig_activations takes at least one step")
    here = chunk.start  # before Δ, which is taken from it
    total = torch.zeros(here.rows, len(chunk.bench.wiring), dtype=torch.float64, device=chunk.bench.rows.model.device)
    for turn in turns_of(chunk.streams):
        if not bool(chunk.delta[turn.tensor].any()):  # its wires carry no change
            continue
        for k in range(1, count + 1):
            moved = chunk.moved(turn, (k - 0.5) / count)
            if moved.score is not None and moved.score.requires_grad:
                total = turn.scores(chunk.streams, moved, chunk.delta, total)
    return total / count
