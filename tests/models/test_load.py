"""Loading: what is honoured, and what is refused with which code."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import FNetConfig, FNetForMaskedLM

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import LoadedModel, load
from causalcircuit.query import ModelRef
from causalcircuit.query.outline import site_table
from tests.truth import tiny


def refused(folder: Path, **declared: str) -> str:
    with pytest.raises(DiagnosticError) as caught:
        load(ModelRef("m", f"./{folder.name}", folder, **declared))
    (problem,) = caught.value.diagnostics
    assert problem.help, "a way out"
    return problem.code


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of the random GPT-2 that a test may damage."""
    return Path(shutil.copytree(folder / "gpt2", tmp_path / "gpt2"))


def edit_config(folder: Path, **changed: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_dtype_is_honoured(folder: Path, dtype: str) -> None:
    for name in ("gpt2", "captioner"):
        model = load(ModelRef("m", name, folder / name, dtype=dtype))
        assert model.dtype == getattr(torch, dtype)


def test_model_is_frozen_and_in_evaluation_mode(gpt2: LoadedModel, captioner: LoadedModel) -> None:
    for model in (gpt2, captioner):
        assert not model.hf.training
        assert not any(p.requires_grad for p in model.hf.parameters())
        assert model.hf.config._attn_implementation == "sdpa"


def test_sites_are_those_of_the_config(folder: Path, captioner: LoadedModel) -> None:
    """All of them where patterns are calculated; sdpa lacks those, which no config tells."""
    told = site_table(json.loads((folder / "captioner" / "config.json").read_text()))
    eager = load(ModelRef("m", "./captioner", folder / "captioner"), "eager")
    assert eager.sites == told
    lacking = {name for tower in captioner.sites.towers for name, _ in tower.missing}
    assert lacking == {"head.pattern", "cross.head.pattern"}
    whole = tuple(replace(tower, missing=()) for tower in captioner.sites.towers)
    assert replace(captioner.sites, towers=whole) == told


def test_every_site_of_the_table_has_a_tap(gpt2: LoadedModel, captioner: LoadedModel) -> None:
    from causalcircuit.query import Address, Part

    for model in (gpt2, captioner):
        for text in model.sites.addresses(neurons=True):
            steps = [s.partition("[") for s in text.split(".")]
            path = tuple(Part(n, int(i[:-1]) if i else None) for n, _, i in steps)
            info = model.sites.info(Address("m", path))
            assert model.taps[info.tensor].size == info.size


def test_loading_prints_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(ModelRef("m", "gpt2", folder / "gpt2"))
    assert capfd.readouterr() == ("", "")


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert refused(tmp_path / "nothing") == "CQ501"


def test_folder_without_a_config(tmp_path: Path) -> None:
    assert refused(tmp_path) == "CQ502"


def test_config_that_is_no_json(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    assert refused(copy) == "CQ502"


def test_folder_without_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    assert refused(copy) == "CQ502"


def test_hub_name_that_is_not_in_the_cache() -> None:
    with pytest.raises(DiagnosticError) as caught:
        load(ModelRef("m", "nobody/no-such-model"))
    assert [d.code for d in caught.value.diagnostics] == ["CQ503"]


def test_pickles_are_refused_unread(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(b"not even a pickle")
    assert refused(copy) == "CQ530"


def test_weights_that_were_cut_off(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:2000])
    assert refused(copy) == "CQ531"


def test_missing_weights_are_not_made_up(copy: Path) -> None:
    path = copy / "model.safetensors"
    weights = load_file(path)
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    assert refused(copy) == "CQ531"


@pytest.mark.parametrize("flaw", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(copy: Path, flaw: float) -> None:
    path = copy / "model.safetensors"
    weights = load_file(path)
    weights["transformer.ln_f.weight"][1] = flaw
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(DiagnosticError, match=r"NaN or infinite \(transformer\.ln_f\.weight\)") as caught:
        load(ModelRef("m", "./gpt2", copy))
    assert caught.value.diagnostics[0].code == "CQ531"


def test_weights_of_another_shape_are_named(copy: Path) -> None:
    edit_config(copy, n_positions=7)
    with pytest.raises(DiagnosticError, match=r"other shapes .*transformer\.wpe\.weight"):
        load(ModelRef("m", "./gpt2", copy))


def test_a_device_without_numbers(copy: Path) -> None:
    assert refused(copy, device="meta") == "CQ535"


def test_class_that_transformers_lacks(copy: Path) -> None:
    edit_config(copy, architectures=["MyOwnModel"], auto_map={"AutoModel": "mine.MyOwnModel"})
    (copy / "mine.py").write_text("raise SystemExit('remote code ran')")
    assert refused(copy) == "CQ532"


def test_architecture_whose_roles_do_not_show(tmp_path: Path) -> None:
    # Fourier transforms mix its positions: there is no attention to find.
    words = tiny.tokenizer()
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "intermediate_size": 40}
    model = FNetForMaskedLM(FNetConfig(vocab_size=len(words), **sizes))
    model.save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    assert refused(tmp_path) == "CQ532"


def test_missing_tokenizer(copy: Path) -> None:
    for path in copy.glob("tokenizer*"):
        path.unlink()
    assert refused(copy) == "CQ534"


def test_missing_image_processor(folder: Path, tmp_path: Path) -> None:
    target = Path(shutil.copytree(folder / "captioner", tmp_path / "captioner"))
    (target / "preprocessor_config.json").unlink()
    assert refused(target) == "CQ534"


def test_device_that_is_not_there(folder: Path) -> None:
    assert refused(folder / "gpt2", device="cuda:77") == "CQ535"
    assert refused(folder / "gpt2", device="toaster") == "CQ535"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"n_layer": 3}, "3 layers of ``, the modules have 2"),
        ({"n_head": 4}, "4 heads of ``, the modules have 3"),
        ({"n_inner": 96}, "96 mlp of ``, the modules have 40"),
        ({"n_embd": 48}, "the modules have"),
    ],
)
def test_config_and_modules_must_agree(
    folder: Path, monkeypatch: pytest.MonkeyPatch, damage: dict[str, int], said: str
) -> None:
    """The config is what addresses were checked against, so a model that is otherwise is refused."""
    loading = importlib.import_module("causalcircuit.models.load")
    monkeypatch.setattr(loading, "site_table", lambda config: site_table({**config, **damage}))
    with pytest.raises(DiagnosticError, match=re.escape(said)) as caught:
        load(ModelRef("m", "gpt2", folder / "gpt2"))
    assert [d.code for d in caught.value.diagnostics] == ["CQ532"]
