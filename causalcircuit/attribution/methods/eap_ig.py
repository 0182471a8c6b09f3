"""Edge attribution patching with integrated gradients over the inputs: Hanna et al., arXiv 2403.17806."""

from __future__ import annotations

from torch import Tensor

from causalcircuit.attribution.bench import Chunk
from causalcircuit.attribution.methods.registry import method
from causalcircuit.attribution.walk import wires


@method("eap_ig")
def eap_ig(chunk: Chunk, steps: float) -> Tensor:
    """[rows, wires] as `eap`, with gradients averaged over inputs at k/m of the way, k = 1 … m (equation 3)."""
    count = int(steps)
    total: Tensor | None = None
    for k in range(1, count + 1):
        found = wires(chunk.streams, chunk.between(k / count), chunk.delta)
        total = found if total is None else total + found
    if total is None:
        raise ValueError("eap_ig takes at least one step")
    return total / count
