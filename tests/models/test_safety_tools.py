"""Tokenizers and processors from anywhere: what is hostile or broken is refused with a diagnostic, in little time."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest

from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.models import load
from causalcircuit.models import tools as reading
from causalcircuit.query import ModelRef


def refused(folder: Path) -> Diagnostic:
    start = time.process_time()
    with pytest.raises(DiagnosticError) as caught:
        load(ModelRef("m", f"./{folder.name}", folder))
    assert time.process_time() - start < 5
    (problem,) = caught.value.diagnostics
    assert problem.help, "a way out"
    return problem


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of the random GPT-2 whose tokenizer a test may damage."""
    return Path(shutil.copytree(folder / "gpt2", tmp_path / "gpt2"))


@pytest.fixture
def captions(folder: Path, tmp_path: Path) -> Path:
    """A copy of the random captioner."""
    return Path(shutil.copytree(folder / "captioner", tmp_path / "captioner"))


def edit(path: Path, **changed: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


CONTENTS = {
    "empty": b"",
    "no JSON": b"{",
    "another object": b'{"version": "9"}',
    "nested": b'{"model": ' * 100_000,
    "not a number": b'{"version": "1.0", "model": {"type": "Unigram", "vocab": [["a", NaN]], "unk_id": 0}}',
    "no UTF-8": b"\xff" * 100,
    "a missing unknown": b'{"version": "1.0", "model": {"type": "Unigram", "vocab": [], "unk_id": 7}}',
    "no merges": b'{"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["x y"]}}',
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_files_that_hold_no_tokenizer(copy: Path, content: bytes) -> None:
    (copy / "tokenizer.json").write_bytes(content)
    assert refused(copy).code == "CQ534"


def test_files_of_absurd_size_are_not_opened(copy: Path) -> None:
    with (copy / "tokenizer.json").open("r+b") as opened:
        opened.truncate(2**40)  # without a block on the disk behind it
    assert "1099511627776 bytes" in refused(copy).message


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("target", ["/dev/zero", "nowhere"])
def test_links_lead_to_plain_files(copy: Path, name: str, target: str) -> None:
    kept = copy.parent / name
    (copy / name).rename(kept)
    (copy / name).symlink_to(kept)
    assert load(ModelRef("m", "./gpt2", copy)).tokenizer.is_fast
    (copy / name).unlink()
    (copy / name).symlink_to(target)
    assert refused(copy).code == "CQ534"


BOMBS = [r"(a+)+$", r"(\\w+\\s?)+$", r"(x+x+)+y"]


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("where", ["pre_tokenizer", "normalizer"])
def test_patterns_that_explode(copy: Path, bomb: str, where: str) -> None:
    """Without the check, such a pattern ends the process at the first row that sets it off."""
    pattern = {"Regex": bomb.replace("\\\\", "\\")}
    step = (
        {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
        if where == "pre_tokenizer"
        else {"type": "Replace", "pattern": pattern, "content": ""}
    )
    edit(copy / "tokenizer.json", **{where: step})
    found = refused(copy)
    assert (found.code, "tokenizer" in found.message) == ("CQ534", True)


def test_patterns_of_published_tokenizers_pass(copy: Path) -> None:
    """That of GPT-4, LLaMA 3 and Qwen 2, nearly."""
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+"
    )
    said = json.loads((copy / "tokenizer.json").read_text())
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    edit(copy / "tokenizer.json", pre_tokenizer={"type": "Sequence", "pretokenizers": [split, said["pre_tokenizer"]]})
    assert load(ModelRef("m", "./gpt2", copy)).tokenizer.is_fast


@pytest.mark.parametrize("name", ["tokenizer_config.json", "preprocessor_config.json"])
def test_code_of_tools_is_not_run(captions: Path, tmp_path: Path, name: str) -> None:
    marker = tmp_path / "marker"
    (captions / "mine.py").write_text(f"open({str(marker)!r}, 'w')\nclass Mine: ...\n")
    kinds = {"AutoTokenizer": ["mine.Mine", "mine.Mine"], "AutoImageProcessor": "mine.Mine"}
    own = {"tokenizer_class": "Mine", "image_processor_type": "Mine"}
    edit(captions / name, auto_map=kinds, **own)
    with suppress(DiagnosticError):  # that of transformers may be used instead, or none
        load(ModelRef("m", "./captioner", captions))
    assert not marker.exists()


@pytest.mark.parametrize("size", [{"height": 10**9, "width": 10**9}, {"shortest_edge": 10**12}, 10**5])
def test_processors_of_absurd_size(captions: Path, size: object) -> None:
    edit(captions / "preprocessor_config.json", size=size)
    assert refused(captions).code == "CQ534"


@pytest.mark.parametrize("content", ["[", "[]", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"], ids=lambda c: c[:8])
@pytest.mark.parametrize("name", ["tokenizer_config.json", "preprocessor_config.json"])
def test_settings_that_are_none(captions: Path, name: str, content: str) -> None:
    (captions / name).write_text(content)
    assert refused(captions).code == "CQ534"


def test_a_template_of_a_chat_is_no_code(copy: Path, tmp_path: Path) -> None:
    """It is rendered, if ever, in a sandbox; loading does not even parse it."""
    edit(copy / "tokenizer_config.json", chat_template="{{ ''.__class__.__mro__[1].__subclasses__() }}")
    assert load(ModelRef("m", "./gpt2", copy)).tokenizer.is_fast


def test_a_tokenizer_that_pads_to_absurd_length_is_told_not_to(copy: Path) -> None:
    padding = {
        "strategy": {"Fixed": 10**12},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<end>",
    }
    truncation = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    before = load(ModelRef("m", "./gpt2", copy)).tokenizer("Mary and John")["input_ids"]
    edit(copy / "tokenizer.json", padding=padding, truncation=truncation)
    assert load(ModelRef("m", "./gpt2", copy)).tokenizer("Mary and John")["input_ids"] == before
    assert len(before) > 2


def test_panics_do_not_pass_for_interrupts(copy: Path) -> None:
    ref = ModelRef("m", "./gpt2", copy)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reading._tool(ref, "tokenizer", interrupt)
