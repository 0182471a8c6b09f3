"""What a wire is worth at its start, by central differences of worlds that know nothing of gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel
from causalcircuit.query import FACTUAL, Assignment, Binary, Cell, Counterfactual, Expr, Number, Site, Wire, World
from causalcircuit.rows import Dataset
from tests.truth.say import M

STENCIL = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
"""f'(0) = Σ cᵢ f(i h) / h, with an error of order h⁴."""
Ends = tuple[Site, Expr, Site | None]
"""Where a wire leaves and ends; and the read of the stream behind which its end stands, for what no wire ends in."""


def slopes(
    model: LoadedModel, data: Dataset, readout: Expr, wires: Sequence[Ends], end: World, width: float
) -> list[NDArray[np.float64]]:
    """[rows] of each wire, in the factual world."""
    cells: list[list[Cell]] = []
    for source, target, inside in wires:
        cells.append([])
        for step, _ in STENCIL:
            way = Binary("-", Counterfactual(source, end), source)
            value = Binary("+", source, Binary("*", Number(step * width), way))
            world = World((*FACTUAL.assignments, Assignment(Wire(source, inside or target), value)))
            if inside is not None:  # the node alone is what its part makes of what it then reads
                world = World((Assignment(target, Counterfactual(target, world)),))
            cells[-1].append(Cell(readout, world))
    plan = make_plan([c for own in cells for c in own], data, {M: model.sites})
    found = execute(prepare(plan, {M: model}, data)).cells
    weights = [c / width for _, c in STENCIL]
    return [sum((c * found[cell] for cell, c in zip(own, weights, strict=True)), np.zeros(data.n)) for own in cells]
