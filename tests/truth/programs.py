"""Random worlds: sites, positions, nested worlds and unions, as many as make sense in every row."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from causalcircuit.query import (
    ALL,
    FACTUAL,
    Assignment,
    Counterfactual,
    Expr,
    Position,
    Site,
    World,
    unite,
    walk,
    world_of,
)
from tests.truth.brute import Brute
from tests.truth.say import given, lift, mean, minus, op, row, site
from tests.truth.taps import locate


@dataclass(frozen=True)
class Stage:
    """What random worlds of a model may be made of.

    Attributes:
        addresses: sites in order of computation.
        places: positions that mean as many places in every world of a row, by tower (`""` for a plain decoder).
        feeds: worlds that change the inputs alone.
        numbers: a numeric column, where there is one.
    """

    addresses: tuple[str, ...]
    places: dict[str, tuple[Position, ...]]
    feeds: tuple[World, ...]
    numbers: str | None = None


def worlds(stage: Stage, depth: int = 2) -> st.SearchStrategy[World]:
    """Up to three assignments, nested `depth` deep, perhaps under another input."""
    assignments = st.lists(_assignments(stage, depth), max_size=3, unique_by=lambda a: a.target)
    return st.builds(
        lambda fed, made: unite(fed, world_of(made)), st.sampled_from((FACTUAL, FACTUAL, *stage.feeds)), assignments
    )


@st.composite
def _assignments(draw: st.DrawFn, stage: Stage, depth: int) -> Assignment:
    address = draw(st.sampled_from(stage.addresses))
    target = site(address, draw(st.sampled_from((*_places(stage, address), ALL))))
    return Assignment(target, draw(_values(stage, target, depth)))


def _places(stage: Stage, address: str) -> tuple[Position, ...]:
    return stage.places[address.split(".", 1)[0] if "" not in stage.places else ""]


def _values(stage: Stage, target: Site, depth: int) -> st.SearchStrategy[Expr]:
    """Right sides of `target`. Prompts of other worlds differ in length: at `all` they are only asked for means."""
    numbers = [st.floats(-2, 2).map(lambda x: lift(round(x, 2)))]
    if stage.numbers is not None:
        numbers.append(st.just(row(stage.numbers)))
    vectors: list[st.SearchStrategy[Expr]] = [st.just(target), st.just(mean(target, pooled=True))]
    if depth > 0:
        inner = worlds(stage, depth - 1)
        if target.position == ALL:
            vectors.append(inner.map(lambda w: mean(given(target, w), pooled=True)))
        else:
            vectors.append(inner.map(lambda w: given(target, w)))
            vectors.append(inner.map(lambda w: mean(given(target, w), pooled=True)))
    arithmetic = st.builds(
        lambda a, x, b, sign: op(op(a, "*", x), sign, b),
        st.one_of(vectors),
        st.one_of(numbers),
        st.one_of(*vectors, *numbers),
        st.sampled_from("+-"),
    )
    return st.one_of(*numbers, *vectors, arithmetic, st.one_of(vectors).map(minus))


def conflict(brute: Brute, world: World) -> bool:
    """Whether two targets of a world (or of one nested in it) overlap in some row, neither inside the other."""
    if any(conflict(brute, inner) for inner in _nested(world)):
        return True
    targets = [a.target for a in world.assignments if isinstance(a.target, Site)]
    return any(
        _clash(_cells(brute, i, a, world), _cells(brute, i, b, world))
        for i in range(len(brute.rows))
        for n, a in enumerate(targets)
        for b in targets[:n]
    )


def _nested(world: World) -> list[World]:
    return [e.world for a in world.assignments for e in walk(a.value, worlds=False) if isinstance(e, Counterfactual)]


Region = tuple[str, frozenset[tuple[int, int]]]


def _cells(brute: Brute, i: int, target: Site, world: World) -> Region:
    """The tensor that `target` indexes, and which (position, component) of it; the widest tensor here has 64."""
    point, start, stop = locate(brute.model, target.address)
    places = brute.positions(i, target.position, brute.tower(target), world)
    return point, frozenset((p, c) for p in places for c in range(start, 64 if stop is None else stop))


def _clash(a: Region, b: Region) -> bool:
    return a[0] == b[0] and bool(a[1] & b[1]) and not (a[1] < b[1] or b[1] < a[1])
