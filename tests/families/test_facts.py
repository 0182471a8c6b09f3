"""The hand-written facts, held against the running models by hooks on the paths that the facts name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers.modeling_utils import AttentionInterface

from tests.families import Family, Tower
from tests.families.loading import inputs, load, taps, text_families, tokenizer

Folder = Callable[[str], Path]
Calls = list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]
each_family = pytest.mark.parametrize("family", text_families(), ids=lambda family: family.name)
EXACT = {"atol": 1e-10, "rtol": 1e-10}


def model_of(family: Family, folder: Folder, attention: str = "") -> Any:
    return load(folder(family.name), torch.float64, attention or family.attentions[0])


def blocks(model: Any, tower: Tower) -> Iterator[tuple[int, str, nn.Module]]:
    for layer, block in enumerate(model.get_submodule(tower.blocks)):
        yield layer, f"{tower.blocks}.{layer}", block


def linears(module: nn.Module) -> Iterator[tuple[str, int, int]]:
    """Name, inputs and outputs of every linear map inside."""
    for name, each in module.named_modules():
        if isinstance(each, nn.Linear):
            yield name, each.in_features, each.out_features
        elif type(each).__name__ == "Conv1D":
            yield name, *each.weight.shape


@each_family
def test_blocks_heads_and_neurons_have_their_shapes(family: Family, folder: Folder) -> None:
    model = model_of(family, folder)
    for tower in family.facts.towers:
        assert len(list(blocks(model, tower))) == tower.layers == 3
        for layer, _, block in blocks(model, tower):
            sizes = {name: (fan_in, fan_out) for name, fan_in, fan_out in linears(block)}
            assert sizes[tower.projection] == (tower.heads * tower.head_dim, tower.width)
            root = tower.projection.split(".")[0] if not tower.projection.startswith("layer.") else "layer.0"
            others = [out for name, (_, out) in sizes.items() if name.startswith(root) and name != tower.projection]
            assert sum(others) == (tower.heads + 2 * tower.kv_heads) * tower.head_dim, "q, k and v"
            if tower.cross:
                assert sizes[tower.cross_projection] == (tower.heads * tower.head_dim, tower.width)
            if layer not in tower.sparse and tower.neurons:
                assert sizes[tower.neurons] == (tower.mlp, tower.width)


@each_family
def test_the_stream_is_the_sum_that_the_norm_says(family: Family, folder: Folder) -> None:
    """Block by block: what each norm reads, what is written, and what leaves."""
    model = model_of(family, folder)
    for tower in family.facts.towers:
        writes = [path for path in (tower.attention, tower.cross, tower.mlp_write) if path]
        names = {name for path in [*writes, *tower.norms] for name in [path]}
        paths = {f"{root}.{name}" for _, root, _ in blocks(model, tower) for name in names}
        roots = {root for _, root, _ in blocks(model, tower)}
        with torch.inference_mode(), taps(model, paths | roots) as seen:
            model(**inputs(family, folder(family.name)))
        for _, root, _ in blocks(model, tower):
            [(before, after)] = seen[root]
            written = [tower.multiplier * _only(seen, f"{root}.{path}")[1] for path in writes]
            norms = [_only(seen, f"{root}.{path}") for path in tower.norms]
            written, norms = _shaped(written, before), [tuple(_shaped(list(pair), before)) for pair in norms]
            streams = [before]
            if tower.norm == "post":
                for write, (read, made) in zip(written, norms, strict=True):
                    torch.testing.assert_close(read, streams[-1] + write, **EXACT)
                    streams.append(made)
            elif tower.norm == "parallel":
                for read, _ in norms:
                    torch.testing.assert_close(read, before, **EXACT)
                streams.append(before + sum(written))
            else:
                for write in written:
                    streams.append(streams[-1] + write)
                if tower.norm == "pre":
                    reading = norms
                elif tower.norm == "sandwich":
                    reading = norms[::2]
                    assert [tower.norms[1], tower.norms[3]] == writes
                else:
                    reading = []
                    assert list(tower.norms) == writes
                    assert all((read - before).abs().max() > 0.1 for read, _ in norms)
                for stream, (read, _) in zip(streams, reading, strict=False):
                    torch.testing.assert_close(read, stream, **EXACT)
                assert len(reading) in (0, len(writes))
            torch.testing.assert_close(after, streams[-1], **EXACT)
            assert all(write.std() > 0.02 for write in written), "no write is negligible"


def _only(seen: dict[str, list[tuple[torch.Tensor, torch.Tensor]]], path: str) -> tuple[torch.Tensor, torch.Tensor]:
    [pair] = seen[path]
    return pair


def _shaped(tensors: list[torch.Tensor], like: torch.Tensor) -> list[torch.Tensor]:
    """OPT's MLP sees rows and tokens as one axis."""
    return [tensor.reshape(like.shape) for tensor in tensors]


