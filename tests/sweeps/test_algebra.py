"""`A except B`, `outside(A)` and lists against Python's sets of (tensor, component, position)."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.check.sets import difference, outside, union
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import RowError
from causalcircuit.models.positions import Ground, resolve
from causalcircuit.query import ALL, FIRST, LAST, Address, Items, Part, Position, Site, site_table

TABLE = site_table({"model_type": "gpt2", "n_layer": 2, "n_head": 3, "n_embd": 6, "architectures": ["GPT2LMHeadModel"]})
LENGTH = 5
PLACES = [ALL, FIRST, LAST, Position("index", index=2), Position("list", parts=(FIRST, Position("index", index=3)))]
ADDRESSES = [
    *(Address("m", (Part("layer", i), Part("head", j), Part("out"))) for i, j in product(range(2), range(3))),
    *(Address("m", (Part("layer", i), Part(name))) for i in range(2) for name in ("resid_in", "resid", "resid_mid")),
]
SITES = st.builds(Site, st.sampled_from(ADDRESSES), st.sampled_from(PLACES))
SETS = st.lists(SITES, min_size=1, max_size=6).map(lambda found: Items(tuple(dict.fromkeys(found))))
Point = tuple[str, int, int]


def places(position: Position) -> set[int]:
    ground = Ground(TABLE.towers[0], LENGTH, None, None, lambda name: None)
    return set(resolve(position, ground))


def points(found: Items) -> set[Point]:
    """What a set is, component by component and position by position."""
    out: set[Point] = set()
    for site in found.items:
        assert isinstance(site, Site)
        info = TABLE.info(site.address)
        out |= {(info.tensor, k, p) for k in range(info.start, info.stop) for p in places(site.position)}
    return out


@settings(max_examples=100, deadline=None)
@given(SETS, SETS)
def test_except_is_the_difference_of_sets(a: Items, b: Items) -> None:
    want = points(a) - points(b)
    try:
        got = difference(a, b, lambda name: TABLE, None)
    except DiagnosticError as problem:
        (code,) = {d.code for d in problem.diagnostics}
        assert (code, want) in (("CQ240", set()), ("CQ241", points(a)))
        return
    kept = [s for s in got.items if isinstance(s, Site)]
    # A position that is empty in a row is told there; it adds nothing to the set.
    assert set().union(*(_points(s) for s in kept)) == want


def _points(site: Site) -> set[Point]:
    try:
        return points(Items((site,)))
    except RowError:  # empty in this row
        return set()


HEAD_SETS = st.lists(
    st.builds(Site, st.sampled_from(ADDRESSES[:6]), st.sampled_from(PLACES)), min_size=1, max_size=5
).map(lambda found: Items(tuple(dict.fromkeys(found))))


@settings(max_examples=100, deadline=None)
@given(HEAD_SETS)
def test_outside_is_the_complement_among_the_sites_of_the_kind(a: Items) -> None:
    at = set().union(*(places(s.position) for s in a.items if isinstance(s, Site)))
    tensors = {f"layer[{i}].z" for i in range(2)}
    whole = {(t, k, p) for t in tensors for k in range(6) for p in at}
    try:
        got = outside(a, lambda name: TABLE, None)
    except DiagnosticError as problem:
        found = problem
    else:
        kept = [s for s in got.items if isinstance(s, Site)]
        assert set().union(*(_points(s) for s in kept)) == whole - points(a)
        return
    assert {d.code for d in found.diagnostics} == {"CQ240"}
    assert whole - points(a) == set()


def test_a_list_of_sites_is_a_union_and_other_lists_keep_what_they_have() -> None:
    a, b = Site(ADDRESSES[0], LAST), Site(ADDRESSES[1], LAST)
    assert union([a, b, a]) == (a, b)
    assert difference(Items((a, b)), a, lambda name: TABLE, None).items == (b,)


def test_one_tensor_by_two_names_is_one_site() -> None:
    leaving, entering = (
        Site(Address("m", (Part("layer", i), Part(name))), LAST) for i, name in ((0, "resid"), (1, "resid_in"))
    )
    with pytest.raises(DiagnosticError, match="CQ240"):
        difference(leaving, entering, lambda name: TABLE, None)


def test_a_part_of_a_site_is_not_taken_away() -> None:
    with pytest.raises(DiagnosticError) as caught:
        difference(Site(ADDRESSES[0], ALL), Site(ADDRESSES[0], Position("each")), lambda name: TABLE, None)
    assert caught.value.diagnostics[0].code == "CQ243"
