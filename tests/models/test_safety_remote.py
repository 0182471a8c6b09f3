"""Code that a model brings along runs where the file trusts it by name, and nowhere else."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import causalcircuit as cq
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import load
from causalcircuit.query import ModelRef

CODE = """\
from pathlib import Path
Path({marker!r}).write_text("the code ran")
from transformers import GPT2Config, GPT2LMHeadModel
class OwnConfig(GPT2Config):
    model_type = "own_words"
class OwnModel(GPT2LMHeadModel):
    config_class = OwnConfig
"""


@pytest.fixture
def own(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The random GPT-2 under a class of its own, whose import leaves a marker beside its folder."""
    import transformers.dynamic_module_utils as dynamic

    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    target = Path(shutil.copytree(folder / "gpt2", tmp_path / "own"))
    (target / "modeling_own.py").write_text(CODE.format(marker=str(tmp_path / "marker")))
    said = json.loads((target / "config.json").read_text())
    said |= {
        "architectures": ["OwnModel"],
        "model_type": "own_words",
        "auto_map": {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"},
    }
    (target / "config.json").write_text(json.dumps(said))
    return target


def ran(own: Path) -> bool:
    return (own.parent / "marker").exists()


def test_code_is_not_run_unasked(own: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        load(ModelRef("m", "./own", own))
    (problem,) = caught.value.diagnostics
    assert problem.code == "CQ532"
    assert 'trust_remote_code = "./own"' in problem.help[0]
    assert not ran(own)


def test_checking_never_runs_code(own: Path) -> None:
    program = check_text('model m = hf("./own") with trust_remote_code = "./own"\n', folder=own.parent)
    assert [(d.code, d.severity) for d in program.warnings] == [("CQ541", "warning")]
    assert "./own" in program.warnings[0].message
    assert not ran(own)


def test_trusted_code_is_run(own: Path, folder: Path) -> None:
    program = check_text('model m = hf("./own") with trust_remote_code = "./own"\n', folder=own.parent)
    model = load(program.models["m"])
    assert ran(own)
    assert type(model.hf).__name__ == "OwnModel"
    native = load(ModelRef("m", "./gpt2", folder / "gpt2"))
    for (name, a), (other, b) in zip(model.hf.named_parameters(), native.hf.named_parameters(), strict=True):
        assert name == other
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["own", "./own/", "./other", "", "*"])
def test_trust_is_given_by_the_very_name(own: Path, name: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        check_text(f'model m = hf("./own") with trust_remote_code = "{name}"\n', folder=own.parent)
    assert [d.code for d in caught.value.diagnostics] == ["CQ542"]


@pytest.mark.parametrize("value", ["true", "yes", "1", "auto"])
def test_trust_is_a_name_and_no_switch(own: Path, value: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        check_text(f'model m = hf("./own") with trust_remote_code = {value}\n', folder=own.parent)
    assert [d.code for d in caught.value.diagnostics] == ["CQ224"]


@pytest.mark.parametrize("revision", ["", ', revision = "main"', ', revision = "50f5173d"'])
def test_a_name_on_the_hub_is_pinned(revision: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        check_text(f'model m = hf("who/what"{revision}) with trust_remote_code = "who/what"\n')
    assert [d.code for d in caught.value.diagnostics] == ["CQ542"]


def test_trust_in_a_used_file_is_told_too(own: Path) -> None:
    (own.parent / "base.cq").write_text('model m = hf("./own") with trust_remote_code = "./own"\n')
    program = check_text('use "./base.cq" as b\n', folder=own.parent)
    assert [d.code for d in program.warnings] == ["CQ541"]


def test_python_names_its_trust_too(own: Path) -> None:
    source = str(own)
    assert cq.model(source, trust_remote_code=source).ref.trust_remote_code
    with pytest.raises(DiagnosticError, match="CQ542"):
        cq.model(source, trust_remote_code="own")


def test_answers_in_python_tell_of_trust(own: Path) -> None:
    (own.parent / "d.jsonl").write_text('{"p": "Mary and John"}\n{"p": "the old king"}\n')
    lm = cq.model(str(own), trust_remote_code=str(own))
    d = cq.data(own.parent / "d.jsonl", prompt=cq.row.p)
    result = cq.estimate(cq.E[lm.logit[" Mary"] @ cq.last], on=d)
    (told,) = (x for x in result.diagnostics if x.code == "CQ541")
    assert str(own) in told.message
    assert told.severity == "warning"


def trusted(own: Path) -> ModelRef:
    return replace(ModelRef("m", "./own", own), trust_remote_code=True)


@pytest.mark.parametrize("where", ["config.json", "tokenizer_config.json"])
def test_trust_is_not_handed_on(own: Path, where: str) -> None:
    """The trusted folder names code of another repository, which nobody has read."""
    said = json.loads((own / where).read_text())
    said.setdefault("auto_map", {})["AutoTokenizer"] = ["who/what--tok.Slow", None]
    (own / where).write_text(json.dumps(said))
    with pytest.raises(DiagnosticError, match="another repository") as caught:
        load(trusted(own))
    assert [d.code for d in caught.value.diagnostics] == ["CQ542"]
    assert not ran(own)


def test_code_lies_in_the_folder_itself(own: Path) -> None:
    (own / "modeling_own.py").rename(own.parent / "elsewhere.py")
    (own / "modeling_own.py").symlink_to(own.parent / "elsewhere.py")
    with pytest.raises(DiagnosticError, match="link out of the folder"):
        load(trusted(own))
    assert not ran(own)


def test_trust_in_a_model_without_code(folder: Path) -> None:
    with pytest.raises(DiagnosticError, match="names no code") as caught:
        load(replace(ModelRef("m", "./gpt2", folder / "gpt2"), trust_remote_code=True))
    assert [d.code for d in caught.value.diagnostics] == ["CQ542"]


def test_code_that_fails_is_told(own: Path) -> None:
    (own / "modeling_own.py").write_text("raise RuntimeError('of its own')\n")
    with pytest.raises(DiagnosticError, match="of its own") as caught:
        load(trusted(own))
    assert [d.code for d in caught.value.diagnostics] == ["CQ531"]
