"""The tiny text models load as real ones do, and none of their parameters is idle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer
from transformers.models.falcon import modeling_falcon

from tests.families import Family
from tests.families.loading import inputs, load, text_families, tokenizer
from tests.families.parts import MARKS, TEXTS, VOCABULARY

Folder = Callable[[str], Path]
each_family = pytest.mark.parametrize("family", text_families(), ids=lambda family: family.name)


def test_the_decoders_and_encoders_of_the_issue_are_here() -> None:
    wanted = (
        "gpt2 gpt_neo gpt_neox gptj opt bloom falcon llama mistral mixtral qwen2 qwen3 qwen3_moe gemma2 gemma3_text "
        "phi3 olmo2 granite stablelm bert roberta deberta_v2 modernbert t5 bart"
    )
    assert set(wanted.split()) <= {family.name for family in text_families()}


@each_family
def test_folder_is_what_the_registry_says(family: Family, folder: Folder) -> None:
    path = folder(family.name)
    config = json.loads((path / "config.json").read_text())
    assert config["model_type"] == family.model_type
    assert config["dtype"] == "float32"
    assert {p.name for p in path.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}
    assert {w.dtype for w in load_file(path / "model.safetensors").values()} == {torch.float32}
    assert family.attentions
    assert set(family.attentions) | set(family.missing) == {"sdpa", "eager"}


@each_family
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_forward_is_finite(family: Family, dtype: torch.dtype, folder: Folder) -> None:
    path = folder(family.name)
    for attention in family.attentions:
        model = load(path, dtype, attention)
        assert model.config._attn_implementation == attention
        with torch.inference_mode():
            logits = model(**inputs(family, path)).logits
        assert logits.dtype == dtype
        assert logits.shape[-1] == len(tokenizer(path))
        assert logits.isfinite().all()
        assert 0.1 < logits.std() < 10  # neither flat nor certain


@pytest.mark.parametrize("family", [each for each in text_families() if each.missing], ids=lambda family: family.name)
def test_an_attention_that_is_missing_is_refused(family: Family, folder: Folder) -> None:
    for attention in family.missing:
        with pytest.raises(ValueError, match="attention"):
            load(folder(family.name), torch.float32, attention)


@pytest.mark.parametrize(
    "family", [each for each in text_families() if len(each.attentions) == 2], ids=lambda family: family.name
)
def test_both_attentions_say_the_same(family: Family, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(family.name)
    sdpa, eager = (load(path, torch.float32, attention) for attention in family.attentions)
    batch = inputs(family, path)
    with torch.inference_mode():
        one, other = sdpa(**batch).logits, eager(**batch).logits
        if family.name == "falcon_alibi":  # eager adds alibi twice: to the scores and within the mask
            assert (one - other).abs().max() > 0.01
            once = modeling_falcon.build_alibi_tensor
            monkeypatch.setattr(modeling_falcon, "build_alibi_tensor", lambda *args, **more: 2 * once(*args, **more))
            one = sdpa(**batch).logits
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


@each_family
def test_padding_changes_nothing(family: Family, folder: Folder) -> None:
    path = folder(family.name)
    for attention in family.attentions:
        model = load(path, torch.float32, attention)
        with torch.inference_mode():
            many = model(**inputs(family, path, TEXTS)).logits
            for row, text in enumerate(TEXTS):
                alone = model(**inputs(family, path, (text,))).logits[0]
                torch.testing.assert_close(many[row, : len(alone)], alone, atol=2e-5, rtol=1e-4)


@each_family
def test_tokenizer_comes_back_with_the_ids_of_the_config(family: Family, folder: Folder) -> None:
    path = folder(family.name)
    words, config = tokenizer(path), json.loads((path / "config.json").read_text())
    assert words.is_fast
    assert len(words) == config["vocab_size"]
    assert len(words) == VOCABULARY or family.name == "qwen2"
    assert all(words.convert_tokens_to_ids(mark) == i for i, mark in enumerate(MARKS))
    for name in ("pad", "bos", "eos", "cls", "sep"):
        token = config.get(f"{name}_token_id")
        assert token is None or 0 <= token < len(words)
        if name == "pad" or (family.kind == "decoder" and name != "cls" and name != "sep"):
            assert token == getattr(words, f"{name}_token_id")
    encoded = words(TEXTS[0], return_offsets_mapping=True)
    spans = [TEXTS[0][a:b].strip() for a, b in encoded["offset_mapping"] if b > a]
    assert "".join(spans) == TEXTS[0].replace(" ", "")
    assert spans[-7:] == TEXTS[0].split()[-7:]  # a known word is one token
    again = AutoTokenizer.from_pretrained(path, local_files_only=True)
    assert again(TEXTS[0])["input_ids"] == encoded["input_ids"]


@each_family
def test_no_parameter_is_constant_or_negligible(family: Family, folder: Folder) -> None:
    for name, weight in load(folder(family.name), torch.float32, family.attentions[0]).named_parameters():
        assert weight.std() > 0.04, name


@each_family
def test_every_parameter_matters(family: Family, folder: Folder) -> None:
    """Of each parameter some element moves the logits: nothing is wired to nowhere."""
    path = folder(family.name)
    model = load(path, torch.float64, family.attentions[-1])
    logits = model(**inputs(family, path, TEXTS[-1:])).logits
    (logits * torch.linspace(-1, 1, logits.shape[-1], dtype=torch.float64)).sum().backward()
    idle = [
        name
        for name, weight in model.named_parameters()
        if weight.grad is None or not weight.grad.isfinite().all() or weight.grad.abs().max() < 1e-9
    ]
    model.zero_grad(set_to_none=True)
    # A bias at k adds one number to all scores of a query, which the softmax forgets.
    assert not [name for name in idle if not name.endswith(("k_proj.bias", "key.bias"))]


@each_family
def test_a_builder_always_writes_the_same(family: Family, folder: Folder, tmp_path: Path) -> None:
    family.build(tmp_path)
    once, again = (load_file(f / "model.safetensors") for f in (folder(family.name), tmp_path))
    assert once.keys() == again.keys()
    assert all(torch.equal(once[name], again[name]) for name in once)
