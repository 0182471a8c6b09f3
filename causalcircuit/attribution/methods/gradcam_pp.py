"""GradCAM++ carried to wires: extends Chattopadhay et al., arXiv 1710.11063.

Taken literally (ReLU on gradients and maps, α = g² / (2g² + g³ Σa)) it breaks on signed activations: α has a pole at
gΣa = -2. This is the guarded contrastive form: α = 1 / (2 + |g Σ Δ|), in (0, ½], on differences of two worlds, signed.
"""

from __future__ import annotations

from torch import Tensor

from causalcircuit.attribution.bench import Chunk
from causalcircuit.attribution.methods.registry import method
from causalcircuit.attribution.walk import wires


def _guarded(changes: Tensor, gradients: Tensor, owner: Tensor, rows: int) -> Tensor:
    """[places, …] 2 Σ_d α g Δ of writes and one read, with α = 1 / (2 + |g Σ_q Δ_q|), q the row's positions."""
    total = changes.new_zeros(rows, *changes.shape[1:]).index_add_(0, owner, changes)[owner]
    weight = 1 / (2 + (gradients * total).abs())
    return 2 * (weight * gradients * changes).sum(-1)


@method("gradcam_pp")
def gradcam_pp(chunk: Chunk) -> Tensor:
    """[rows, wires] as `eap`, each component weighed by how far its own change is from saturating the readout."""
    here = chunk.start  # before Δ, which is taken from it
    return wires(chunk.streams, here, chunk.delta, _guarded)
