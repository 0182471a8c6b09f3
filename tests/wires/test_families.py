"""Wires of other families: the stream at the end by arithmetic or by its norms, then what the model itself makes of it.

The contribution of a write is seen where the model adds it. The stream at B is that of the factual pass, with the
change carried there past everything between: a difference where blocks add, the block's own norms where they norm the
stream. What B makes of that stream is read off a pass that is given it, and put into the factual pass.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import Feed, LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import ALL, LAST, DataRef, ModelRef, Text, Wire
from causalcircuit.rows import load
from tests.families import folder_of, named
from tests.truth import tiny
from tests.truth.say import M, cell, do, op, read, row, site

PROMPT = "the old king said no"
BOUND = 1e-9
FAMILIES = ("olmo2", "gpt_neox", "falcon", "granite", "bert", "t5", "bart")


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, doubles: None) -> Any:
    name = request.param
    folder = Path(folder_of(name, tmp_path_factory))
    model = load_model(ModelRef(M, f"./{name}", folder, dtype="float64"))
    feeds: dict[str, Any] = {"prompt": row("prompt")}
    if named(name).kind == "encoder-decoder":
        feeds["prefix"] = Text("The king gave a")
    file = tiny.write_lines(tmp_path_factory.mktemp("rows") / "d.jsonl", [{"prompt": PROMPT}])
    return model, load(DataRef("d", "jsonl", file, tuple(feeds.items()))), named(name)


class Passes:
    """Raw passes of one row through the taps: tensors are written and read, and nothing is planned."""

    def __init__(self, model: LoadedModel, data: Any) -> None:
        (setup,) = prepare(make_plan([cell(read("logit", "book"))], data), {M: model}, data).setups
        ids = None if setup.prompts is None else list(setup.prompts[0].ids)
        self.model = model
        self.batch = model.batch([Feed(ids, None if setup.sources is None else setup.sources[0].ids, {})])
        self.token = model.tokenizer("book", add_special_tokens=False).input_ids[0]

    def run(self, put: dict[str, Callable[[Tensor], Tensor]], keep: set[str]) -> tuple[dict[str, Tensor], float]:
        seen: dict[str, Tensor] = {}

        def visit(name: str, tensor: Tensor) -> Tensor:
            new = put[name](tensor.clone()) if name in put else tensor
            if name in keep:
                seen[name] = new.clone()
            return new

        with torch.inference_mode():
            logits = self.model.forward(self.batch, {*put, *keep}, visit)
        return seen, float(logits[0, -1, self.token])


def expected(passes: Passes, facts: Any, prefix: str, tensor: str, part: slice, layer: int, end: str) -> float:
    """The readout where the wire into `end` takes half of the source, less 0.1, turned round."""
    model, tower = passes.model, passes.model.sites.tower(prefix.rstrip("."))
    norm, count = facts.norm, tower.layers
    fact = {f"{prefix}resid[{i}]" for i in range(count + 1)}
    fact |= {f"{prefix}layer[{i}].{x}" for i in range(count) for x in ("attn.out", "mlp.out")}
    if not tower.parallel:
        fact |= {f"{prefix}layer[{i}].resid_mid" for i in range(count)}
    if tower.cross:
        fact |= {f"{prefix}layer[{i}].cross.out" for i in range(count)}
    was, _ = passes.run({}, fact)

    def turned(x: Tensor) -> Tensor:
        x[:, part] = x[:, part] * -0.5 + 0.1
        return x

    now, _ = passes.run({tensor: turned}, fact)
    attention = not tensor.endswith(("mlp.out", "mlp.neurons"))
    at = f"{prefix}layer[{layer}]."
    first = f"{at}resid_mid" if attention and not tower.parallel else f"{prefix}resid[{layer + 1}]"
    target = int(end.split("[")[1].split("]")[0]) if "[" in end else count
    late = end.endswith("mlp.in") and not tower.parallel
    goal = f"{prefix}layer[{target}].resid_mid" if late else f"{prefix}resid[{target}]"
    if norm == "post":
        stack = next(s for s in model.stacks if s.tower.name == tower.name)
        x, i = now[first], layer
        with torch.inference_mode():
            if attention and goal != first:
                mid = x + was[f"{at}mlp.out"]
                x, i = stack.blocks[i].norms[-1](mid), i + 1
            elif not attention:
                i += 1
            while goal not in (f"{prefix}resid[{i}]", first):
                x = _reader(stack.blocks[i])(x + was[f"{prefix}layer[{i}].attn.out"])
                if goal == f"{prefix}layer[{i}].resid_mid":
                    break
                x, i = stack.blocks[i].norms[-1](x + was[f"{prefix}layer[{i}].mlp.out"]), i + 1
        stream = x
    else:
        stream = was[goal] + now[first] - was[first]
    if not end:
        return passes.run({goal: lambda _: stream}, set())[1]
    name = f"{prefix}{end.rsplit('.', 2)[0]}.{end[-1]}" if ".head[" in end or ".kv[" in end else f"{prefix}{end}"
    given, _ = passes.run({goal: lambda _: stream}, {name})
    info = model.sites.info(site(f"{prefix}{end}").address)

    def placed(x: Tensor) -> Tensor:
        x[:, info.start : info.stop] = given[name][:, info.start : info.stop]
        return x

    return passes.run({name: placed}, set())[1]


def _reader(block: Any) -> Any:
    """The norm of the stream after attention."""
    return block.reader


def test_wires_of_a_family(family: Any) -> None:
    model, data, known = family
    passes = Passes(model, data)
    encodes = known.kind == "encoder-decoder"
    facts = known.facts.towers[0]
    prefix = "encoder." if encodes else ""
    tower = model.sites.tower(prefix.rstrip("."))
    ends = [
        f"layer[{tower.layers - 1}].head[1].q",
        f"layer[{tower.layers - 1}].kv[0].k",
        f"layer[{tower.layers - 1}].mlp.in",
    ]
    ends += [f"layer[{tower.layers - 1}].kv[1].v"] + ([] if encodes else [""])
    width = tower.head_dim
    starts = [
        ("layer[0].head[1].out", "layer[0].z", slice(width, 2 * width)),
        ("layer[0].attn.out", "layer[0].attn.out", slice(None)),
        ("layer[0].mlp.out", "layer[0].mlp.out", slice(None)),
        ("layer[0].mlp.neuron[3]", "layer[0].mlp.neurons", slice(3, 4)),
    ]
    readout = read("logit", "book", position=LAST)
    asked = {}
    for address, tensor, part in starts:
        for end in ends:
            source = site(f"{prefix}{address}", ALL)
            target = site(f"{prefix}{end}", ALL) if end else readout
            world = do((Wire(source, target), op(op(source, "*", -0.5), "+", 0.1)))
            asked[cell(readout, world)] = (tensor, part, end)
    table = execute(prepare(make_plan(list(asked), data, {M: model.sites}), {M: model}, data)).cells
    fact = passes.run({}, set())[1]
    for c, (tensor, part, end) in asked.items():
        truth = expected(passes, facts, prefix, prefix + tensor, part, 0, end)
        assert np.abs(table[c][0] - truth) <= BOUND, (tensor, end)
        assert abs(truth - fact) > 1e-7, "an effect"
