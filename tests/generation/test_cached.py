"""Kept keys and values: the same texts as running all anew, and only where that was shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from causalcircuit.engine import generate
from causalcircuit.models import Feed, cache_holds, cacheable
from causalcircuit.models.cached import Cached
from causalcircuit.query import ALL, LAST, Cell, Generated, Position, World
from tests.generation.hooked import prompt_of
from tests.truth.ask import Engine
from tests.truth.say import cell, do, feed, op, patch, row, site, together

NEW = Position("new")
TEXTS = [Generated("m", 9), Generated("m", 9, 0.9, 4)]


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Callable[[Engine, list[Cell]], tuple[list[bool], Any, Any]]:
    """A question answered both ways, and whether the first way was the cached one, batch by batch."""

    def ask(made: Engine, cells: list[Cell]) -> tuple[list[bool], Any, Any]:
        told: list[bool] = []
        own = generate._keeps
        with monkeypatch.context() as patched:
            patched.setattr(generate, "_keeps", lambda *a: told.append(own(*a)) or told[-1])
            first = made.ask(cells)
        with monkeypatch.context() as patched:
            patched.setattr(generate, "_keeps", lambda *_: False)
            second = made.ask(cells)
        return told, first, second

    return ask


def halved(address: str, position: Position) -> World:
    target = site(address, position)
    return do((target, op(target, "*", -0.5)))


@pytest.mark.parametrize(
    "address",
    ["embed", "layer[0].resid_mid", "layer[0].head[1].out", "layer[1].mlp.neuron[3]", "layer[1].resid", "final_norm"],
)
@pytest.mark.parametrize("position", [LAST, NEW, together(LAST, NEW), ALL, together(ALL, NEW)], ids=str)
def test_both_ways_agree(text: Engine, ways: Any, address: str, position: Position) -> None:
    cells = [cell(t, halved(address, position)) for t in TEXTS]
    told, first, second = ways(text, cells)
    assert told == [True]
    assert all(list(first[c]) == list(second[c]) for c in cells)


def test_of_a_captioner_too(scenes: Engine, ways: Any) -> None:
    """What is assigned in the image's tower stays in the keys and values of the cross-attention."""
    eye = site("encoder.layer[0].resid", patch(3))
    worlds = [
        World(),
        do((feed("image"), row("office"))),
        do((eye, op(eye, "*", -5))),
        halved("decoder.layer[0].cross.head[2].out", together(ALL, NEW)),
        halved("decoder.layer[1].resid", together(LAST, NEW)),
    ]
    cells = [cell(t, w) for t in TEXTS for w in worlds]
    told, first, second = ways(scenes, cells)
    assert told == [True]
    assert all(list(first[c]) == list(second[c]) for c in cells)
    assert any(list(first[cells[0]]) != list(first[c]) for c in cells[2:5])


@pytest.mark.parametrize("what", ["head[1].q", "kv[1].k", "kv[1].v"])
def test_keys_and_values_that_are_assigned_are_not_kept(text: Engine, ways: Any, what: str) -> None:
    """They are kept as they come, before the assignment: kept, they would forget it."""
    cells = [cell(t, halved(f"layer[0].{what}", together(ALL, NEW))) for t in TEXTS]
    told, first, second = ways(text, cells)
    assert told == [False]
    assert all(list(first[c]) == list(second[c]) for c in cells)


def feeds(made: Engine) -> list[Feed]:
    return [Feed(prompt_of(made, i)) for i in range(made.data.n)]


FAULTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "positions off by one": lambda k: {**k, "position_ids": k["position_ids"] + 1},
    "padding that is seen": lambda k: {**k, "attention_mask": torch.ones_like(k["attention_mask"])},
    "another token": lambda k: {**k, "input_ids": (k["input_ids"] + 1) % 200},
    "nothing kept": lambda k: {n: v for n, v in k.items() if n != "past_key_values"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_cache_that_differs_is_not_used(text: Engine, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    assert cacheable(text.model)
    assert cache_holds(text.model, feeds(text))
    own = Cached.feed

    def wrong(self: Cached, tokens: Any) -> Any:
        batch = own(self, tokens)
        return replace(batch, keywords=FAULTS[fault](batch.keywords))

    monkeypatch.setattr(Cached, "feed", wrong)
    assert not cache_holds(text.model, feeds(text))
