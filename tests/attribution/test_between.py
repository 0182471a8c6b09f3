"""The wires between some nodes: of all that a model has, those that leave one and end in what one reads by."""

from __future__ import annotations

import numpy as np

from causalcircuit.attribution.streams import Streams
from causalcircuit.attribution.walk import wiring_of
from tests.truth.say import site
from tests.wires.conftest import Pair, doubles, gpt2, llama  # noqa: F401  fixtures


def named(pair: Pair, *over: str) -> set[str]:
    wiring = wiring_of(Streams.of(pair.model))
    chosen = np.flatnonzero(wiring.between([site(s) for s in over]))
    return {f"{wiring.source(i).address.local} -> {getattr(wiring.target(i), 'address', 'Y')}" for i in chosen.tolist()}


def test_heads_read_by_their_own(gpt2: Pair) -> None:  # noqa: F811
    found = named(gpt2, "layer[0].head[1].out", "layer[1].head[1].out")
    reads = {f"layer[0].head[1].out -> m.layer[1].head[1].{x}" for x in "qkv"}
    assert found == reads | {f"layer[{i}].head[1].out -> Y" for i in (0, 1)}


def test_heads_that_share_keys_read_by_those_of_their_group(llama: Pair) -> None:  # noqa: F811
    tower = llama.model.sites.towers[0]
    each = tower.heads // tower.groups
    assert each > 1
    head = tower.heads - 1
    assert head != head // each
    found = named(llama, "layer[0].head[0].out", f"layer[1].head[{head}].out")
    reads = {f"layer[1].head[{head}].q", *(f"layer[1].kv[{head // each}].{x}" for x in "kv")}
    assert {f.split(" -> m.")[1] for f in found if not f.endswith("Y")} == reads
