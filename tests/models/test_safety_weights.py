"""Files of weights and configs from anywhere: what is hostile or broken is refused at once, with a diagnostic."""

from __future__ import annotations

import json
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn.modules import module as registration

from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.models.folder import read_config
from causalcircuit.models.headers import weight_files
from causalcircuit.models.survey import SurveyError, bounded
from causalcircuit.models.weights import read_weights
from causalcircuit.query import ModelRef
from causalcircuit.query.tensors import HeaderError, read_headers


def read(folder: Path, **declared: object) -> object:
    ref = ModelRef("m", f"./{folder.name}", folder, **declared)
    return read_weights(ref, folder, read_config(ref, folder), "sdpa")


def refused(folder: Path, **declared: object) -> Diagnostic:
    """The diagnostic, which comes fast: nothing large was built or read."""
    start = time.process_time()
    with pytest.raises(DiagnosticError) as caught:
        read(folder, **declared)
    assert time.process_time() - start < 2
    (problem,) = caught.value.diagnostics
    assert problem.help, "a way out"
    return problem


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of the random GPT-2 that a test may damage."""
    return Path(shutil.copytree(folder / "gpt2", tmp_path / "gpt2"))


def edit(path: Path, **changed: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def shard(folder: Path) -> Path:
    """Cut the weights into two files with an index; returns the index."""
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    index = {}
    for i, part in enumerate((names[::2], names[1::2])):
        file = f"model-{i + 1:05d}-of-00002.safetensors"
        save_file({n: weights[n] for n in part}, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(part, file)
    (folder / "model.safetensors").unlink()
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return path


# ---- what is sound is read


def test_headers_say_what_the_library_reads(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    seen = read_headers(weight_files(copy, {}))
    assert {n: e.shape for n, e in seen.items()} == {n: tuple(w.shape) for n, w in weights.items()}
    assert {n: e.size for n, e in seen.items()} == {n: w.nbytes for n, w in weights.items()}


def test_shards_are_read_by_their_index(copy: Path) -> None:
    whole = {n: p.clone() for n, p in read(copy).named_parameters()}
    shard(copy)
    assert len(weight_files(copy, {})) == 2
    assert all(torch.equal(p, whole[n]) for n, p in read(copy).named_parameters())


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.int8, torch.bool, torch.float8_e4m3fn])
def test_types_of_every_width(tmp_path: Path, kind: torch.dtype) -> None:
    save_file({"a": torch.zeros(3, 5).to(kind), "none": torch.zeros(0, 4).to(kind)}, tmp_path / "x.safetensors")
    seen = read_headers([tmp_path / "x.safetensors"])
    assert (seen["a"].size, seen["a"].numbers, seen["none"].size) == (15 * kind.itemsize, 15, 0)


# ---- hostile headers


def header(said: object, data: bytes = b"") -> bytes:
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape: list[object], begin: object, end: object, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


HOSTILE = {
    "empty": b"",
    "seven bytes": b"\0" * 7,
    "a header longer than the file": struct.pack("<Q", 10**6) + b"{}",
    "a header of 2^64 bytes": struct.pack("<Q", 2**64 - 1) + b"{}",
    "no JSON": header(b"{"),
    "no object": header(b"[]"),
    "nested": header(b"[" * 100_000),
    "no UTF-8": header(b'{"\xff": 1}'),
    "a name twice": header(b'{"a": {"dtype":"F32","shape":[],"data_offsets":[0,4]}, "a": 1}', b"\0" * 4),
    "an unknown type": header({"a": entry([1], 0, 4, "F31")}, b"\0" * 4),
    "a negative shape": header({"a": entry([-1, -1], 0, 4)}, b"\0" * 4),
    "a shape of texts": header({"a": entry(["1"], 0, 4)}, b"\0" * 4),
    "true for a number": header({"a": entry([True], 0, 4)}, b"\0" * 4),
    "no places": header({"a": {"dtype": "F32", "shape": [1]}}, b"\0" * 4),
    "places outside": header({"a": entry([4], 0, 16)}, b"\0" * 4),
    "places backwards": header({"a": entry([1], 4, 0)}, b"\0" * 4),
    "another size than the shape's": header({"a": entry([2**40, 2**40], 0, 4)}, b"\0" * 4),
    "tensors over each other": header({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, b"\0" * 12),
    "one place for all": header({"a": entry([2], 0, 8), "b": entry([2], 0, 8)}, b"\0" * 8),
    "a gap": header({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, b"\0" * 12),
    "bytes behind the last": header({"a": entry([1], 0, 4)}, b"\0" * 64),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_headers(copy: Path, content: bytes) -> None:
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(HeaderError, match=r"model\.safetensors"):
        read_headers([copy / "model.safetensors"])
    assert refused(copy).code == "CQ531"


def test_every_cut_of_a_file_is_seen_in_its_header(copy: Path) -> None:
    path = copy / "model.safetensors"
    whole = path.read_bytes()
    for end in [*range(0, 200, 7), len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:end])
        with pytest.raises(HeaderError):
            read_headers([path])


# ---- pickles, indexes, links


def test_an_index_that_names_pickles(copy: Path) -> None:
    index = shard(copy)
    names = json.loads(index.read_text())["weight_map"]
    (copy / "pytorch_model.bin").write_bytes(b"not even a pickle")
    edit(index, weight_map={**names, "x": "pytorch_model.bin"})
    found = refused(copy)
    assert (found.code, "pytorch_model.bin" in found.message) == ("CQ530", True)


def test_a_pickle_beside_the_weights_is_left_alone(copy: Path) -> None:
    (copy / "pytorch_model.bin").write_bytes(b"not even a pickle")
    (copy / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "pytorch_model.bin"}}')
    assert read(copy)


def test_a_config_that_names_a_pickle_as_its_weights(copy: Path) -> None:
    (copy / "pytorch_model.bin").write_bytes(b"not even a pickle")
    edit(copy / "config.json", transformers_weights="pytorch_model.bin")
    assert refused(copy).code == "CQ530"


@pytest.mark.parametrize("name", ["../x.safetensors", "/x.safetensors", "sub/x.safetensors", "gone.safetensors"])
def test_an_index_stays_in_its_folder(copy: Path, name: str) -> None:
    index = shard(copy)
    shutil.copy(copy / "model-00001-of-00002.safetensors", copy.parent / "x.safetensors")
    edit(index, weight_map={**json.loads(index.read_text())["weight_map"], "x": name})
    assert refused(copy).code == "CQ531"
    edit(index, weight_map=[])
    assert refused(copy).code == "CQ531"


def test_distributed_checkpoints_are_not_read(copy: Path) -> None:
    (copy / "shard-00001-model-00001-of-00001.safetensors").write_bytes(b"")
    assert "distributed" in refused(copy).message


def test_links_to_files_are_followed(copy: Path) -> None:
    """The cache of the hub is made of links; a file of weights cannot run anything wherever it lies."""
    (copy / "model.safetensors").rename(copy.parent / "elsewhere.safetensors")
    (copy / "model.safetensors").symlink_to(copy.parent / "elsewhere.safetensors")
    assert read(copy)


@pytest.mark.parametrize("target", ["/dev/zero", "nowhere"])
def test_links_to_what_is_no_file_are_not(copy: Path, target: str) -> None:
    for name in ("config.json", "model.safetensors"):
        kept = (copy / name).read_bytes()
        (copy / name).unlink()
        (copy / name).symlink_to(target)
        assert refused(copy).code in ("CQ502", "CQ531")
        (copy / name).unlink()
        (copy / name).write_bytes(kept)


# ---- hostile configs


@pytest.mark.parametrize(
    "changed",
    [
        {"n_layer": 10**6},
        {"n_layer": 90_000},
        {"n_embd": 10**9},
        {"n_embd": 3 * 10**7, "n_head": 3},
        {"vocab_size": 10**12},
        {"n_positions": 6 * 10**7},
        {"n_inner": 5 * 10**7},
        {"n_head": 0},
        {"n_embd": -24},
        {"n_layer": "two"},
        {"n_inner": None, "activation_function": "boom"},
        {"vocab_size": 319},
        {"n_layer": 1, "n_embd": 48},
    ],
    ids=str,
)
def test_configs_that_ask_for_another_model(copy: Path, changed: dict) -> None:
    edit(copy / "config.json", **changed)
    assert refused(copy).code == "CQ531"


CONTENTS = {
    "nested": b"[" * 200_000,
    "a list": b"[]",
    "digits": b'{"n_layer": ' + b"9" * 5000 + b"}",
    "no UTF-8": b"\xff\xfe",
    "huge": b'{"a": "' + b"x" * 20_000_000 + b'"}',
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_configs_that_are_none(copy: Path, content: bytes) -> None:
    (copy / "config.json").write_bytes(content)
    assert refused(copy).code == "CQ502"


def test_the_weights_of_another_family(copy: Path, folder: Path) -> None:
    """As large as they should be, under other names: nothing is made up for them."""
    config = transformers.LlamaConfig(
        vocab_size=310, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40
    )
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(copy)
    found = refused(copy)
    assert found.code == "CQ531"
    assert "weights are not in the files" in found.message


def test_too_many_modules_are_not_built(copy: Path) -> None:
    """Layers are counted while they are built: a config whose number has another name is stopped all the same."""
    built = 0

    def count(*_: object) -> None:
        nonlocal built
        built += 1

    hook = registration.register_module_module_registration_hook(count)
    try:
        with bounded(tensors=28, numbers=10**5), pytest.raises(SurveyError, match="modules"):
            torch.nn.ModuleList(torch.nn.Identity() for _ in range(10**7))
    finally:
        hook.remove()
    assert built < 5000
    with bounded(tensors=28, numbers=10**5), pytest.raises(SurveyError, match="parameters"):
        torch.nn.Linear(10**6, 10**6, device="meta")
    torch.nn.Linear(10**6, 10**6, device="meta")  # afterwards all is as before


@pytest.mark.parametrize("named", [["Trainer"], ["pipeline"], ["AutoModel"], [3], [], None, "GPT2LMHeadModel", ["os"]])
def test_only_models_are_classes_of_models(copy: Path, named: object) -> None:
    edit(copy / "config.json", architectures=named)
    assert refused(copy).code == "CQ532"


def damaged(weights: dict[str, torch.Tensor]) -> Iterator[Callable[[], None]]:
    name = "transformer.h.1.mlp.c_fc.weight"
    yield lambda: weights.pop(name)
    yield lambda: weights.update({name: weights[name].T.contiguous()})
    yield lambda: weights.update({name: weights[name] * torch.nan})


@pytest.mark.parametrize("which", range(3))
def test_flaws_of_single_weights_are_named(copy: Path, which: int) -> None:
    path = copy / "model.safetensors"
    weights = load_file(path)
    list(damaged(weights))[which]()
    save_file(weights, path, metadata={"format": "pt"})
    found = refused(copy)
    assert (found.code, "transformer.h.1.mlp.c_fc.weight" in found.message) == ("CQ531", True)


def test_an_adapter_is_no_model(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "adapter_model.safetensors")
    (copy / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/else"}')
    assert refused(copy).code == "CQ531"


def test_sound_models_of_both_kinds_pass(folder: Path) -> None:
    assert read(folder / "gpt2")
    assert read(folder / "captioner")
