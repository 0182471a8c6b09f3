"""The wiring against models that run: what no route joins is not moved by a single bit, what one joins is moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from causalcircuit.check import sites
from causalcircuit.query import Site
from causalcircuit.query.wired import Wired, listing
from causalcircuit.runs import check_text, run_program

TEXT = (
    'model m = hf("./gpt2") with dtype = float64\ndata d = jsonl("./prompts.jsonl") with prompt = row.clean\n',
    (
        *("m.layer[0].head[0].q @ 2", "m.layer[0].head[0].k @ 0", "m.layer[0].head[0].out @ 0"),
        *("m.layer[0].head[1].out @ 2", "m.layer[0].mlp.neuron[3] @ 1", "m.layer[0].resid_mid @ 2"),
        *("m.layer[1].head[0].v @ 0", "m.layer[1].head[1].out @ 2", "m.layer[1].attn.out @ 1"),
        *("m.layer[1].mlp.out @ 2", "m.final_norm @ 1"),
    ),
)
SEEN = (
    'model m = hf("./captioner") with dtype = float64\ndata d = jsonl("./scenes.jsonl") with prefix = "a"\n',
    (
        *("m.encoder.layer[0].head[0].out @ 1", "m.encoder.layer[0].mlp.out @ 2", "m.encoder.out @ 3"),
        *("m.decoder.layer[0].head[0].out @ last", "m.decoder.layer[0].cross.head[0].k @ 2"),
        *("m.decoder.layer[0].cross.head[1].out @ last", "m.decoder.layer[0].mlp.out @ last"),
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize(("head", "places"), [TEXT, SEEN], ids=["text", "captioner"])
def test_what_no_route_joins_is_not_moved(folder: Path, head: str, places: tuple[str, ...]) -> None:
    feeds = head if "captioner" not in head else head.replace("prefix", "image = row.kitchen, prefix")
    nodes = "".join(f"node N{i} = {place}\n" for i, place in enumerate(places))
    pairs = [(i, j) for i in range(len(places)) for j in range(len(places)) if i != j]
    asked = ", ".join(f"E[norm(N{j}) | do(N{i} = 0)] - E[norm(N{j})]" for i, j in pairs)
    program = check_text(f"{feeds}{nodes}estimate {asked} on d as population\n", folder=folder)
    found = {name: e for e, name in check_text(feeds + nodes, folder=folder).names.items() if isinstance(e, Site)}
    wired = Wired(sites(program.models["m"]), listing((f"N{i}", found[f"N{i}"]) for i in range(len(places))))
    effects = [e.value for e in run_program(program, keep="off").estimates]
    joined = [(i, j) for (i, j), effect in zip(pairs, effects, strict=True) if effect]
    below = {(i, j) for i, j in pairs if wired.below[i] >> j & 1}
    assert set(joined) <= below
    assert len(joined) > 0.9 * len(below)
