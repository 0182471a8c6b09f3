"""What assignments to features and errors do, against hooks written here and closed forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from tests.dictionaries.conftest import WIDTH, Ask, drawn, fitted, passed, save
from tests.truth import tiny

Encode = Callable[[Tensor, dict[str, Tensor]], Tensor]
Case = tuple[str, dict[str, Tensor], Callable[[Tensor], Tensor]]


def relu(pre: Tensor, _: dict[str, Tensor]) -> Tensor:
    return torch.clamp(pre, min=0)


def jumprelu(pre: Tensor, w: dict[str, Tensor]) -> Tensor:
    return torch.where(pre > w["threshold"], pre, torch.zeros_like(pre))


def topk(pre: Tensor, _: dict[str, Tensor]) -> Tensor:
    """The 5 largest of each position, one position after another; negative ones are not kept."""
    out = torch.zeros_like(pre)
    for b, p in np.ndindex(*pre.shape[:2]):
        for k in sorted(range(pre.shape[-1]), key=lambda i: -float(pre[b, p, i]))[:5]:
            out[b, p, k] = max(float(pre[b, p, k]), 0.0)
    return out


CASES: list[tuple[str, Encode, str, bool]] = [
    ("relu", relu, "relu", True),
    ("relu", relu, "relu", False),
    ("jumprelu", jumprelu, "jumprelu", False),
    ("topk(5)", topk, "topk", True),
]


def logits(hf: GPT2LMHeadModel, ids: Tensor, layer: int, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Those of the last position, with what leaves a block changed by a hook of our own."""

    def hook(_module: object, _args: object, output: object) -> object:
        if isinstance(output, tuple):
            return (change(output[0]), *output[1:])
        assert isinstance(output, Tensor)
        return change(output)

    handle = hf.transformer.h[layer].register_forward_hook(hook)
    try:
        with torch.no_grad():
            return hf(input_ids=ids, use_cache=False).logits[0, -1]
    finally:
        handle.remove()


