"""`cq sites`: every address of the table with what is proven of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from causalcircuit.models import load
from causalcircuit.query import ModelRef
from causalcircuit.query.listing import Listing, Section, SiteRow
from causalcircuit.report.sites import sites_json, sites_text
from causalcircuit.runs.sites import listing_of
from causalcircuit.tools.sites import sites
from tests.families import folder_of


def rows(section: Section) -> list[SiteRow]:
    return [*section.rows, *(r for inner in section.sections for r in rows(inner))]


def listed(name: str, tmp_path_factory: pytest.TempPathFactory, attention: str = "auto") -> Listing:
    folder = folder_of(name, tmp_path_factory)
    return listing_of(load(ModelRef("m", name, folder, attention=attention)))  # type: ignore[arg-type]


def test_llama(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Grouped queries are told, and no pattern under sdpa; all three layers are proven, so they are listed as one."""
    found = listed("llama", tmp_path_factory)
    (tower,) = found.towers
    assert "4 heads of 24 (2 of keys and values)" in tower.title
    assert dict(tower.absent).keys() == {"head.pattern"}
    addresses = [r.address for r in rows(tower)]
    assert "kv[0..1].k" in addresses
    assert "head[0..3].q" in addresses
    assert "router" not in addresses
    assert {r.width for r in rows(tower) if r.address == "head[0..3].out"} == {24}
    assert all(r.status in ("proven", "inferred") for r in rows(tower))
    assert found.inputs == ("input (at most 64 tokens)",)


def test_eager_shows_patterns_and_mixtures_experts(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = listed("qwen3_moe", tmp_path_factory, "eager")
    layers = [s.title for s in found.towers[0].sections if s.title]
    assert layers[0] == "layer[0]"  # dense, so listed by itself
    names = [r.address for r in rows(found.towers[0])]
    assert "head[0..3].pattern[k]" in names
    assert "router" in names
    assert "expert[0..3].out" in names


def test_models_of_a_file_are_listed_with_their_dictionaries(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(Path(__file__).parents[2] / "examples" / "features.cq")
    assert sites(file, "float32", "auto", False, False) == 0
    said = capsys.readouterr().out
    for line in (
        "s: sae of 128 features at layer[0].resid; topk(8)",
        "s.feature[0..127]  tokens × 1   proven",
        "s.error            tokens × 64  proven",
    ):
        assert line in said
    assert sites(file, "float32", "auto", True, False) == 0
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert [t["title"][:6] for t in model["towers"]] == ["text: ", "s: sae"]


def test_a_file_with_a_mistake_is_not_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.cq").write_text('model m = hf("./none")\n')
    assert sites(str(tmp_path / "a.cq"), "float32", "auto", False, False) == 2
    assert "CQ501" in capsys.readouterr().err


def test_a_refused_site_says_why(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = load(ModelRef("m", "gpt2", folder_of("gpt2", tmp_path_factory)))
    model.proof.refused["layer[1].z"] = "heads + bias = attention"
    model.proof.assigned.discard("layer[1].z")
    try:
        text = sites_text(listing_of(model))
    finally:
        del model.proof.refused["layer[1].z"]
        model.proof.assigned.add("layer[1].z")
    line = next(x for x in text.splitlines() if "refused" in x)
    assert "head[0..3].out" in line
    assert "heads + bias = attention" in line
    assert "layer[0]" in text
    assert "layer[1]" in text
    assert "layer[2]" in text


def test_json(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = json.loads(sites_json(listed("gpt2", tmp_path_factory)))
    assert found["schema"] == 1
    assert found["family"] == "gpt2"
    assert found["towers"][0]["sections"][0]["rows"][0] == {
        "address": "embed", "width": 48, "positions": "tokens", "status": "proven", "reason": "", "gradient": "",
    }  # fmt: skip


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from causalcircuit.tools.cli import main

    with pytest.raises(SystemExit) as left:
        main(["sites", "examples/models/ioi"])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert "head[0..3].out" in out
    assert "proven" in out
    assert max(map(len, out.splitlines())) <= 80
    with pytest.raises(SystemExit) as left:
        main(["sites", str(tmp_path / "none")])
    assert left.value.code == 2
    assert "CQ501" in capsys.readouterr().err
