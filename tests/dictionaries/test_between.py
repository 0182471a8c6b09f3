"""A transcoder between blocks: what it reads lies before the wires and replays of what it writes to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from tests.dictionaries.conftest import WIDTH, Ask, drawn, fitted, passed, save
from tests.truth import tiny

READS = {
    "the MLP before": "layer[0].mlp.in",
    "the stream before": "layer[0].resid_mid",
    "its own stream": "layer[1].resid_mid",
}
W3, W5, E = (f"(t.{x} @ all -> m.final_norm @ all)" for x in ("feature[3]", "feature[5]", "error"))
LAST3 = "(t.feature[3] @ last -> m.final_norm @ all)"
H = "(m.layer[0].head[1].out @ all -> m.final_norm @ all)"


@pytest.fixture(scope="module", params=READS)
def transcoder(
    request: pytest.FixtureRequest, folder: Path, hf: GPT2LMHeadModel, prompts: list[Tensor]
) -> tuple[str, dict[str, Tensor], list[Tensor]]:
    """Its declaration and weights, and what it reads of each prompt."""
    h, where = hf.transformer.h, READS[request.param]
    module, side = (h[0].mlp, "in") if where.endswith("mlp.in") else (h[int(where[6])].ln_2, "in")
    x, y = passed(hf, prompts, module, side), passed(hf, prompts, h[1].mlp, "out")
    w = drawn(40, seed=7)

    def encode(x: Tensor) -> Tensor:
        return torch.relu(x @ w["W_enc"] + w["b_enc"])

    name = f"between_{'_'.join(request.param.split())}.safetensors"
    save(folder / name, metadata={"activation": "relu"}, **fitted(w, encode, x, y))
    said = f'model t = transcoder("./{name}", from = m.{where}, to = m.layer[1].mlp.out)\n'
    return said, w, [encode(passed(hf, [p], module, side)) for p in prompts]


def reads(hf: GPT2LMHeadModel, ids: Tensor, change: Tensor) -> Tensor:
    """The last logits with something added to what the last norm reads."""
    handle = hf.transformer.ln_f.register_forward_pre_hook(lambda _, a: (a[0] + change,))
    try:
        with torch.no_grad():
            return hf(input_ids=ids, use_cache=False).logits[0, -1]
    finally:
        handle.remove()


def written(hf: GPT2LMHeadModel, ids: Tensor, head: int, value: float) -> Tensor:
    """What a head of the first block adds to the stream where it has this value, less what it adds."""
    seen: list[Tensor] = []
    proj = hf.transformer.h[0].attn.c_proj
    handle = proj.register_forward_pre_hook(lambda _, a: seen.append(a[0]))
    with torch.no_grad():
        hf(input_ids=ids, use_cache=False)
    handle.remove()
    part = slice(8 * head, 8 * head + 8)
    return (value - seen[0][..., part]) @ proj.weight[part]


def answers(prompts: list[Tensor]) -> Iterator[tuple[int, Tensor, int]]:
    words = tiny.tokenizer()
    for i, ids in enumerate(prompts):
        yield i, ids, words.encode(tiny.PROMPTS[i]["answer"], add_special_tokens=False)[0]


# What is assigned, and what by hand is added to the stream that the last norm reads.
CASES = {
    "one wire": (f"{W3} = 0.7", ("w3",)),
    "two features": (f"{W3} = 0.7, {W5} = 2", ("w3", "w5")),
    "a feature and a head": (f"{W3} = 0.7, {H} = 0.4", ("w3", "h")),
    "a feature at the last position and a head": (f"{LAST3} = 0.7, {H} = 0.4", ("w3", "h")),
    "a head beside a set feature": (f"t.feature[5] @ all = 2, {H} = 0.4", ("w5", "h")),
    "a feature beside a set feature": (f"t.feature[5] @ all = 2, {W3} = 0.7", ("w5", "w3")),
    "both beside a set feature": (f"t.feature[5] @ all = 2, {W3} = 0.7, {H} = 0.4", ("w5", "w3", "h")),
    "both, and the feature is set": (f"t.feature[3] @ all = 2, {W3} = 0.7, {H} = 0.4", ("w3", "h")),
    "changed": (
        f"t.feature[5] @ all = t.feature[5] @ all * 3, {W3} = t.feature[3] @ all * (-2), {H} = 0.4",
        ("m5", "m3", "h"),
    ),
    "the error": (f"{E} = 0.2", ("e",)),
    "the error and a head": (f"{E} = 0.2, {H} = 0.4", ("e", "h")),
    "the error beside a set feature": (f"t.feature[5] @ all = 2, {E} = 0.2, {H} = 0.4", ("w5", "e", "h")),
}


def parts(w: dict[str, Tensor], f: Tensor, y: Tensor) -> dict[str, Tensor]:
    """What each change adds to the value that a dictionary describes."""
    return {
        "w3": (0.7 - f[:, 3:4]) * w["W_dec"][3],
        "w5": (2 - f[:, 5:6]) * w["W_dec"][5],
        "m5": (2 * f[:, 5:6]) * w["W_dec"][5],
        "m3": (-3 * f[:, 3:4]) * w["W_dec"][3],
        "e": 0.2 - (y - f @ w["W_dec"] - w["b_dec"]),
    }


@pytest.mark.parametrize("case", CASES)
def test_wires_out_of_a_transcoder(
    case: str,
    transcoder: tuple[str, dict[str, Tensor], list[Tensor]],
    ask: Ask,
    hf: GPT2LMHeadModel,
    prompts: list[Tensor],
) -> None:
    said, w, features = transcoder
    world, changes = CASES[case]
    (found,) = ask(f"{said}estimate E[m.logit[row.answer] @ last | do({world})] on d")
    for i, ids, answer in answers(prompts):
        own = parts(w, features[i], passed(hf, [ids], hf.transformer.h[1].mlp, "out"))
        change = sum((written(hf, ids, 1, 0.4)[0] if c == "h" else own[c] for c in changes), torch.tensor(0.0))
        assert float(found[i]) == pytest.approx(float(reads(hf, ids, change)[answer]), abs=1e-9)


@pytest.fixture(scope="module", params=["head[1].out", "attn.out"])
def autoencoder(
    request: pytest.FixtureRequest, folder: Path, hf: GPT2LMHeadModel, prompts: list[Tensor]
) -> tuple[str, dict[str, Tensor], list[tuple[Tensor, Tensor]], Tensor]:
    """Of a part of attention in the last block: declaration, weights, (features, value) and the way into the stream."""
    proj, head = hf.transformer.h[1].attn.c_proj, request.param.startswith("head")
    part = slice(8, 16) if head else slice(None)
    values = [passed(hf, [p], proj, "in" if head else "out")[:, part] for p in prompts]
    w, x = drawn(40, seed=11, reads=values[0].shape[1]), torch.cat(values)

    def encode(x: Tensor) -> Tensor:
        return torch.relu(x @ w["W_enc"] + w["b_enc"])

    name = f"between_{request.param}.safetensors"
    save(folder / name, metadata={"activation": "relu"}, **fitted(w, encode, x, x))
    said = f'model t = sae("./{name}", at = m.layer[1].{request.param}, centred = false)\n'
    return said, w, [(encode(v), v) for v in values], proj.weight[part] if head else torch.eye(WIDTH).double()


@pytest.mark.parametrize("case", CASES)
def test_wires_out_of_an_autoencoder_of_attention(
    case: str,
    autoencoder: tuple[str, dict[str, Tensor], list[tuple[Tensor, Tensor]], Tensor],
    ask: Ask,
    hf: GPT2LMHeadModel,
    prompts: list[Tensor],
) -> None:
    said, w, values, out = autoencoder
    world, changes = CASES[case]
    # The last block's MLP reads what is set besides; wires alone pass it by.
    world += ", m.layer[1].mlp.out @ all = 0.1"
    (found,) = ask(f"{said}estimate E[m.logit[row.answer] @ last | do({world})] on d")
    for i, ids, answer in answers(prompts):
        own = parts(w, *values[i])
        change = sum((written(hf, ids, 1, 0.4)[0] if c == "h" else own[c] @ out for c in changes), torch.tensor(0.0))
        change = change + 0.1 - passed(hf, [ids], hf.transformer.h[1].mlp, "out")
        assert float(found[i]) == pytest.approx(float(reads(hf, ids, change)[answer]), abs=1e-9)
