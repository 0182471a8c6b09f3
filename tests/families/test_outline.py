"""What `config.json` alone says of a model's sites is what loading finds, for every family."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from causalcircuit.models import load
from causalcircuit.query import ModelRef, OutlineError, SiteTable, Tower, site_table
from tests.families import Family, all_families, named

Folder = Callable[[str], Path]
FAST = ("gpt2", "falcon", "qwen2_moe", "olmo", "bart", "clip", "vision_encoder_decoder", "whisper")
UNTOLD = {"pix2struct": {"frames"}}
"""How many patches an image becomes stands in the processor's settings."""
REFUSED = ("swin",)
LOADED = [f for f in all_families() if not f.unbuildable and f.name not in REFUSED]


def outline(folder: Path) -> SiteTable:
    return site_table(json.loads((folder / "config.json").read_text()))


def said_of(tower: Tower) -> dict[str, object]:
    """What addresses depend on; which attention is loaded, a config cannot tell."""
    said = {f.name: getattr(tower, f.name) for f in fields(tower)}
    return {**said, "missing": {site for site, _ in tower.missing if "pattern" not in site}}


def agree(family: Family, folder: Path) -> None:
    found = load(ModelRef("m", "m", folder, dtype="float32"), family.attentions[0]).sites  # type: ignore[arg-type]
    told = outline(folder)
    for what in ("family", "channels", "max_positions", "projector", "projected", "readout"):
        assert getattr(told, what) == getattr(found, what), what
    assert len(told.towers) == len(found.towers)
    for one, other in zip(told.towers, found.towers, strict=True):
        left, right = said_of(one), said_of(other)
        for what in UNTOLD.get(family.name, set()) & (left.keys() if one.modality == "image" else set()):
            assert left.pop(what) != right.pop(what), f"the config tells {what} after all"
        assert left == right


@pytest.mark.parametrize("name", FAST)
def test_a_config_tells_what_loading_finds(name: str, folder: Folder) -> None:
    agree(named(name), folder(name))


@pytest.mark.slow
@pytest.mark.parametrize("family", LOADED, ids=lambda family: family.name)
def test_every_config_tells_what_loading_finds(family: Family, folder: Folder) -> None:
    agree(family, folder(family.name))


@pytest.mark.parametrize("family", LOADED, ids=lambda family: family.name)
def test_a_config_tells_what_the_modeling_file_says(family: Family, folder: Folder) -> None:
    """The outline against facts written by hand, without loading."""
    table = outline(folder(family.name))
    by_name = {
        ("" if t.name == "decoder" and family.kind != "encoder-decoder" else t.name): t for t in family.facts.towers
    }
    assert len(table.towers) == len(family.facts.towers)
    for tower, fact in zip(table.towers, _in_order(family), strict=True):
        assert (tower.layers, tower.heads, tower.head_dim, tower.width) == (
            fact.layers, fact.heads, fact.head_dim, fact.width,
        )  # fmt: skip
        repeated = family.model_type == "falcon"
        assert tower.groups == (fact.heads if repeated else fact.kv_heads)
        assert tower.parallel == (fact.norm == "parallel")
        assert ("final_norm" in dict(tower.missing)) == (fact.final_norm == "")
        assert tower.experts == fact.experts
        assert tower.cross == bool(fact.cross)
        if fact.patches and tower.patches is not None:
            assert (tower.cls, tower.extent) == (fact.leading, fact.leading + fact.patches)
    assert bool(table.projector) == bool(family.facts.image_tokens)
    assert by_name


def _in_order(family: Family) -> list[object]:
    """Towers in order of computation: what is seen or read first stands first."""
    return sorted(family.facts.towers, key=lambda t: t.name in ("decoder", "text"))


def test_what_a_config_leaves_open_is_not_guessed(folder: Folder) -> None:
    whole = json.loads((folder("llava") / "config.json").read_text())
    silent = {**whole, "text_config": {"model_type": "llama"}}
    with pytest.raises(OutlineError, match="num_hidden_layers"):
        site_table(silent)
    strange = {**whole, "vision_config": {**whole["vision_config"], "model_type": "unheard_of"}}
    with pytest.raises(OutlineError, match="class tokens"):
        site_table(strange)
    with pytest.raises(OutlineError, match="audio_config"):
        site_table({"model_type": "x", "audio_config": {"model_type": "y"}, "text_config": {"model_type": "llama"}})


def test_the_outline_reads_no_heavy_library() -> None:
    code = "import sys, causalcircuit.query.outline; print(*({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
