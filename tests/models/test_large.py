"""Large models: what they need is known before they are loaded; spread, packed and half-precision ones load."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import LlamaConfig, LlamaForCausalLM, modeling_utils

from causalcircuit.check import check_text
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.engine.places import Places, gather, scatter
from causalcircuit.models import load, memory
from causalcircuit.models.folder import read_config
from causalcircuit.models.memory import PASS_TOKENS, free_bytes, pass_bytes
from causalcircuit.models.quantised import method_of
from causalcircuit.models.weights import DTYPES, read_weights
from causalcircuit.query import ModelRef, SiteInfo
from tests.families import all_families
from tests.truth import tiny


def read(folder: Path, attention: str = "sdpa", **declared: Any) -> Any:
    ref = ModelRef("m", f"./{folder.name}", folder, **declared)
    return read_weights(ref, folder, read_config(ref, folder), attention)


def refused(folder: Path, **declared: Any) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        read(folder, **declared)
    (problem,) = caught.value.diagnostics
    assert problem.help, "a way out"
    return problem


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder / "gpt2", tmp_path / "gpt2"))


def edit(path: Path, **changed: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


# ---- memory


def held(model: Any) -> int:
    """The bytes of a loaded model, tensors that are shared counted once."""
    kept = {
        t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in (*model.parameters(), *model.buffers())
    }
    return sum(kept.values())


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("name", ["gpt2", "captioner"])
def test_the_weights_need_what_they_were_said_to_need(
    folder: Path, name: str, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[int, int]] = []
    monkeypatch.setattr("causalcircuit.models.weights.check_memory", lambda _, *bytes_: said.append(bytes_))
    model = read(folder / name, dtype=dtype)
    assert said[0][0] == held(model)


FAMILIES = ["bart", "clip", "deberta_v2", "gemma2", "mixtral", "qwen2_vl", "t5", "t5_gated", "whisper"]


@pytest.mark.parametrize("name", FAMILIES)
def test_families_that_tie_convert_or_stack_their_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of files and parameters differ there, and what is shared by config may be separate in the files."""
    said: list[tuple[int, int]] = []
    monkeypatch.setattr("causalcircuit.models.weights.check_memory", lambda _, *bytes_: said.append(bytes_))
    next(f for f in all_families() if f.name == name).build(tmp_path)
    model = read(tmp_path, "eager")  # some have no other
    # A buffer may be a view of another one, or of one number: some bytes less than its shape says.
    assert held(model) <= said[0][0] <= held(model) + 4096


class Live(TorchDispatchMode):
    """The most bytes that tensors made inside hold at one moment, by the storages that are alive."""

    def __init__(self, known: set[int]) -> None:
        super().__init__()
        self.known, self.alive, self.most = known, {}, 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() not in self.known:
                storage = tensor.untyped_storage()
                self.alive[storage._cdata] = torch.multiprocessing.reductions.StorageWeakRef(storage)
        self.alive = {k: w for k, w in self.alive.items() if not w.expired()}
        sizes = (torch.UntypedStorage._new_with_weak_ptr(w.cdata) for w in self.alive.values())
        self.most = max(self.most, sum(s.nbytes() for s in sizes if s is not None))
        return out


SIZES = [
    {"hidden_size": 64, "intermediate_size": 256, "vocab_size": 5000},
    {"hidden_size": 256, "intermediate_size": 704, "vocab_size": 300},
    {"hidden_size": 128, "intermediate_size": 2048, "vocab_size": 1000},
]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_pass_needs_no_more_than_was_said_and_not_much_less(sizes: dict, dtype: torch.dtype) -> None:
    config = LlamaConfig(**sizes, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4)
    model = LlamaForCausalLM(config).to(dtype).eval()
    ids = torch.randint(sizes["vocab_size"], (16, 16))
    known = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers(), ids)}
    with torch.inference_mode(False), torch.no_grad(), Live(known) as live:
        out = model(ids, use_cache=False)
    del out
    assert live.most <= pass_bytes(model, ids.numel(), dtype) <= 4 * live.most


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = read(folder / "gpt2")
    need = held(model) + pass_bytes(model, PASS_TOKENS, torch.float32)
    monkeypatch.setattr(memory, "_host", lambda: need)
    read(folder / "gpt2")
    monkeypatch.setattr(memory, "_host", lambda: need - 1)
    found = refused(folder / "gpt2")
    assert found.code == "CQ540"
    assert f"{need / 2**20:.3g} MiB" in found.message
    assert any("bfloat16" in h for h in found.help)
    read(folder / "gpt2", dtype="bfloat16")
    read(folder / "gpt2", memory="unchecked")
    loaded: list[object] = []
    monkeypatch.setattr("causalcircuit.models.weights._read", lambda *a, **_: loaded.append(a))
    refused(folder / "gpt2")
    assert loaded == []


def test_the_free_memory_is_that_of_this_machine() -> None:
    free = free_bytes(torch.device("cpu"))
    assert free is not None
    with open("/proc/meminfo") as lines:
        total = int(next(line for line in lines if line.startswith("MemTotal")).split()[1]) * 1024
    assert 0 < free <= total


