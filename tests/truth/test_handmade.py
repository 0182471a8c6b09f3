"""Brute force and engine against closed forms, on the model whose weights were set by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from causalcircuit.query import ALL, FIRST, LAST
from tests.truth.ask import Engine, engine
from tests.truth.brute import Brute
from tests.truth.handmade import DEAF, MUTE, READ_AT_LAST, ROWS, logits, neuron, shares
from tests.truth.say import cell, do, feed, given, index, mean, op, read, row, site

HEAD = site("layer[0].head[1].out", LAST)
NEURON = site("layer[1].mlp.neuron[0]", LAST)
CORRUPT = do((feed("input"), row("corrupt")))


def average(column: str) -> tuple[float, float]:
    both = [shares(r[column]) for r in ROWS]
    return sum(a for a, _ in both) / len(ROWS), sum(b for _, b in both) / len(ROWS)


def expected() -> dict[str, tuple]:
    """By name: a world, and the closed form of its two logits from the texts of a row."""
    mixed = do((HEAD, given(HEAD, CORRUPT)), (NEURON, given(NEURON, do())))
    relay = do((HEAD, given(HEAD, CORRUPT)))
    middle = do((site("layer[0].resid", LAST), given(site("layer[0].resid", LAST), CORRUPT)))
    first_gone = do((site("embed", FIRST), 0))
    return {
        "factual": (do(), lambda c, x: logits(*shares(c))),
        "other input": (CORRUPT, lambda c, x: logits(*shares(x))),
        "zero": (do((HEAD, 0)), lambda c, x: (0.0, 0.0)),
        "number": (do((NEURON, 0.7)), lambda c, x: logits(*shares(c), u=0.7)),
        "scaled": (do((HEAD, op(HEAD, "*", 2))), lambda c, x: logits(*(2 * s for s in shares(c)))),
        "mean": (do((HEAD, mean(HEAD))), lambda c, x: logits(*average("clean"))),
        "mean elsewhere": (do((HEAD, mean(given(HEAD, CORRUPT)))), lambda c, x: logits(*average("corrupt"))),
        "interchange": (relay, lambda c, x: logits(*shares(x))),
        "direct": (mixed, lambda c, x: logits(*shares(x), u=neuron(*shares(c)))),
        "indirect": (do((NEURON, given(NEURON, CORRUPT))), lambda c, x: logits(*shares(c), u=neuron(*shares(x)))),
        "nested": (do((NEURON, given(NEURON, relay))), lambda c, x: logits(*shares(c), u=neuron(*shares(x)))),
        "stream": (middle, lambda c, x: logits(*shares(x))),
        "token": (first_gone, lambda c, x: logits(*_less_first(c))),
        "last norm": (do((site("final_norm"), 0)), lambda c, x: (0.0, 0.0)),
    }


def _less_first(text: str) -> tuple[float, float]:
    """Shares where the first token's embedding is 0: it is averaged over, and holds nothing."""
    return shares(text.replace("A" if text[0] == "A" else "B", "END", 1))


@pytest.mark.parametrize("name", expected())
def test_brute_force_gives_the_closed_form(handmade_brute: Brute, name: str) -> None:
    world, closed = expected()[name]
    for i, texts in enumerate(ROWS):
        got = [handmade_brute.cell(i, cell(read("logit", word), world)) for word in ("A", "B")]
        assert got == pytest.approx(closed(texts["clean"], texts["corrupt"]), abs=1e-12), texts


@pytest.fixture(scope="module")
def asked(folder: Path, handmade_brute: Brute) -> Engine:
    return engine(folder / "handmade", folder / "handmade.jsonl", handmade_brute.feeds)


@pytest.mark.parametrize("name", expected())
def test_engine_gives_the_closed_form(asked: Engine, name: str) -> None:
    world, closed = expected()[name]
    cells = [cell(read("logit", word), world) for word in ("A", "B")]
    got = asked.ask(cells)
    wanted = np.array([closed(texts["clean"], texts["corrupt"]) for texts in ROWS])
    for k, c in enumerate(cells):
        assert got[c] == pytest.approx(wanted[:, k], abs=1e-12)


def test_engine_gives_closed_forms_of_all_worlds_at_once(asked: Engine) -> None:
    worlds = expected()
    got = asked.ask(cell(read("logit", word), w) for w, _ in worlds.values() for word in ("A", "B"))
    for world, closed in worlds.values():
        for k, word in enumerate(("A", "B")):
            wanted = [closed(texts["clean"], texts["corrupt"])[k] for texts in ROWS]
            assert got[cell(read("logit", word), world)] == pytest.approx(wanted, abs=1e-12)


def test_effects_of_dead_nodes_are_exactly_zero_in_the_engine(asked: Engine) -> None:
    """Hundreds of (row, world) pairs share batches here, and no bit of a logit may depend on its neighbours.

    What is shared between worlds changes shapes of products, and with them the last bit.
    """
    worlds = []
    for address in (*MUTE, *DEAF):
        node, last = site(address), site(address, LAST)
        worlds += [do((node, 0)), do((last, mean(last))), do((last, given(last, CORRUPT)))]
        worlds += [do((node, mean(node, pooled=True)))]
        if address in MUTE:
            worlds += [do((node, 3.5)), do((node, op(node, "-", 2)))]
    cells = [cell(read("logit", word), w) for w in [do(), *worlds] for word in ("A", "B")]
    whole, shared = asked.ask(cells, how="naive"), asked.ask(cells)
    for word in ("A", "B"):
        factual = cell(read("logit", word))
        for world in worlds:
            effects = whole[cell(read("logit", word), world)] - whole[factual]
            assert effects.tolist() == [0.0] * len(ROWS), world
            assert abs(shared[cell(read("logit", word), world)] - shared[factual]).max() <= 1e-15, world


@pytest.mark.parametrize("address", [*MUTE, *DEAF])
def test_dead_nodes_change_no_bit(handmade_brute: Brute, address: str) -> None:
    node = site(address)
    values = [0, given(site(address, LAST), CORRUPT), mean(site(address), pooled=True)]
    for i in range(len(ROWS)):
        factual = handmade_brute.cell(i, cell(read("logit", "A")))
        for value in values + [3.5, op(node, "-", 2)] * (address in MUTE):
            target = site(address, LAST) if value is values[1] else node
            assert handmade_brute.cell(i, cell(read("logit", "A"), do((target, value)))) == factual


@pytest.mark.parametrize("address", DEAF)
def test_what_is_deaf_is_not_mute(handmade_brute: Brute, address: str) -> None:
    loud = 0.5 if "head" in address else site("embed", FIRST)  # a shift of the whole stream is undone by the norms
    worlds = (do(), do((site(address, LAST), loud)))
    factual, changed = (handmade_brute.cell(1, cell(read("logit", "A"), w)) for w in worlds)
    assert changed != factual


@pytest.mark.parametrize("address", READ_AT_LAST)
def test_what_only_the_last_position_reads_is_dead_elsewhere(handmade_brute: Brute, address: str) -> None:
    worlds = (do(), do((site(address, index(2)), 3.5)), do((site(address, ALL), 3.5)))
    factual, before, everywhere = (handmade_brute.cell(1, cell(read("logit", "A"), w)) for w in worlds)
    assert before == factual
    assert everywhere != factual
