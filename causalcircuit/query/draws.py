"""Donors: another row of the data in place of the row itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from causalcircuit.query.algebra import rebuild, walk, walk_world
from causalcircuit.query.compile import Cell
from causalcircuit.query.expr import Draw, Expr, World


def draws_in(item: Expr | World) -> Iterator[Draw]:
    """Every draw in an expression or a world, those inside its worlds too."""
    for e in walk_world(item) if isinstance(item, World) else walk(item):
        if isinstance(e, Draw):
            yield e


@lru_cache(1 << 12)
def times(cell: Cell) -> int | None:
    """How many draws a row has in a cell; `None` where it has none, or one a row that needs no axis."""
    most = max((d.times for part in (cell.readout, cell.world) for d in draws_in(part)), default=1)
    return most if most > 1 else None


def numbered(cell: Cell) -> tuple[Cell, ...]:
    """A cell for each of its draws, the cell itself where it has one: all that are drawn several times go together."""
    count = times(cell)
    if count is None:
        return (cell,)
    return tuple(Cell(_number(cell.readout, k), _number_world(cell.world, k)) for k in range(count))


def unnumbered(cell: Cell) -> Cell:
    """The cell that a numbered one is a draw of."""
    if times(cell) is None:
        return cell
    return Cell(_number(cell.readout, None), _number_world(cell.world, None))


def _number(e: Expr, k: int | None) -> Expr:
    if isinstance(e, Draw):
        return replace(e, number=k if e.times > 1 else None)
    return rebuild(e, lambda child: _number(child, k), lambda world: _number_world(world, k))


def _number_world(world: World, k: int | None) -> World:
    return World(tuple(replace(a, value=_number(a.value, k)) for a in world.assignments), world.span)