@pytest.mark.parametrize("version", [1, 2])
def test_a_control_group_may_allow_less(tmp_path: Path, version: int) -> None:
    root = tmp_path if version == 2 else tmp_path / "memory"
    root.mkdir(exist_ok=True)
    limit, used = (
        ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    (root / used).write_text("3000\n")
    (root / "memory.stat").write_text("anon 1\ninactive_file 500\n")
    (root / limit).write_text("10000\n")
    assert [f for f in memory._allowed(tmp_path) if f is not None] == [7500]
    (root / limit).write_text("max\n")
    assert memory._allowed(tmp_path) == [None, None]


# ---- half precision and spread weights


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_that_of_the_library(folder: Path, dtype: str) -> None:
    half, whole = read(folder / "gpt2", dtype=dtype), read(folder / "gpt2")
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        expected = whole.to(getattr(torch, dtype))(ids).logits
        assert torch.equal(half(ids).logits, expected)


def test_a_spread_model_gives_the_same_numbers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def infer(model: Any, device_map: Any, *rest: Any) -> Any:
        asked.append(device_map)
        return spreading(model, device_map, *rest)

    spreading = modeling_utils._get_device_map
    monkeypatch.setattr(modeling_utils, "_get_device_map", infer)
    spread, whole = (load(ModelRef("m", "./gpt2", folder / "gpt2", device_map=m)) for m in ("auto", None))
    assert asked == ["auto"]
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        assert torch.equal(spread.hf(ids).logits.cpu(), whole.hf(ids).logits)


def test_spreading_needs_its_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    found = refused(folder / "gpt2", device_map="auto")
    assert (found.code, "accelerate" in found.message) == ("CQ546", True)
    assert found.help == ("pip install accelerate",)


def test_indices_follow_the_device_of_a_layer() -> None:
    """`meta` stands for a second device: an index that stayed behind would be refused."""
    info = SiteInfo("layer[0].head[0].out", "layer[0].z", 1, 3, 5, "", 4, 0, "")
    places = [Places(info, (1, 1), [0, 2])]
    tensor = torch.zeros(4, 5, device="meta")
    (found,) = gather(tensor, places)
    assert found.device.type == "meta"
    assert found.shape == (2, 2)
    scatter(tensor, places, [found])


def test_what_a_file_may_say_of_a_large_model(folder: Path) -> None:
    text = 'model m = hf("./gpt2") with dtype = float16, device_map = balanced, memory = unchecked\n'
    ref = check_text(text, folder=folder).models["m"]
    assert (ref.dtype, ref.device_map, ref.memory) == ("float16", "balanced", "unchecked")


# ---- packed weights


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    """A LLaMA whose matrices are multiples of a block of 128, as FP8 packs them."""
    words = tiny.tokenizer()
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    tiny.shake(model, 0)
    model.save_pretrained(tmp_path / "llama")
    words.save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"


def pack(folder: Path) -> dict[str, torch.Tensor]:
    """Pack the matrices of the blocks to FP8, a scale for each 128 × 128; returns what they stand for."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    meant = {}
    for name in [n for n in weights if n.endswith("_proj.weight")]:
        rows, columns = (s // 128 for s in weights[name].shape)
        blocks = weights[name].reshape(rows, 128, columns, 128)
        scale = blocks.abs().amax((1, 3), keepdim=True) / 448
        packed = (blocks / scale).to(torch.float8_e4m3fn)
        meant[name] = (packed.float() * scale).reshape(weights[name].shape)
        weights[name] = packed.reshape(weights[name].shape)
        weights[f"{name}_scale_inv"] = scale.reshape(rows, columns)
    save_file(weights, path, metadata={"format": "pt"})
    how = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
    edit(folder / "config.json", quantization_config=how)
    return meant


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU they stay packed: the CPU unpacks them")
def test_packed_weights_are_read(llama: Path) -> None:
    meant = pack(llama)
    model = read(llama, dtype="bfloat16")
    got = dict(model.named_parameters())
    assert len(meant) == 14
    for name, weight in meant.items():
        assert torch.allclose(got[name].float(), weight, rtol=2**-7, atol=1e-6)


METHODS = ["gptq", "awq", "bitsandbytes", "hqq", "torchao", "compressed-tensors", "aqlm"]


@pytest.mark.parametrize("method", METHODS)
def test_packages_that_are_missing_are_named(copy: Path, method: str) -> None:
    edit(copy / "config.json", quantization_config={"quant_method": method, "bits": 4})
    found = refused(copy)
    assert found.code == "CQ546"
    package = {"gptq": "gptqmodel", "awq": "gptqmodel"}.get(method, method)
    assert package in found.message
    assert any(h.startswith("pip install") and package in h for h in found.help)


def test_packings_that_nobody_knows(copy: Path) -> None:
    edit(copy / "config.json", quantization_config={"quant_method": "magic"})
    assert refused(copy).code == "CQ546"


@pytest.mark.parametrize("said", [{}, [], 3, {"quant_method": ["fp8"]}, {"bits": -1}], ids=str)
def test_packings_that_are_none(copy: Path, said: object) -> None:
    edit(copy / "config.json", quantization_config=said)
    assert refused(copy).code in ("CQ531", "CQ546")


def test_packings_of_old_configs() -> None:
    assert method_of({"quantization_config": {"load_in_4bit": True}}) == "bitsandbytes"
    assert method_of({"text_config": {"quantization_config": {"quant_method": "awq"}}}) == "awq"
    assert method_of({"quantization_config": None}) is None
