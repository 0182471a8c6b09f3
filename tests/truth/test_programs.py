"""Properties over random worlds: engine and brute force agree, and identities that hold whatever the world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import ALL, FIRST, LAST, Expr, Readout, Site, World, unite
from tests.truth import say
from tests.truth.ask import Engine, disagreement, engine
from tests.truth.brute import Brute
from tests.truth.cases import OFFICE, OTHER, TINY_CAPTIONER, TINY_GPT2
from tests.truth.programs import Stage, conflict, worlds
from tests.truth.say import cell, do, feed, index, masked, patch, read, row, site, together, token, within

NAME = token(within("name", "clean"), within("stranger", "other"))
GPT2 = Stage(TINY_GPT2.nodes, {"": (LAST, FIRST, index(-3), together(FIRST, index(2), LAST), NAME)}, (OTHER,), "dose")
PICTURES = (FIRST, patch(6), masked("inside", "mask"), masked("outside", "mask"), together(patch(3), patch(9)))
CAPTIONER = Stage(
    TINY_CAPTIONER.nodes,
    {"encoder": PICTURES, "decoder": (FIRST, LAST)},
    (OFFICE, do((feed("prefix"), row("begin")))),
)
READOUTS = st.sampled_from(
    [read("logit", row("answer")), read("logprob", " gave a"), read("prob", " Mary", " John", " Tom gave")]
)


@pytest.fixture(scope="module")
def gpt2_engine(folder: Path, gpt2: Brute) -> Engine:
    return engine(folder / "gpt2", folder / "prompts.jsonl", gpt2.feeds)


@pytest.fixture(scope="module")
def captioner_engine(folder: Path, captioner: Brute) -> Engine:
    return engine(folder / "captioner", folder / "scenes.jsonl", captioner.feeds)


def agree(made: Engine, brute: Brute, one: World, other: World, readout: Readout) -> None:
    """Both worlds and their union (where that is a world) in one plan, against the brute force."""
    assume(not conflict(brute, one) and not conflict(brute, other))
    asked = [cell(readout, one), cell(readout, other)]
    targets = [a.target for a in (*one.assignments, *other.assignments)]
    if len(set(targets)) == len(targets) and not conflict(brute, unite(one, other)):
        asked.append(cell(readout, unite(one, other)))
    got = made.ask(asked)
    for c in asked:
        assert disagreement(got[c], brute, c) < 1e-9


@given(worlds(GPT2), worlds(GPT2), READOUTS)
@settings(max_examples=15)
def test_random_worlds_of_gpt2(gpt2_engine: Engine, gpt2: Brute, one: World, other: World, readout: Readout) -> None:
    agree(gpt2_engine, gpt2, one, other, readout)


@given(worlds(CAPTIONER), worlds(CAPTIONER), READOUTS)
@settings(max_examples=10)
def test_random_worlds_of_the_captioner(
    captioner_engine: Engine, captioner: Brute, one: World, other: World, readout: Readout
) -> None:
    agree(captioner_engine, captioner, one, other, readout)


@pytest.mark.slow
@given(worlds(GPT2, depth=3), worlds(GPT2, depth=3), READOUTS)
@settings(max_examples=300)
def test_many_random_worlds_of_gpt2(
    gpt2_engine: Engine, gpt2: Brute, one: World, other: World, readout: Readout
) -> None:
    agree(gpt2_engine, gpt2, one, other, readout)


@pytest.mark.slow
@given(worlds(CAPTIONER, depth=3), worlds(CAPTIONER, depth=3), READOUTS)
@settings(max_examples=300)
def test_many_random_worlds_of_the_captioner(
    captioner_engine: Engine, captioner: Brute, one: World, other: World, readout: Readout
) -> None:
    agree(captioner_engine, captioner, one, other, readout)


# ---------------------------------------------------------------------- overlaps

CROWDED = Stage(
    ("layer[0].resid", "layer[1].resid_in", "layer[1].head[0].out", "layer[1].head[1].out"), GPT2.places, (OTHER,)
)


@given(worlds(CROWDED, depth=1), worlds(CROWDED, depth=0))
@settings(max_examples=60)
def test_overlaps_are_refused_just_where_neither_lies_inside_the_other(
    gpt2_engine: Engine, gpt2: Brute, one: World, other: World
) -> None:
    assume(len({a.target for w in (one, other) for a in w.assignments}) == len(one.assignments + other.assignments))
    world = unite(one, other)
    asked = cell(TINY_GPT2.readout, world)
    event(f"refused: {conflict(gpt2, world)}")
    if conflict(gpt2, world):
        with pytest.raises(DiagnosticError) as caught:
            gpt2_engine.ask([asked])
        assert {d.code for d in caught.value.diagnostics} == {"CQ351"}
    else:
        assert np.isfinite(gpt2_engine.ask([asked])[asked]).all()


# ---------------------------------------------------------------------- patching what the readout reads

BEFORE_LAST_NORM = Stage(GPT2.addresses[:-1], GPT2.places, GPT2.feeds, GPT2.numbers)


@given(
    worlds(BEFORE_LAST_NORM),
    st.sampled_from(["layer[1].resid", "final_norm"]),
    READOUTS.filter(lambda r: r.kind == "logit"),
)
@settings(max_examples=15)
def test_patching_all_that_the_readout_reads_gives_its_value_there(
    gpt2_engine: Engine, gpt2: Brute, world: World, address: str, readout: Readout
) -> None:
    """A logit at `last` reads the last stream at `last` alone, whatever the world did before it."""
    assume(not conflict(gpt2, world))
    cut = site(address, LAST)
    patched = do((cut, say.given(cut, world)))
    got = gpt2_engine.ask([cell(readout, world), cell(readout, patched)])
    assert np.abs(got[cell(readout, world)] - got[cell(readout, patched)]).max() < 1e-9


@given(worlds(CAPTIONER), READOUTS)
@settings(max_examples=10)
def test_patching_all_that_the_captioner_reads_gives_its_value_there(
    captioner_engine: Engine, captioner: Brute, world: World, readout: Readout
) -> None:
    """The decoder reads the picture through `encoder.out`, and its own world otherwise."""
    pictures = World(tuple(a for a in world.assignments if in_encoder(a.target)))
    assume(not conflict(captioner, world))
    cut = site("encoder.out", ALL)
    patched = do((cut, say.given(cut, pictures)))
    got = captioner_engine.ask([cell(readout, pictures), cell(readout, patched)])
    assert np.abs(got[cell(readout, pictures)] - got[cell(readout, patched)]).max() < 1e-9


def in_encoder(target: Expr) -> bool:
    return target == feed("image") or (isinstance(target, Site) and target.address.path[0].name == "encoder")


@given(worlds(GPT2), READOUTS)
@settings(max_examples=10)
def test_a_world_is_its_own_counterfactual(gpt2_engine: Engine, gpt2: Brute, world: World, readout: Readout) -> None:
    """`(V | w)` asked in any world is `V` asked in w, and a plan of many worlds gives what a plan of one gives."""
    assume(not conflict(gpt2, world))
    many = gpt2_engine.ask([cell(readout, w) for w in (do(), OTHER, world)])
    alone = gpt2_engine.ask([cell(readout, world)])
    assert np.abs(many[cell(readout, world)] - alone[cell(readout, world)]).max() < 1e-12
