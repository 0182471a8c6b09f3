"""Walking, rebuilding and uniting: every class of the algebra is known everywhere."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalcircuit.diagnostics import Source, Span
from causalcircuit.query import (
    FACTUAL,
    Assignment,
    Binary,
    Column,
    Counterfactual,
    Expect,
    Expr,
    Input,
    Negative,
    Number,
    Output,
    Probability,
    Readout,
    Site,
    Statistic,
    Turn,
    World,
    children,
    is_estimand,
    models_of,
    rebuild,
    unite,
    walk,
    walk_world,
    world_of,
)
from causalcircuit.query.summaries import Correlation, Quantile, Summary
from tests.query.samples import CORRUPT, EXAMPLES, HEAD, LOGIT, PATCH, RESID, sites, worlds

each_class = pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)


def inside(e: Expr | Turn) -> list[Expr]:
    """The expressions in the fields of `e`, or of a chat's turns, found by looking at the fields."""
    found = []
    for f in fields(e):
        held = getattr(e, f.name)
        for x in held if isinstance(held, tuple) else (held,):
            found += [x] if isinstance(x, Expr) else inside(x) if isinstance(x, Turn) else []
    return found


def test_there_is_an_example_of_every_class() -> None:
    # By name: a dataclass with slots leaves its slotless draft among the subclasses.
    bases = (Expr, Output, Statistic, Summary)
    kinds = {kind.__name__ for base in bases for kind in base.__subclasses__()} - {"Output", "Statistic", "Summary"}
    assert {kind.__name__ for kind in EXAMPLES} == kinds


@each_class
def test_children_are_all_that_stands_inside(kind: type[Expr]) -> None:
    example, _ = EXAMPLES[kind]
    assert sorted(map(repr, children(example))) == sorted(map(repr, inside(example)))


@each_class
def test_rebuild_changes_every_child_and_nothing_else(kind: type[Expr]) -> None:
    example, _ = EXAMPLES[kind]
    assert rebuild(example, lambda e: e) == example
    marked = rebuild(example, Negative)
    assert type(marked) is kind
    assert list(children(marked)) == [Negative(c) for c in children(example)]
    assert (marked == example) == (not children(example))


@each_class
def test_rebuild_changes_the_world(kind: type[Expr]) -> None:
    example, _ = EXAMPLES[kind]
    changed = rebuild(example, lambda e: e, lambda w: unite(w, PATCH))
    if kind in (Counterfactual, Expect, Probability, Quantile, Correlation):
        assert changed.world == unite(example.world, PATCH)
    else:
        assert changed == example


@each_class
def test_walk_reaches_everything_inside(kind: type[Expr]) -> None:
    leaf = Column("deep")
    example = rebuild(EXAMPLES[kind][0], lambda _: Binary("+", Number(1), leaf))
    found = list(walk(example))
    assert found[0] == example
    assert found.count(leaf) == len(children(example))


def test_walk_enters_worlds_unless_told_not_to() -> None:
    value = Counterfactual(LOGIT, PATCH)
    assert Input("m", "input") in list(walk(value))
    assert {e for e in walk(value, worlds=False) if isinstance(e, Site)} == set()
    assert list(walk_world(CORRUPT)) == [Input("m", "input"), Column("corrupt")]


def test_models_are_found_in_targets_values_and_readouts() -> None:
    other = replace(LOGIT, model="other")
    third = Assignment(Input("third", "image"), Column("photo"))
    assert models_of(Binary("-", Expect(LOGIT, PATCH), Expect(other, World((third,))))) == {"m", "other", "third"}
    assert models_of(PATCH) == {"m"}
    assert models_of(Number(1)) == set()


def test_only_expectations_speak_of_all_rows() -> None:
    nested = world_of([Assignment(HEAD, Counterfactual(HEAD, FACTUAL))])
    assert is_estimand(Binary("/", Expect(LOGIT), Number(2)))
    assert is_estimand(EXAMPLES[Probability][0])
    assert not is_estimand(Counterfactual(LOGIT, nested))


def test_where_a_text_stood_is_never_compared() -> None:
    here = Span(Source("a.cq", "x y"), 0, 1)
    there = replace(here, start=2, end=3)
    one, other = Number(1.0, span=here), Number(1.0, span=there)
    assert one == other
    assert hash(one) == hash(other)
    assert World(span=here) == World(span=there)
    assert Assignment(HEAD, one, span=here) == Assignment(HEAD, other, span=there)


@given(st.lists(sites, min_size=1, max_size=4, unique=True), st.data())
def test_the_order_of_assignments_never_matters(targets: list[Site], data: st.DataObject) -> None:
    values = [Number(float(i)) for i in range(len(targets))]
    assignments = [Assignment(t, v) for t, v in zip(targets, values, strict=True)]
    first = world_of(assignments)
    for order in permutations(assignments):
        assert world_of(order) == first
        assert hash(world_of(order)) == hash(first)
    cut = data.draw(st.integers(0, len(assignments)))
    assert unite(world_of(assignments[cut:]), world_of(assignments[:cut])) == first
    for target, value in zip(targets, values, strict=True):
        assert first.value_of(target) == value
        assert first.without(target).value_of(target) is None
        assert unite(first.without(target), world_of([Assignment(target, value)])) == first


@given(worlds, worlds, worlds)
def test_union_is_commutative_and_associative_with_the_factual_world(a: World, b: World, c: World) -> None:
    assert unite(a, b) == unite(b, a)
    assert unite(unite(a, b), c) == unite(a, unite(b, c))
    assert unite(a, FACTUAL) == a
    assert unite().factual


@given(worlds)
def test_rebuilding_all_the_way_down_gives_the_same(world: World) -> None:
    def again(e: Expr) -> Expr:
        return rebuild(e, again, again_world)

    def again_world(w: World) -> World:
        return world_of(Assignment(again(a.target), again(a.value)) for a in w.assignments)

    assert again_world(world) == world


def test_readouts_of_columns_are_found_by_walking() -> None:
    assert [e for e in walk(LOGIT) if isinstance(e, Column)] == [Column("io")]
    assert isinstance(LOGIT, Readout)
    assert RESID in list(walk_world(PATCH))
