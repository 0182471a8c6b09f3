"""`keep = 12 nodes`: the wires between the nodes that most passes through."""

from __future__ import annotations

from dataclasses import replace

from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.routes import belongs
from causalcircuit.query.circuits.sets import part
from causalcircuit.query.expr import Site


def between_nodes(circuit: Circuit, count: int) -> Circuit:
    """The wires between the `count` strongest nodes, and from these to the readout.

    A node is as strong as all wires that leave it are together, by absolute score. How often a wire is chosen on
    resampled rows was counted for another choice, of wires one by one, and is left out.
    """
    strength: dict[Site, float] = {}
    for e in circuit.edges:
        strength[e.source] = strength.get(e.source, 0.0) + abs(e.score.value if e.score is not None else 0.0)
    kept = sorted(strength, key=lambda s: -strength[s])[:count]
    chosen = set(kept)

    def inside(target: Site | None) -> bool:
        return target is None or any(belongs(target, s, circuit.shared) for s in kept)

    made = part(circuit, lambda e: e.source in chosen and inside(e.target))
    edges = (replace(e, score=e.score and replace(e.score, selected=None)) for e in made.edges)
    return replace(made, edges=tuple(edges), trust=None)
