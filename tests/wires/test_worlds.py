"""Worlds of several wires and ordinary assignments, drawn at random; sums of wires; path patching written out."""

from __future__ import annotations

import random

import numpy as np
import pytest

from causalcircuit.query import ALL, FIRST, LAST, Assignment, Expr, Site, SiteTable, Wire, World, assignment, world_of
from causalcircuit.query.entangled import entanglements
from causalcircuit.query.wiring import shared_of, sublayer
from tests.truth.say import cell, do, index, op, site
from tests.truth.say import given as in_world
from tests.wires.conftest import Pair
from tests.wires.nodes import READOUT, sources, targets, wires

BOUND = 1e-9
PLACES = [ALL, ALL, LAST, index(2), FIRST]


def value(site_: Site, rng: random.Random) -> Expr:
    """What a site or wire is set to: a number, its own value changed, or its value in another world."""
    number = rng.choice([-1.0, 0.0, 0.3])
    match rng.randrange(3):
        case 0:
            return op(number, "*", 1.0)
        case 1:
            return op(op(site_, "*", number), "+", 0.1)
    return op(in_world(site_, do((site("layer[0].head[1].out", ALL), 0.5))), "*", number)


class Pool:
    """What worlds are drawn from."""

    def __init__(self, table: SiteTable) -> None:
        some = [w for w in wires(table, ALL, LAST) if isinstance(w.target, Site)]
        self.wires = [*wires(table, ALL, ALL), *wires(table, LAST, ALL), *some]
        ends = (t for t in targets(table) if isinstance(t, Site) and "final" not in str(t.address))
        self.fixed = [*sources(table), *(t for t in ends if shared_of(table, t.address) is None)]

    def world(self, rng: random.Random) -> World:
        """One to four wires, none to two ordinary assignments."""
        chosen = rng.sample(self.wires, rng.randint(1, 4))
        out = [Assignment(w, value(w.source, rng)) for w in chosen if isinstance(w.source, Site)]
        for s in rng.sample(self.fixed, rng.randint(0, 2)):
            placed = Site(s.address, rng.choice(PLACES))
            out.append(Assignment(placed, value(placed, rng)))
        return world_of(out)


def sound(made: Pair, made_world: World) -> bool:
    """Whether the checker takes it, and arithmetic by hand knows what every write has put into the stream."""
    seen: list[Site] = []
    for a in made_world.assignments:
        if isinstance(a.target, Site):
            info = made.model.sites.info(a.target.address)
            if any(info.overlaps(made.model.sites.info(s.address)) for s in seen):
                return False  # the business of other tests
            seen.append(a.target)
    table = made.model.sites
    for w in (a.target for a in made_world.assignments if isinstance(a.target, Wire)):
        assert isinstance(w.source, Site)
        here = table.info(w.source.address)
        writes = [table.info(s.address) for s in seen if s.address.path[-1].name == "out" and s != w.source]
        if any(sublayer(table, x) == sublayer(table, here) for x in writes):
            return False  # a part set as a whole passes nothing of its pieces on, which is not arithmetic on the stream
    return not list(entanglements(made_world, {"m": made.model.sites}))


def hold(made: Pair, seed: int, count: int) -> int:
    """Hold some random worlds; how many were sound."""
    rng, pool = random.Random(seed), Pool(made.model.sites)
    drawn = [cell(READOUT, w) for w in (pool.world(rng) for _ in range(count)) if sound(made, w)]
    drawn = [c for c in dict.fromkeys(drawn) if np.isfinite(made.truth(c)).all()]
    for c, gap in made.gaps(drawn).items():
        assert gap <= BOUND, "; ".join(map(assignment, c.world.assignments))
    return len(drawn)


ENDS = [
    ("layer[0].mlp.out", "layer[1].head[1].q", "layer[1].head[1].q"),
    ("layer[0].head[0].out", "layer[1].kv[0].v", "layer[1].kv[0].v"),
    ("layer[0].head[0].out", "layer[1].mlp.in", "layer[1].mlp.in"),
    ("layer[1].head[2].out", "layer[1].resid", "layer[1].resid"),
]
SHARED = [
    ("layer[0].mlp.out", "layer[1].head[0].v", "layer[1].kv[0].v"),
    ("layer[0].mlp.out", "layer[1].head[0].k", "layer[1].head[0].out"),
]


