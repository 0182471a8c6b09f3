"""Attribution patching of nodes: Nanda, "Attribution patching" (2023); two forward passes and one backward."""

from __future__ import annotations

from torch import Tensor

from causalcircuit.attribution.methods.registry import method
from causalcircuit.attribution.nodes import NodeChunk


@method("atp", of="nodes")
def atp(chunk: NodeChunk) -> Tensor:
    """[rows, nodes] the gradient of the readout at each node in `from`, times what the node changes by."""
    _ = chunk.start
    return chunk.scored(chunk.gradients([g.tensor for g in chunk.bench.groups], last=True))
