"""Bytes that scoring needs, and how rows and wires are cut for a limit: a model of what lives at once.

A pass with a graph keeps the widest moment of every block, not of one; beside it stand gradients of all that is kept,
changes of a stream by each write, and the gradients of the reads at one point of it. The constants were held against
the growth of the process (`tests/attribution/test_room.py`), and are rather too large than too small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from causalcircuit.attribution.layout import Event, Read, Write, events
from causalcircuit.attribution.passes import Rows
from causalcircuit.attribution.precise import weights_of
from causalcircuit.diagnostics import error
from causalcircuit.engine.cost.dims import ModelDims, TowerDims, dims_of
from causalcircuit.engine.cost.limit import shown
from causalcircuit.engine.prepared import Setup
from causalcircuit.models import LoadedModel

PLACES = 1024
"""Positions of one pass with gradients, unless memory is limited: larger ones are no faster."""
TABLE = 1 << 30
"""Bytes of scores that are kept row by row, unless memory is limited; of more there are sums."""
_KEPT = 9
"""Tensors of a stream's width, a block, whose gradients are held together."""
_WRITTEN = 4
"""The same of what is written, in both worlds and as their difference."""
_OPERANDS = 8
_PULLS = 3
_READ = 6
"""Numbers of a distribution that is read, in units of a logit, as for passes without gradients."""
_SPARE = 1.15
_COPIES = 3
"""Of a row's scores, in double precision: by read, joined, and in the table."""
_LEAST = 8
"""Writes that go together at least."""


@dataclass(frozen=True, slots=True)
class Room:
    """How a question is cut.

    Attributes:
        places: positions a pass. writes: how many go along a stream together; `None` for all of them.
        table: bytes that scores of single rows may take. row: bytes of the longest row, all its writes together.
    """

    places: int
    writes: int | None
    table: int
    row: int


@dataclass(frozen=True, slots=True)
class Row:
    """What one row takes: bytes of its passes, of one write along its stream, and its writes."""

    passes: int
    write: int
    writes: int

    @property
    def whole(self) -> int:
        """Bytes with all writes together."""
        return self.passes + self.write * self.writes


def room_of(rows: Rows, columns: int, limit: int | None) -> Room:
    """How a question of so many scores a row is cut.

    Raises:
        DiagnosticError: CQ820, the limit holds no row.
    """
    both = [rows.prepared.setups[rows.index[w]] for w in (rows.question.start, rows.question.end)]
    setup, number = max(((s, i) for s in both for i in range(rows.data.n)), key=lambda at: at[0].cost(at[1]))
    row = row_of(rows.model, lengths_of(setup, number), columns)
    return room_for(rows.model, row, setup.cost(number), limit, held_of(rows.model))


def held_of(model: LoadedModel) -> int:
    """Bytes that stay while wires are scored: weights, and those that reads are folded into; of a sketch, too."""
    size = 8 if model.ref.dtype == "float64" else 4
    return weights_of(model) + size * sum(layer.seen for t in dims_of(model).towers for layer in t.layers)


def row_of(model: LoadedModel, lengths: Mapping[str, int], columns: int) -> Row:
    """Bytes of a row with so many positions in each tower, and scores; of a loaded model or a sketch."""
    dims = dims_of(model)
    size = 8 if model.ref.dtype == "float64" else 4  # what is in half precision is scored in float32
    order = {s.tower.name: tuple(b.order for b in s.blocks) for s in model.stacks}
    every = events(model.sites, model.ref.name, order)
    passes, write, writes = 0.0, 0.0, 0
    for tower in dims.towers:
        own = [e for e in every if e.tower == tower.tower.name]
        several = sum(len(e.nodes) for e in own if isinstance(e, Write))
        places = lengths[tower.tower.name]
        passes += places * _place(dims, tower, own, several, places)
        # Reads of one point meet all writes: once as they come, and in double precision to be added up.
        meets = max((len(e.nodes) for e in own if isinstance(e, Read)), default=0)
        if several and places * tower.width >= write:
            write, writes = places * (tower.width + 3.0 * meets), several
    last = lengths[model.sites.readout_tower.name]
    passes += (last if model.by_position else 1) * 3.0 * dims.vocabulary + _READ * dims.vocabulary
    return Row(int(_SPARE * size * passes) + _COPIES * 8 * columns, int(_SPARE * size * write), writes)


def _place(dims: ModelDims, tower: TowerDims, own: list[Event], writes: int, length: int) -> float:
    """Numbers of one position of a tower, those along its stream left out."""
    graph = sum(
        layer.copies * layer.widest
        + _OPERANDS * max(tower.width, layer.heads * layer.head_dim)
        + (2 * layer.heads * length if dims.eager else 0)
        + (_KEPT + _WRITTEN) * tower.width
        for layer in tower.layers
    )
    reads = max((len(e.nodes) for e in own if isinstance(e, Read)), default=0)
    return graph + tower.embed / max(1, tower.width) + _PULLS * reads * tower.width


def room_for(model: LoadedModel, row: Row, longest: int, limit: int | None, weights: int) -> Room:
    """How to cut a question.

    Args:
        model: whose. row: what the longest row takes. longest: its positions, as passes count them.
        limit: bytes, or none. weights: from `held_of`.

    Raises:
        DiagnosticError: CQ820, the limit holds no row.
    """
    if limit is None:
        return Room(max(PLACES, longest), None, TABLE, row.whole)
    table = max(0, limit - weights) // 4
    free = limit - weights - table
    fits = int(longest * free / max(1, row.whole))
    if fits >= longest:
        return Room(min(fits, max(PLACES, longest)), None, table, row.whole)
    together = int((free - row.passes) / max(1, row.write))
    if together < min(_LEAST, row.writes):
        least = weights + (row.passes + min(_LEAST, row.writes) * row.write) * 4 // 3
        raise error(
            "CQ820",
            f"{shown(limit)} hold no row's scores: one needs {shown(least)}, of which weights take {shown(weights)}",
            model.ref.span,
            help=(
                f"`--max-memory {_round(least)}` runs a row at a time, and its writes in parts",
                "shorter prompts need less: all positions of a row are in memory at once",
            ),
        )
    return Room(longest, together, table, row.whole)


def lengths_of(setup: Setup, row: int) -> dict[str, int]:
    """By tower, the positions of a row in a world."""
    model = setup.model
    sites = model.sites
    found: dict[str, int] = {}
    for tower in sites.towers:
        if tower is sites.readout_tower and setup.prompts is not None:
            found[tower.name] = max(len(setup.prompts[row].ids) + len(c) for c in setup.continuations[row])
            found[tower.name] *= len(setup.continuations[row])
        elif tower.modality != "text":
            prompts = setup.prompts
            found[tower.name] = (prompts[row].seen if prompts is not None else 0) or tower.extent or setup.cost(row)
        else:
            found[tower.name] = len(setup.sources[row].ids) if setup.sources is not None else setup.cost(row)
    return found


def _round(count: int) -> str:
    """A limit that is large enough, without a space."""
    size, unit = next(((count / s, u) for s, u in ((1e9, "GB"), (1e6, "MB")) if count >= s), (count / 1e3, "kB"))
    return f"{-(-int(size * 100) // 10) / 10 + 0.1:.1f}{unit}"


__all__ = ["PLACES", "TABLE", "Room", "Row", "held_of", "lengths_of", "room_for", "room_of", "row_of"]
