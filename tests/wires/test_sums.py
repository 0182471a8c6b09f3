"""What wires add up to: all of them together are the node itself; a path is patched as the literature patches it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from causalcircuit.query import ALL, LAST, DataRef, Expr, Position, Readout, Site, SiteTable, Wire, World
from causalcircuit.query.wiring import end_of, obstacle
from causalcircuit.rows import load
from tests.truth import tiny
from tests.truth.say import cell, do, feed, given, op, read, row, site
from tests.wires.conftest import Pair
from tests.wires.nodes import READOUT

BOUND = 1e-9
SOURCES = ("embed", "layer[0].head[1].out", "layer[0].attn.out", "layer[0].mlp.out", "layer[0].mlp.neuron[7]")
OTHER = do((feed("input"), row("other")))


def later_reads(table: SiteTable, position: Position = ALL) -> list[Expr]:
    """Everything that reads the stream, each read once."""
    (tower,) = table.towers
    found: list[Expr] = [READOUT]
    for i in range(tower.layers):
        at = f"layer[{i}]"
        found += [site(f"{at}.head[{j}].q", position) for j in range(tower.heads)]
        found += [site(f"{at}.kv[{j}].{x}", position) for j in range(tower.groups) for x in "kv"]
        found.append(site(f"{at}.mlp.in", position))
    return found


def all_out_of(table: SiteTable, source: Site, value: Expr) -> World:
    """Every wire out of a node takes this value."""
    info = table.info(source.address)
    ends = [e for e in later_reads(table) if not obstacle(table, info, end_of(table, e))]
    assert len(ends) > 3
    return do(*((Wire(source, e), value) for e in ends))


@pytest.mark.parametrize("place", [ALL, LAST], ids=str)
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_all_wires_out_of_a_node_are_the_node(name: str, place: Position, request: pytest.FixtureRequest) -> None:
    made: Pair = request.getfixturevalue(name)
    pairs = []
    for address in SOURCES:
        node = site(address, place)
        value = op(op(node, "*", -0.5), "+", 0.2)
        pairs.append((cell(READOUT, do((node, value))), cell(READOUT, all_out_of(made.model.sites, node, value))))
    found = made.ask([cell(READOUT), *(c for pair in pairs for c in pair)])
    for (whole, parts), address in zip(pairs, SOURCES, strict=True):
        assert np.abs(found[whole] - found[parts]).max() <= BOUND, address
        assert np.abs(found[whole] - found[cell(READOUT)]).min() > 1e-5, address


class Hooked:
    """A GPT-2 run with torch's hooks: `z`, what each head has made; `qkv`; and what each MLP writes."""

    def __init__(self, made: Pair) -> None:
        self.hf: Any = made.model.hf
        self.blocks = self.hf.transformer.h
        self.heads = self.hf.config.n_head
        self.width = self.hf.config.n_embd // self.heads

    def run(self, ids: Tensor, put: dict[str, Callable[[Tensor], Tensor]]) -> tuple[dict[str, Tensor], Tensor]:
        seen: dict[str, Tensor] = {}

        def visit(name: str, x: Tensor) -> Tensor:
            new = put[name](x.clone()) if name in put else x
            seen[name] = new.clone()
            return new

        handles = []
        for i, block in enumerate(self.blocks):
            handles.append(
                block.attn.c_proj.register_forward_pre_hook(lambda _m, args, i=i: (visit(f"z{i}", args[0]), *args[1:]))
            )
            handles.append(block.attn.c_attn.register_forward_hook(lambda _m, _a, out, i=i: visit(f"qkv{i}", out)))
            handles.append(block.mlp.register_forward_hook(lambda _m, _a, out, i=i: visit(f"mlp{i}", out)))
        try:
            with torch.no_grad():
                logits = self.hf(ids[None]).logits[0]
        finally:
            for handle in handles:
                handle.remove()
        return seen, logits

    def part(self, head: int, side: int = 0) -> slice:
        start = (side * self.heads + head) * self.width
        return slice(start, start + self.width)

    def patched(
        self, clean: Tensor, corrupt: Tensor, sender: tuple[int, int], receiver: tuple[int, int, int]
    ) -> Tensor:
        """Path patching in three steps (Wang et al. 2022, with MLPs held as well): logits of the last pass."""
        facts, _ = self.run(clean, {})
        others, _ = self.run(corrupt, {})
        layer, head = sender

        def freeze(i: int) -> Callable[[Tensor], Tensor]:
            def frozen(_: Tensor) -> Tensor:
                out = facts[f"z{i}"].clone()
                if i == layer:
                    out[..., self.part(head)] = others[f"z{i}"][..., self.part(head)]
                return out

            return frozen

        held = {f"z{i}": freeze(i) for i in range(len(self.blocks))}
        held |= {f"mlp{i}": lambda _, i=i: facts[f"mlp{i}"] for i in range(len(self.blocks))}
        seen, logits = self.run(clean, held)
        if receiver[0] == len(self.blocks):
            return logits
        i, j, side = receiver

        def received(x: Tensor) -> Tensor:
            x[..., self.part(j, side)] = seen[f"qkv{i}"][..., self.part(j, side)]
            return x

        return self.run(clean, {f"qkv{i}": received})[1]