@each_family
def test_attention_goes_through_the_interface_or_not(
    family: Family, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads, KV heads and their width are those that attention is given; its output enters the projection."""
    model = model_of(family, folder)
    calls: Calls = []
    native = AttentionInterface.get_interface

    def get_interface(self: Any, name: str, default: Any) -> Any:
        attend = native(self, name, default)

        def watched(
            module: nn.Module, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *args: Any, **more: Any
        ) -> Any:
            out, pattern = attend(module, q, k, v, *args, **more)
            calls.append((q, k, v, out.clone()))
            return out, pattern

        return watched

    monkeypatch.setattr(AttentionInterface, "get_interface", get_interface)
    projections = {}
    for tower in family.facts.towers:
        for _, root, _ in blocks(model, tower):
            projections[f"{root}.{tower.projection}"] = tower
            if tower.cross:
                projections[f"{root}.{tower.cross_projection}"] = tower
    with torch.inference_mode(), taps(model, set(projections)) as seen:
        model(**inputs(family, folder(family.name)))
    if not any(tower.interface for tower in family.facts.towers):
        assert not calls
        return
    assert len(calls) == len(projections)
    for (path, tower), (q, k, v, out) in zip(projections.items(), calls, strict=True):
        assert (q.shape[1], q.shape[3]) == (tower.heads, tower.head_dim)
        assert (k.shape[1], k.shape[3]) == (v.shape[1], v.shape[3]) == (tower.kv_heads, tower.head_dim)
        [(heads, _)] = seen[path]
        torch.testing.assert_close(out.reshape(heads.shape), heads, **EXACT)


@each_family
def test_patterns_are_causal_and_see_as_far_as_the_window(family: Family, folder: Folder) -> None:
    model = model_of(family, folder, "eager")
    batch = inputs(family, folder(family.name))
    with torch.inference_mode():
        out = model(**batch, output_attentions=True)
    both = family.kind == "encoder-decoder"
    for tower in family.facts.towers:
        patterns = out[f"{tower.name}_attentions"] if both else out.attentions
        assert len(patterns) == tower.layers
        for layer, pattern in enumerate(patterns):
            t = pattern.shape[-1]
            assert pattern.shape == (1, tower.heads, t, t)
            query, key = torch.arange(t)[:, None], torch.arange(t)[None]
            allowed = (query - key).abs() < tower.windows.get(layer, t)
            if tower.causal:
                allowed &= key <= query
            assert t > max(tower.windows.values(), default=0) + 2 or both
            assert ((pattern > 0).all(dim=(0, 1)) == allowed).all()
            assert ((pattern > 0).any(dim=(0, 1)) == allowed).all()


@each_family
def test_position_of_words_is_told_as_the_facts_say(family: Family, folder: Folder) -> None:
    model = model_of(family, folder)
    for tower in family.facts.towers:
        parent = "" if family.kind != "encoder-decoder" else tower.blocks.rsplit(".", 1)[0]
        part = model.get_submodule(parent)
        buffers = {name: b for name, b in part.named_buffers() if "original" not in name}
        tables = [b.shape[-1] for name, b in buffers.items() if name.endswith("attn.embed_positions")]
        rotated = {2 * len(b) for name, b in buffers.items() if name.endswith("inv_freq")} | set(tables)
        if tower.positions != "alibi":  # Falcon's table is there but unused
            assert rotated == ({tower.rotary_dims} if tower.positions == "rotary" else set())
        words = {name for name, m in part.named_modules() if isinstance(m, nn.Embedding)}
        learned = {name for name in words if any(n in name for n in ("wpe", "position_emb", "embed_positions"))}
        relative = {name for name in words if "relative_attention_bias" in name or "rel_embeddings" in name}
        assert bool(learned) == (tower.positions == "learned")
        assert bool(relative) == (tower.positions == "relative")
        assert len(words - learned - relative - {n for n in words if "token_type" in n}) == 1


@each_family
def test_experts_stand_in_the_sparse_layers(family: Family, folder: Folder) -> None:
    model = model_of(family, folder)
    for tower in family.facts.towers:
        for layer, root, block in blocks(model, tower):
            stacked = {name: p for name, p in block.named_parameters() if p.dim() == 3}
            assert bool(stacked) == (layer in tower.sparse)
            assert bool(tower.sparse) == bool(tower.experts)
            if layer not in tower.sparse:
                continue
            [down] = [p for name, p in stacked.items() if name.endswith("down_proj")]
            assert down.shape == (tower.experts, tower.width, tower.expert_mlp)
            shared = [fan_in for name, fan_in, _ in linears(block) if name.endswith("shared_expert.down_proj")]
            assert shared == ([tower.shared_expert] if tower.shared_expert else [])
            routed: list[Any] = []
            handle = model.get_submodule(f"{root}.{tower.router}").register_forward_hook(
                lambda _, args, output, routed=routed: routed.append(output)
            )
            batch = inputs(family, folder(family.name))
            with torch.inference_mode():
                model(**batch)
            handle.remove()
            [(logits, _, chosen)] = routed
            tokens = batch["input_ids"].numel()
            assert logits.shape == (tokens, tower.experts)
            assert chosen.shape == (tokens, tower.experts_per_token)
            assert chosen.unique().numel() > 1, "not all tokens go one way"


@each_family
def test_logits_come_of_the_final_norm(family: Family, folder: Folder) -> None:
    model, facts = model_of(family, folder), family.facts
    norm = facts.towers[-1].final_norm
    unembed = model.get_submodule(facts.unembedding)
    assert model.get_output_embeddings() is unembed
    assert (unembed.weight is model.get_input_embeddings().weight) == facts.tied
    with torch.inference_mode(), taps(model, {facts.unembedding, *filter(None, [norm])}) as seen:
        logits = model(**inputs(family, folder(family.name))).logits
        [(read, made)] = seen[facts.unembedding]
        if norm and family.kind != "encoder":  # an encoder's head has layers of its own in between
            [(last, stream)] = seen[norm]
            assert last.shape == stream.shape
            made = unembed(stream) * facts.logit_multiplier
        if facts.logit_cap is not None:
            made = facts.logit_cap * torch.tanh(made / facts.logit_cap)
        if facts.logit_bias:
            bias = model.get_buffer(facts.logit_bias)
            assert bias.abs().min() > 0
            made = made + bias
    assert read.shape[-1] == unembed.weight.shape[-1]
    torch.testing.assert_close(logits, made, atol=1e-9, rtol=1e-9)
    assert logits.shape[-1] == len(tokenizer(folder(family.name)))


@each_family
def test_what_comes_later_reaches_back_only_where_attention_is_not_causal(family: Family, folder: Folder) -> None:
    model = model_of(family, folder)
    batch = inputs(family, folder(family.name))
    name = "decoder_input_ids" if family.kind == "encoder-decoder" else "input_ids"
    changed = {**batch, name: batch[name].clone()}
    changed[name][0, -2] += 1
    with torch.inference_mode():
        one, other = model(**batch).logits, model(**changed).logits
    moved = (one - other)[0].abs().amax(dim=-1)
    assert moved[-2:].min() > 1e-6
    assert (moved[:-2].max() < 1e-9) == family.facts.towers[-1].causal
