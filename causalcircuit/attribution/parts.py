"""A question on some of its rows, with the references of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from causalcircuit.attribution.passes import Question
from causalcircuit.query import DataRef, Expr, Statistic, World
from causalcircuit.query.algebra import rebuild, walk, walk_world
from causalcircuit.rows import Dataset


def part(question: Question, data: Dataset, rows: Sequence[int]) -> tuple[Question, Dataset]:
    """The question and some rows; a mean in it stays that over all rows of the data.

    Statistics name the data from then on, and the part goes by another declaration: to the engine, other data.
    """
    some = data.take(list(rows))
    readout, start, end = _fixed(question.readout, data.ref), *(_world(w, data.ref) for w in _worlds(question))
    made = replace(question, readout=readout, start=start, end=end)
    if not any(isinstance(x, Statistic) and x.on == data.ref for e in _inside(made) for x in e):
        return question, some
    return made, replace(some, ref=replace(data.ref, arguments=(*data.ref.arguments, ("part", str(some.rows)))))


def _inside(question: Question) -> Iterator[Iterator[Expr]]:
    yield walk(question.readout)
    yield from map(walk_world, _worlds(question))


def _worlds(question: Question) -> tuple[World, World]:
    return question.start, question.end


def _fixed(e: Expr, data: DataRef) -> Expr:
    if isinstance(e, Statistic):
        return e if e.on is not None and e.on != data else replace(e, on=data)
    return rebuild(e, lambda x: _fixed(x, data), lambda w: _world(w, data))


def _world(world: World, data: DataRef) -> World:
    made = tuple(replace(a, target=_fixed(a.target, data), value=_fixed(a.value, data)) for a in world.assignments)
    return replace(world, assignments=made)


__all__ = ["part"]