LINES = [
    {"clean": "Then Mary met John and Mary gave a drink to", "other": "Then John met Mary and Mary gave a drink to"},
    {"clean": "In the park Tom said it to", "other": "In the Tom park said it to"},
]


def test_path_patching(gpt2: Pair, tmp_path: Path) -> None:
    hooked = Hooked(gpt2)
    data = load(DataRef("d", "jsonl", tiny.write_lines(tmp_path / "p.jsonl", LINES), (("prompt", row("clean")),)))
    readout = read("logit", " Mary")
    (token,) = gpt2.model.tokenizer.encode(" Mary", add_special_tokens=False)
    asked: dict[tuple[tuple[int, int], tuple[int, int, int]], Any] = {}
    for j in range(hooked.heads):
        sender = site(f"layer[0].head[{j}].out", ALL)
        for k in range(hooked.heads):
            for side, x in enumerate("qkv"):
                end: Expr = site(f"layer[1].head[{k}].{x}", ALL)
                asked[(0, j), (1, k, side)] = cell(readout, do((Wire(sender, end), given(sender, OTHER))))
        for i in (0, 1):
            node = site(f"layer[{i}].head[{j}].out", ALL)
            asked[(i, j), (2, 0, 0)] = cell(readout, do((Wire(node, readout), given(node, OTHER))))
    found = Pair(gpt2.model, data, []).ask([cell(readout), *asked.values()])
    moved = 0
    for at, line in enumerate(LINES):
        clean, other = (torch.tensor(gpt2.model.tokenizer(line[c]).input_ids) for c in ("clean", "other"))
        assert len(clean) == len(other)
        for (sender_, receiver), asked_cell in asked.items():
            truth = float(hooked.patched(clean, other, sender_, receiver)[-1, token])
            assert abs(found[asked_cell][at] - truth) <= BOUND, (sender_, receiver)
            moved += abs(truth - found[cell(readout)][at]) > 1e-6
    assert moved > 0.8 * len(asked) * len(LINES)


def test_a_readout_is_not_read_by_its_own_wires_twice(gpt2: Pair) -> None:
    """Two readouts in one end are one end: arithmetic on them moves as each alone does."""
    node = site("layer[0].mlp.out", ALL)
    other = Readout(READOUT.model, "logit", row("name"), LAST)
    both = do((Wire(node, op(READOUT, "-", other)), 0.0))
    alone = do((Wire(node, READOUT), 0.0))
    found = gpt2.ask([cell(READOUT, both), cell(READOUT, alone), cell(READOUT)])
    assert np.abs(found[cell(READOUT, both)] - found[cell(READOUT, alone)]).max() <= BOUND
    assert np.abs(found[cell(READOUT, both)] - found[cell(READOUT)]).min() > 1e-5
