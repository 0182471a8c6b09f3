"""Means of nodes as one side of a contrast: `from = do(), to = mean`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from causalcircuit.query.address import ALL
from causalcircuit.query.algebra import world_of
from causalcircuit.query.expr import FACTUAL, Assignment, Counterfactual, Mean, Site, World
from causalcircuit.query.program import DataRef
from causalcircuit.query.render import Names, render


@dataclass(frozen=True, slots=True)
class Baseline:
    """`mean`, `mean(w, pooled, on = d)`: the world in which each node considered is its mean over the rows.

    Attributes:
        side: of the contrast. world: in which means are taken, the factual one unless it is said.
        pooled, on: as of a mean.
    """

    side: Literal["from", "to"] = "to"
    world: World = FACTUAL
    pooled: bool = False
    on: DataRef | None = None

    def text(self, names: Names | None = None) -> str:
        """As the language writes it."""
        said = [] if self.world == FACTUAL else [render(self.world, names)]
        said += ["pooled"] if self.pooled else []
        said += [f"on = {self.on.label}"] if self.on is not None else []
        return "mean" + (f"({', '.join(said)})" if said else "")

    def of(self, nodes: Iterable[Site]) -> World:
        """The world in which some nodes are their means; `@ each` is every position, so that means are by position."""
        found: dict[Site, Assignment] = {}
        for node in nodes:
            site = Site(node.address, ALL if node.position.kind == "each" else node.position)
            value = site if self.world == FACTUAL else Counterfactual(site, self.world)
            found[site] = Assignment(site, Mean(value, self.pooled, self.on))
        return world_of(found.values())


__all__ = ["Baseline"]
