"""Models with very few positions are proven on texts as long as they read; places before the first count for none."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import LoadedModel, load
from causalcircuit.models.problem import RowError
from causalcircuit.models.prompt import check_tokens
from causalcircuit.models.sketch import sketch
from causalcircuit.query import ModelRef
from tests.families import folder_of

KEYS = {"gpt2": "n_positions", "roberta": "max_position_embeddings"}


def shortened(name: str, positions: int, factory: pytest.TempPathFactory) -> Path:
    """A family's model with another number of positions."""
    folder = factory.mktemp(name) / "model"
    shutil.copytree(folder_of(name, factory), folder)
    said = json.loads((folder / "config.json").read_text())
    kind = getattr(transformers, said["architectures"][0])
    config = kind.config_class.from_dict(said)
    before = said["pad_token_id"] + 1 if name == "roberta" else 0
    setattr(config, KEYS.get(name, "max_position_embeddings"), positions + before)
    torch.manual_seed(positions)  # between two places a softmax may happen to be as good as linear
    kind(config).save_pretrained(folder)
    return folder


def loaded(name: str, positions: int, factory: pytest.TempPathFactory) -> LoadedModel:
    return load(ModelRef("m", name, shortened(name, positions, factory)))


@pytest.mark.parametrize("positions", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["gpt2", "opt", "bert", "roberta"])
def test_few_positions_are_proven(name: str, positions: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = loaded(name, positions, tmp_path_factory)
    whole = load(ModelRef("m", name, folder_of(name, tmp_path_factory)))
    assert model.sites.max_positions == positions
    assert model.refused == whole.refused
    assert model.sites.towers == whole.sites.towers
    assert model.proof.unread == whole.proof.unread


@pytest.mark.parametrize("positions", [3, 4, 6])
def test_few_positions_of_two_towers(positions: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = loaded("bart", positions, tmp_path_factory)
    assert not model.refused
    assert [t.causal for t in model.sites.towers] == [False, True]


@pytest.mark.parametrize(("name", "positions"), [("gpt2", 1), ("bart", 2)])
def test_too_few_positions_are_refused(name: str, positions: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = shortened(name, positions, tmp_path_factory)
    for way in (load, sketch):
        with pytest.raises(DiagnosticError, match=f"CQ532.* has {positions} positions for text"):
            way(ModelRef("m", name, folder))


@pytest.mark.parametrize("kind", ["Roberta", "XLMRoberta", "Camembert"])
def test_places_before_the_first_are_not_counted(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp(kind) / "model"
    shutil.copytree(folder_of("roberta", tmp_path_factory), folder)
    said = json.loads((folder / "config.json").read_text())
    said.pop("model_type")
    config = getattr(transformers, f"{kind}Config")(**said)
    getattr(transformers, f"{kind}ForMaskedLM")(config).save_pretrained(folder)
    limit = config.max_position_embeddings - config.pad_token_id - 1
    for way in (load, sketch):
        assert way(ModelRef("m", "roberta", folder)).sites.max_positions == limit
    model = load(ModelRef("m", "roberta", folder))
    (token, *_) = model.probe.one.ids or ()
    longest = replace(model.probe.one, ids=[token] * limit)
    model.forward(model.batch([longest]), (), lambda _, x: x)
    check_tokens(model, [token] * limit)
    with pytest.raises(RowError, match=f"longer than the {limit} tokens"):
        check_tokens(model, [token] * (limit + 1))