@pytest.fixture(scope="session", params=CASES, ids=lambda c: f"{c[2]}-{'centred' if c[3] else 'plain'}")
def case(request: pytest.FixtureRequest, folder: Path, hf: GPT2LMHeadModel, prompts: list[Tensor]) -> Case:
    """A declaration, the weights, and an encoder written anew."""
    word, activation, name, centred = request.param
    weights = drawn(40, seed=len(name))
    if name == "jumprelu":
        weights["threshold"] = torch.rand(40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    file = f"{name}_{centred}.safetensors"

    def encode(x: Tensor) -> Tensor:
        moved = x - weights["b_dec"] if centred else x
        return activation(torch.einsum("bpd,dn->bpn", moved, weights["W_enc"]) + weights["b_enc"], weights)

    x = passed(hf, prompts, hf.transformer.h[0], "out")
    save(folder / file, **fitted(weights, encode, x, x))
    said = f'model s = sae("./{file}", at = m.layer[0].resid, activation = {word}, centred = {str(centred).lower()})'
    return said, weights, encode


def test_a_removed_feature_takes_its_direction_along_and_nothing_else(
    ask: Ask,
    hf: GPT2LMHeadModel,
    prompts: list[Tensor],
    case: tuple[str, dict[str, Tensor], Callable[[Tensor], Tensor]],
) -> None:
    said, w, encode = case
    words = tiny.tokenizer()
    answer = words(" Mary")["input_ids"]
    assert len(answer) == 1
    asked = ask(
        f"""
{said}
estimate E[m.logit[" Mary"] @ last], E[m.logit[" Mary"] @ last | do(s.feature[7] @ all = 0)],
  E[m.logit[" Mary"] @ last | do(s.feature[3] @ last = 2, s.feature[7] @ all = 0)],
  E[m.logit[" Mary"] @ last | do(s.error @ all = 0)],
  E[m.logit[" Mary"] @ last | do(s.error @ all = 0, s.feature[7] @ all = 0)],
  E[m.logit[" Mary"] @ last | do(s.feature[*] @ last = 0)],
  E[m.logit[" Mary"] @ last | do(s.features @ last = 0)] on d
"""
    )

    def removed(x: Tensor) -> Tensor:
        return x - encode(x)[..., 7:8] * w["W_dec"][7]

    def both(x: Tensor) -> Tensor:
        out = removed(x).clone()
        out[:, -1] += (2 - encode(x)[:, -1, 3:4]) * w["W_dec"][3]
        return out

    def said_only(x: Tensor) -> Tensor:
        return encode(x) @ w["W_dec"] + w["b_dec"]

    def said_without(x: Tensor) -> Tensor:
        return said_only(x) - encode(x)[..., 7:8] * w["W_dec"][7]

    def none(x: Tensor) -> Tensor:
        out = x.clone()
        out[:, -1] -= encode(x)[:, -1] @ w["W_dec"]
        return out

    changes = [lambda x: x, removed, both, said_only, said_without, none, none]
    for change, found in zip(changes, asked, strict=True):
        truth = [float(logits(hf, ids, 0, change)[answer[0]]) for ids in prompts]
        np.testing.assert_allclose(found, truth, atol=1e-9)
    moved = np.abs(asked[1] - asked[0])
    assert moved.max() > 1e-3, "the feature is never active: the test shows nothing"


def test_features_and_errors_read_as_encoded(
    ask: Ask,
    hf: GPT2LMHeadModel,
    prompts: list[Tensor],
    case: tuple[str, dict[str, Tensor], Callable[[Tensor], Tensor]],
) -> None:
    said, w, encode = case
    found = ask(
        f"""
{said}
estimate E[max(s.feature[7] @ all)], E[norm(s.error @ all)], E[norm(s.error @ all) | do(s.feature[7] @ all = 9)],
  E[max(s.feature[2] @ all) | do(s.feature[7] @ all = 9)], E[norm(m.layer[0].resid @ last) | do(s.features @ last = 0)],
  E[norm(s.features @ all) | do(m.layer[0].resid @ all = 2 * m.layer[0].resid @ all)] on d
"""
    )
    truth: list[list[float]] = [[] for _ in found]
    for ids in prompts:
        x = hidden(hf, ids)
        f = encode(x)
        left = x - f @ w["W_dec"] - w["b_dec"]
        truth[0].append(float(f[..., 7].max()))
        truth[1].append(float(left.norm()))
        truth[2].append(float(left.norm()))  # assigning a feature moves neither the error
        truth[3].append(float(f[..., 2].max()))  # nor another feature
        truth[4].append(float((x - f @ w["W_dec"])[:, -1].norm()))  # and the site reads as it goes on
        truth[5].append(float(encode(2 * x).norm()))  # what is assigned to the site, features see
    for a, b in zip(found, truth, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


def hidden(hf: GPT2LMHeadModel, ids: Tensor) -> Tensor:
    """What leaves the first block."""
    with torch.no_grad():
        return hf(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states[1]


def test_an_orthonormal_dictionary_in_closed_form(
    ask: Ask, hf: GPT2LMHeadModel, prompts: list[Tensor], folder: Path
) -> None:
    """Rows of an orthogonal matrix and their opposites: each vector is said without error, features are projections."""
    q = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(4), dtype=torch.float64))[0]
    both = torch.cat([q, -q], dim=1)
    save(folder / "orthonormal.safetensors", metadata={"activation": "relu"}, W_enc=both, W_dec=both.T)
    found = ask(
        """
model s = sae("./orthonormal.safetensors", at = m.layer[1].resid)
estimate E[norm(s.error @ all)], E[norm(m.layer[1].resid @ last) | do(s.feature[5] @ all = 0, s.feature[29] @ all = 0)],
  E[max(s.feature[5] @ all)] on d
"""
    )
    np.testing.assert_allclose(found[0], 0, atol=1e-9)
    for row, ids in enumerate(prompts):
        x = passed(hf, [ids], hf.transformer.h[1], "out")
        along = x @ q[:, 5]
        assert found[1][row] == pytest.approx(float((x[-1] - along[-1] * q[:, 5]).norm()), abs=1e-9)
        assert found[2][row] == pytest.approx(max(float(along.max()), 0.0), abs=1e-9)


def test_a_head_has_a_dictionary_too(ask: Ask, hf: GPT2LMHeadModel, prompts: list[Tensor], folder: Path) -> None:
    """On one head's output, in the middle of a tensor: the other heads stay."""
    w = drawn(12, seed=8, reads=8)
    x = passed(hf, prompts, hf.transformer.h[1].attn.c_proj, "in")[:, 8:16]
    fitted(w, lambda x: torch.relu(x @ w["W_enc"] + w["b_enc"]), x, x)
    save(folder / "head.safetensors", metadata={"activation": "relu", "centred": "false"}, **w)
    found = ask(
        """
model h = sae("./head.safetensors", at = m.layer[1].head[1].out)
estimate E[m.logit[" Mary"] @ last | do(h.feature[2] @ all = 3)] on d
"""
    )[0]
    answer = tiny.tokenizer()(" Mary")["input_ids"][0]
    for row, ids in enumerate(prompts):

        def hook(_module: object, args: tuple[Tensor]) -> tuple[Tensor]:
            z = args[0].clone()
            f = torch.relu(z[..., 8:16] @ w["W_enc"] + w["b_enc"])
            z[..., 8:16] += (3 - f[..., 2:3]) * w["W_dec"][2]
            return (z,)

        handle = hf.transformer.h[1].attn.c_proj.register_forward_pre_hook(hook)
        with torch.no_grad():
            truth = float(hf(input_ids=ids, use_cache=False).logits[0, -1, answer])
        handle.remove()
        assert found[row] == pytest.approx(truth, abs=1e-9)


def test_a_transcoder_reads_one_site_and_writes_another(
    ask: Ask, hf: GPT2LMHeadModel, prompts: list[Tensor], folder: Path
) -> None:
    w = drawn(30, seed=9)
    x, y = (passed(hf, prompts, hf.transformer.h[0].mlp, side) for side in ("in", "out"))
    fitted(w, lambda x: torch.relu(x @ w["W_enc"] + w["b_enc"]), x, y)
    save(folder / "transcoder.safetensors", metadata={"activation": "relu"}, **w)
    found = ask(
        """
model t = transcoder("./transcoder.safetensors", from = m.layer[0].mlp.in, to = m.layer[0].mlp.out)
estimate E[m.logit[" Mary"] @ last | do(t.feature[4] @ all = 0)], E[norm(t.error @ all)],
  E[m.logit[" Mary"] @ last | do(t.error @ all = 0)] on d
"""
    )
    answer = tiny.tokenizer()(" Mary")["input_ids"][0]
    block = hf.transformer.h[0]
    for row, ids in enumerate(prompts):
        held: list[Tensor] = []
        norms: list[float] = []

        def run(change: Callable[[Tensor, Tensor], Tensor], ids: Tensor = ids, held: list[Tensor] = held) -> float:
            a = block.mlp.register_forward_pre_hook(lambda _m, args: held.__setitem__(slice(None), [args[0]]))
            b = block.mlp.register_forward_hook(
                lambda _m, _a, y: change(torch.relu(held[0] @ w["W_enc"] + w["b_enc"]), y)
            )
            with torch.no_grad():
                out = float(hf(input_ids=ids, use_cache=False).logits[0, -1, answer])
            a.remove()
            b.remove()
            return out

        def measured(f: Tensor, y: Tensor, norms: list[float] = norms) -> Tensor:
            norms.append(float((y - f @ w["W_dec"] - w["b_dec"]).norm()))
            return y

        assert found[0][row] == pytest.approx(run(lambda f, y: y - f[..., 4:5] * w["W_dec"][4]), abs=1e-9)
        assert found[2][row] == pytest.approx(run(lambda f, y: f @ w["W_dec"] + w["b_dec"]), abs=1e-9)
        run(measured)
        assert found[1][row] == pytest.approx(norms[0], abs=1e-9)


def test_two_dictionaries_of_one_site_add_up(
    ask: Ask, hf: GPT2LMHeadModel, prompts: list[Tensor], folder: Path
) -> None:
    """Both look at the same stream, whichever is declared first."""
    a, b = drawn(20, seed=11), drawn(20, seed=12)
    x = passed(hf, prompts, hf.transformer.h[0], "out")
    for name, w in (("one", a), ("two", b)):
        fitted(w, lambda x, w=w: torch.relu(x @ w["W_enc"] + w["b_enc"]), x, x)
        save(folder / f"{name}.safetensors", metadata={"activation": "relu", "centred": "false"}, **w)
    text = """
estimate E[m.logit[" Mary"] @ last | do(p.feature[1] @ all = 0, q.feature[2] @ all = 1)] on d
"""
    one = 'model p = sae("./one.safetensors", at = m.layer[0].resid)\n'
    two = 'model q = sae("./two.safetensors", at = m.layer[0].resid)\n'
    first, second = ask(one + two + text)[0], ask(two + one + text)[0]
    answer = tiny.tokenizer()(" Mary")["input_ids"][0]

    def change(x: Tensor) -> Tensor:
        f, g = torch.relu(x @ a["W_enc"] + a["b_enc"]), torch.relu(x @ b["W_enc"] + b["b_enc"])
        return x - f[..., 1:2] * a["W_dec"][1] + (1 - g[..., 2:3]) * b["W_dec"][2]

    truth = [float(logits(hf, ids, 0, change)[answer]) for ids in prompts]
    np.testing.assert_allclose(first, truth, atol=1e-9)
    np.testing.assert_allclose(second, truth, atol=1e-9)
