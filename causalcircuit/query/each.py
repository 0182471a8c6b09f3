"""`@ each`: a site that goes through positions one by one, and what a question is at one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from causalcircuit.query.address import Position
from causalcircuit.query.algebra import rebuild, walk, world_of
from causalcircuit.query.expr import Assignment, Expr, Site, World

SEEN = "token"
"""The axis of a family over positions that says which token stands there, where all rows share it."""


def sites_at_each(e: Expr) -> tuple[Site, ...]:
    """The sites in `e`, its worlds included, that go through positions; each once."""
    return tuple(dict.fromkeys(x for x in walk(e) if isinstance(x, Site) and x.position.kind == "each"))


def listed(e: Expr) -> tuple[Expr, ...]:
    """A member of a sweep at each of its listed positions: `A @ each [first, last]` is two sites."""
    if isinstance(e, Site) and e.position.kind == "each" and e.position.parts:
        return tuple(replace(e, position=p) for p in e.position.parts)
    return (e,)


def at_position(e: Expr, position: Position) -> Expr:
    """`e` with every `@ each` at one position."""
    return _placer(position)(e)


def _placer(position: Position) -> Callable[[Expr], Expr]:
    """What puts sites at a position; worlds that stand in `e` several times are built once."""
    done: dict[int, tuple[World, World]] = {}  # the key's object is held, so that its id stays its own

    def place(e: Expr) -> Expr:
        if isinstance(e, Site):
            return replace(e, position=position) if e.position.kind == "each" else e
        return rebuild(e, place, world)

    def world(w: World) -> World:
        if id(w) not in done:
            made = [Assignment(place(a.target), place(a.value), span=a.span) for a in w.assignments]
            done[id(w)] = w, world_of(made, w.span)
        return done[id(w)][1]

    return place
