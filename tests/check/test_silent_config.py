"""A model whose config says too little to know its sites by: loaded once, it is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from causalcircuit.check.sources import sites
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import load
from causalcircuit.query import ModelRef
from tests.families import folder_of


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with the defaults of its class left out of its config, as on the hub, and its weights to match."""
    from transformers import LlamaConfig, LlamaForCausalLM

    target = tmp_path / "silent"
    shutil.copytree(folder_of("llama", tmp_path_factory), target)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 24, "vocab_size": 128}
    made = LlamaForCausalLM(LlamaConfig(**small, head_dim=2))  # of 32 heads, the default
    made.save_pretrained(target)
    config = json.loads((target / "config.json").read_text())
    del config["num_attention_heads"]
    (target / "config.json").write_text(json.dumps(config))
    return target


def test_a_silent_config(folder: Path) -> None:
    ref = ModelRef("m", "./silent", folder)
    with pytest.raises(DiagnosticError) as refused:
        sites(ref)
    assert refused.value.diagnostics[0].code == "CQ502"
    assert any("cq sites" in line for line in refused.value.diagnostics[0].help)
    model = load(ref)
    known = sites(ref)
    assert known.towers[0].heads == 32
    assert (known.towers[0].layers, known.towers[0].width) == (2, 32)
    assert known.channels == model.sites.channels
    assert [t.heads for t in known.towers] == [t.heads for t in model.sites.towers]
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    with pytest.raises(DiagnosticError):  # another config, another model
        sites(ref)