@pytest.mark.parametrize(
    ("name", "source", "end", "covering"),
    [("gpt2", *e) for e in ENDS] + [("llama", *e) for e in [*ENDS, *SHARED]],
)
def test_an_end_set_to_more_of_itself_takes_its_wire(
    name: str, source: str, end: str, covering: str, request: pytest.FixtureRequest
) -> None:
    made: Pair = request.getfixturevalue(name)
    cells = []
    for place in (ALL, LAST):
        whole, wire = site(covering, ALL), Wire(site(source, ALL), site(end, place))
        more = (whole, op(op(whole, "*", -0.7), "+", 0.1))
        cells += [cell(READOUT, do((wire, 0.3), more)), cell(READOUT, do(more))]
    for c, gap in made.gaps(cells).items():
        assert gap <= BOUND, "; ".join(map(assignment, c.world.assignments))
    assert np.abs(made.truth(cells[0]) - made.truth(cells[1])).min() > 1e-6


W = Wire
BESIDE = {
    # Beside a wire out of a neuron its part is held by what it reads; what is set in that part holds all the same.
    "a neuron beside a wire out of another": (
        (W(site("layer[0].head[2].out", ALL), site("final_norm", LAST)), 0.3),
        (W(site("layer[0].mlp.neuron[0]", ALL), site("layer[1].attn.in", LAST)), 0.1),
        (site("layer[0].mlp.neuron[7]", ALL), 0.7),
    ),
    "a part beside wires out of what it is made of": (
        (W(site("layer[0].mlp.out", ALL), site("layer[1].mlp.in", ALL)), 0.3),
        (W(site("embed", ALL), site("layer[1].head[0].q", ALL)), 0.1),
        (site("layer[0].mlp.neuron[7]", ALL), 0.7),
    ),
    "one head's keys in two layers": (
        (W(site("layer[0].head[2].out", ALL), site("layer[1].head[0].v", ALL)), 0.3),
        (W(site("layer[0].head[2].out", ALL), site("layer[2].head[1].v", ALL)), -0.4),
    ),
    "a head's keys, and those of its neighbour": (
        (W(site("embed", ALL), site("layer[1].head[0].k", ALL)), 0.3),
        (W(site("layer[0].mlp.out", ALL), site("layer[1].head[1].k", LAST)), 0.5),
        (W(site("layer[1].head[1].out", ALL), site("layer[2].head[3].k", ALL)), -0.4),
    ),
}


@pytest.mark.parametrize("case", BESIDE)
def test_assignments_beside_wires(case: str, llama: Pair) -> None:
    whole = cell(READOUT, do(*BESIDE[case]))
    assert max(llama.gaps([whole]).values()) <= BOUND
    for i in range(len(BESIDE[case])):  # each of them matters
        less = cell(READOUT, do(*BESIDE[case][:i], *BESIDE[case][i + 1 :]))
        assert np.abs(llama.truth(whole) - llama.truth(less)).max() > 1e-6


def test_a_part_set_as_a_whole_passes_nothing_on_to_any_end(llama: Pair) -> None:
    whole = (site("layer[0].attn.out", ALL), 0.3)
    one = (W(site("layer[0].head[1].out", ALL), site("layer[1].mlp.in", ALL)), 2.0)
    other = (W(site("layer[0].head[0].out", ALL), site("layer[2].resid", ALL)), -2.0)
    embed = (W(site("embed", ALL), site("final_norm", LAST)), 0.5)
    for wires_ in ((one,), (other,), (one, other)):
        both = cell(READOUT, do(whole, embed, *wires_)), cell(READOUT, do(whole, embed))
        found = llama.ask(both)
        assert np.abs(found[both[0]] - found[both[1]]).max() <= BOUND


@pytest.mark.parametrize("seed", range(4))
def test_random_worlds_of_gpt2(gpt2: Pair, seed: int) -> None:
    assert hold(gpt2, seed, 40) > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_many_random_worlds_of_gpt2(gpt2: Pair, seed: int) -> None:
    hold(gpt2, seed, 60)


@pytest.mark.parametrize("seed", [0, 3])
def test_random_worlds_of_llama(llama: Pair, seed: int) -> None:
    assert hold(llama, seed, 30) > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_many_random_worlds_of_llama(llama: Pair, seed: int) -> None:
    hold(llama, seed, 40)
