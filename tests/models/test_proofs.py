"""Proofs are kept by the hash of all that they rest on, and made anew where anything of it changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from causalcircuit.models import LoadedModel, assure, load, proofs
from causalcircuit.models.contract.prove import prove
from causalcircuit.query import ModelRef
from causalcircuit.store import recall, remember
from tests.families import folder_of

PROVED: list[str] = []


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of its own, and a count of the proofs that are made."""
    target = tmp_path / "gpt2"
    shutil.copytree(folder_of("gpt2", tmp_path_factory), target)
    before = prove

    def counted(model: LoadedModel, probe: object) -> object:
        PROVED.append(str(target))
        return before(model, model.probe)

    monkeypatch.setattr(proofs, "prove", counted)
    PROVED.clear()
    return target


def read(folder: Path, **settings: object) -> LoadedModel:
    return load(ModelRef("m", "gpt2", folder, **settings))  # type: ignore[arg-type]


def test_a_second_load_proves_nothing(folder: Path) -> None:
    # Unlike every other model of this session, so that nothing is kept of it yet.
    weights = load_file(folder / "model.safetensors")
    weights["transformer.wte.weight"][5, 7] += len(str(folder)) / 100
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    first = read(folder)
    assert len(PROVED) == 1
    second = read(folder)
    assert len(PROVED) == 1
    assert second.proof == first.proof
    assert second.key == first.key


def test_whatever_a_proof_rests_on_is_in_its_name(folder: Path) -> None:
    plain = read(folder)
    keys = {plain.key, read(folder, dtype="float64").key, read(folder, attention="eager").key}
    weights = load_file(folder / "model.safetensors")
    weights["transformer.ln_f.bias"][0] += 1e-3
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    keys.add(read(folder).key)
    assert len(keys) == 4


@pytest.mark.parametrize("damage", ["", "[]", '{"refused": 3}', '{"refused": {"no.such": "x"}}'])
def test_a_damaged_proof_is_made_anew(folder: Path, damage: str) -> None:
    kept = read(folder)
    PROVED.clear()
    path = next(p for p in _folder().glob(f"{kept.key}.json"))
    path.write_text(damage)
    anew = read(folder).proof
    assert anew.assigned  # what was kept may have grown with the assignments of other tests
    assert anew.assigned <= kept.proof.assigned
    assert len(PROVED) == 1


def test_what_is_proven_later_is_kept(folder: Path) -> None:
    model = read(folder)
    name = "resid[2]" if "resid[2]" not in model.proof.assigned else "resid[1]"
    model.proof.assigned.discard(name)
    assure(model, [name])
    assert name in model.proof.assigned
    assert name in read(folder).proof.assigned


def test_nothing_is_kept_without_a_name() -> None:
    remember("", {"refused": {}})
    assert recall("") is None


def _folder() -> Path:
    from causalcircuit.query.private import private_folder

    found = private_folder()
    assert found is not None
    return found / "proofs"
