"""Edge attribution patching: Syed et al., arXiv 2310.10348."""

from __future__ import annotations

from torch import Tensor

from causalcircuit.attribution.bench import Chunk
from causalcircuit.attribution.methods.registry import method
from causalcircuit.attribution.walk import wires


@method("eap")
def eap(chunk: Chunk) -> Tensor:
    """[rows, wires] Δ of what is written · the gradient of the readout where the read alone takes it, at `from`."""
    here = chunk.start  # before Δ, which is taken from it
    return wires(chunk.streams, here, chunk.delta)
