"""Relevance patching: edge attribution patching with relevance in place of gradients, arXiv 2508.21258."""

from __future__ import annotations

from copy import copy

from torch import Tensor

from causalcircuit.attribution.bench import Chunk
from causalcircuit.attribution.methods.registry import method
from causalcircuit.attribution.rules import relevance
from causalcircuit.attribution.walk import wires


@method("relp")
def relp(chunk: Chunk) -> Tensor:
    """[rows, wires] as `eap`, with the coefficients of layer-wise relevance propagation in place of the gradient.

    Patterns are held, so what reads queries and keys scores 0.
    """
    bench = chunk.bench
    # Norms are asked of the graph, which holds their scale, and of no closed form of their slope.
    streams = copy(bench.streams)
    streams.quick = {}
    with relevance(bench.rows.model):
        here = bench.rows.run(bench.rows.question.start, chunk.range, streams.taps(), roots=streams.roots, graph=True)
    if here.score is None or not here.score.requires_grad:
        _ = chunk.start  # says that nothing moves the readout
    chunk.passes += 2 * len(chunk.range)
    return wires(streams, here, chunk.less(here.nodes))
