"""Edge attribution patching with integrated gradients over the inputs: Hanna et al., arXiv 2403.17806.

The paper's equation 3 takes the gradient at k/m of the way, k = 1 … m. That sum lies off the integral by half a step of
the gradient's own change, 1/(2m), and takes more of the end than of the start. Here the same m passes stand at the
middles of m parts, (k - ½)/m, where the error falls with 1/m² (docs/decisions/0024-middles-of-steps.md).
"""

from __future__ import annotations

from torch import Tensor

from causalcircuit.attribution.bench import Chunk
from causalcircuit.attribution.methods.registry import method
from causalcircuit.attribution.walk import wires


@method("eap_ig")
def eap_ig(chunk: Chunk, steps: float) -> Tensor:
    """[rows, wires] as `eap`, with gradients averaged over inputs at (k - ½)/m of the way, k = 1 … m."""
    count = int(steps)
    total: Tensor | None = None
    for k in range(1, count + 1):
        found = wires(chunk.streams, chunk.between((k - 0.5) / count), chunk.delta)
        total = found if total is None else total + found
    if total is None:
        raise ValueError("eap_ig takes at least one step")
    return total / count
