"""Wires across towers and past norms behind a part, against torch's own hooks, in float64 to 1e-9."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor

from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import ALL, LAST, DataRef, Expr, ModelRef, Text, Wire
from causalcircuit.query.wiring import end_of, obstacle
from causalcircuit.rows import Dataset, load
from tests.families import folder_of
from tests.families.vision_inputs import cast, processor
from tests.families.vision_parts import pictures
from tests.truth import tiny
from tests.truth.say import M, cell, do, index, op, read, row, site
from tests.wires.raw import Raw, Read, Source, Term

BOUND = 1e-9
PROMPT, PREFIX = "the old king said no", "The king gave a"
SHIPPED = Path(__file__).parents[2] / "examples" / "models" / "captioner"


@dataclass(repr=False)
class Family:
    """A model over one row, and where its writes and reads stand among its modules, by address."""

    model: LoadedModel
    data: Dataset
    raw: Raw
    word: str
    sources: dict[str, Source]
    reads: dict[str, Read]
    terms: dict[str, tuple[Term, ...]] = field(default_factory=dict)

    def ends(self, source: str, place: Any, end_place: Any) -> dict[str, Wire]:
        """The wires out of a source, by where they end."""
        table, start = self.model.sites, site(source, place)
        info = table.info(start.address)
        found: dict[str, Wire] = {}
        for name in self.reads:
            # A projector's positions are neither the picture's nor the text's.
            at = ALL if "projector.out" in (name, source) else end_place
            end: Expr = site(name, at) if name else read("logit", self.word, position=LAST)
            if not obstacle(table, info, end_of(table, end)):
                found[name] = Wire(start, end)
        return found


def part(i: int, width: int) -> slice:
    return slice(i * width, (i + 1) * width)


def text_pair(name: str, factory: pytest.TempPathFactory) -> tuple[LoadedModel, Dataset, Raw]:
    folder = Path(folder_of(name, factory))
    model = load_model(ModelRef(M, f"./{name}", folder, dtype="float64"))
    lines = tiny.write_lines(factory.mktemp("rows") / "d.jsonl", [{"prompt": PROMPT}])
    data = load(DataRef("d", "jsonl", lines, (("prompt", row("prompt")), ("prefix", Text(PREFIX)))))
    words = model.tokenizer
    start = [model.hf.config.decoder_start_token_id]
    keywords = {
        "input_ids": torch.tensor([words(PROMPT).input_ids]),
        "decoder_input_ids": torch.tensor([[*start, *words(PREFIX, add_special_tokens=False).input_ids]]),
    }
    return model, data, Raw(model.hf, keywords, words("book", add_special_tokens=False).input_ids[0])


def t5(factory: pytest.TempPathFactory) -> Family:
    model, data, raw = text_pair("t5", factory)
    sources: dict[str, Source] = {"encoder.embed": Source("encoder.block.0")}
    reads: dict[str, Read] = {
        "": Read(("decoder.final_layer_norm",)),
        "encoder.out": Read(("encoder.final_layer_norm",)),
    }
    for side in ("encoder", "decoder"):
        for i in (0, 1):
            at, last = f"{side}.block.{i}.layer", 2 if side == "decoder" else 1
            own = f"{side}.layer[{i}]"
            o, wo = f"{at}.0.SelfAttention.o", f"{at}.{last}.DenseReluDense.wo"
            sources[f"{own}.head[1].out"] = Source(o, part=part(1, 16), through=(o,))
            sources[f"{own}.attn.out"] = Source(o, out=True)
            sources[f"{own}.mlp.neuron[3]"] = Source(wo, part=slice(3, 4), through=(wo,))
            sources[f"{own}.mlp.out"] = Source(wo, out=True)
    for i in (0, 1, 2):
        at, own = f"decoder.block.{i}.layer.1", f"decoder.layer[{i}]"
        for x in "kv":
            reads[f"{own}.cross.head[2].{x}"] = Read(
                ("encoder.final_layer_norm", f"{at}.EncDecAttention.{x}"), part(2, 16)
            )
        reads[f"{own}.cross.head[2].q"] = Read((f"{at}.layer_norm", f"{at}.EncDecAttention.q"), part(2, 16))
        o = f"{at}.EncDecAttention.o"
        if i < 2:
            sources[f"{own}.cross.head[0].out"] = Source(o, part=part(0, 16), through=(o,))
    return Family(model, data, raw, "book", sources, reads)


def bart(factory: pytest.TempPathFactory) -> Family:
    model, data, raw = text_pair("bart", factory)
    sources: dict[str, Source] = {}
    reads: dict[str, Read] = {}
    terms: dict[str, tuple[Term, ...]] = {}
    for side in ("encoder", "decoder"):
        found: list[Term] = []
        for i in range(3):
            at, own = f"model.{side}.layers.{i}", f"{side}.layer[{i}]"
            o, cross = f"{at}.self_attn.out_proj", f"{at}.encoder_attn.out_proj"
            if i < 2:
                sources[f"{own}.head[1].out"] = Source(o, part=part(1, 12), through=(o,), term=len(found))
            found.append(Term(o, f"{at}.self_attn_layer_norm"))
            if side == "decoder":
                q = f"{at}.encoder_attn.q_proj"
                reads[f"{own}.cross.head[2].q"] = Read((q,), part(2, 12), len(found))
                for x in "kv":
                    k = f"{at}.encoder_attn.{x}_proj"
                    reads[f"{own}.cross.head[2].{x}"] = Read((k,), part(2, 12), 6)
                if i < 2:
                    sources[f"{own}.cross.head[0].out"] = Source(
                        cross, part=part(0, 12), through=(cross,), term=len(found)
                    )
                found.append(Term(cross, f"{at}.encoder_attn_layer_norm"))
            if i < 2:
                sources[f"{own}.mlp.out"] = Source(f"{at}.fc2", out=True, term=len(found))
            found.append(Term(f"{at}.fc2", f"{at}.final_layer_norm"))
        terms[side] = tuple(found)
    reads[""] = Read(("lm_head",), term=9)
    return Family(model, data, raw, "book", sources, reads, terms)


def captioner(folder: Path, word: str, factory: pytest.TempPathFactory, bridge: tuple[str, ...] = ()) -> Family:
    model = load_model(ModelRef(M, f"./{folder.name}", folder, dtype="float64"))
    root = factory.mktemp("rows")
    picture = pictures()[0]
    picture.save(root / "p.png")
    lines = tiny.write_lines(root / "d.jsonl", [{"photo": "p.png"}])
    data = load(DataRef("d", "jsonl", lines, (("image", row("photo")), ("prefix", Text("a")))))
    words = model.tokenizer
    ids = [model.hf.config.decoder_start_token_id, *words("a", add_special_tokens=False).input_ids]
    with warnings.catch_warnings(action="ignore"):
        seen = AutoImageProcessor.from_pretrained(folder)(
            Image.open(root / "p.png").convert("RGB"), return_tensors="pt"
        )
    keywords = {"pixel_values": seen["pixel_values"].double(), "decoder_input_ids": torch.tensor([ids])}
    raw = Raw(model.hf, keywords, words(word, add_special_tokens=False).input_ids[0])
    eye = model.sites.tower("encoder").head_dim
    mind, width = model.sites.tower("decoder").head_dim, model.sites.tower("decoder").width
    sources: dict[str, Source] = {"encoder.embed": Source("encoder.layers.0")}
    reads: dict[str, Read] = {"": Read(("decoder.transformer.ln_f",))}
    for i in (0, 1):
        at, own = f"encoder.layers.{i}", f"encoder.layer[{i}]"
        o, down = f"{at}.attention.o_proj", f"{at}.mlp.fc2"
        sources[f"{own}.head[1].out"] = Source(o, part=part(1, eye), through=(o,))
        sources[f"{own}.mlp.neuron[3]"] = Source(down, part=slice(3, 4), through=(down,))
        sources[f"{own}.mlp.out"] = Source(down, out=True)
        at, own = f"decoder.transformer.h.{i}", f"decoder.layer[{i}]"
        for x, offset in (("k", 0), ("v", width)):
            chain = ("encoder.layernorm", *bridge, f"{at}.crossattention.c_attn")
            reads[f"{own}.cross.head[2].{x}"] = Read(chain, slice(offset + 2 * mind, offset + 3 * mind))
        reads[f"{own}.cross.head[2].q"] = Read((f"{at}.ln_cross_attn", f"{at}.crossattention.q_attn"), part(2, mind))
        for name, module in (("head", "attn"), ("cross.head", "crossattention")):
            o = f"{at}.{module}.c_proj"
            sources[f"{own}.{name}[1].out"] = Source(o, part=part(1, mind), through=(o,))
    return Family(model, data, raw, word, sources, reads)


def llava(factory: pytest.TempPathFactory) -> Family:
    folder = Path(folder_of("llava", factory))
    model = load_model(ModelRef(M, "./llava", folder, dtype="float64"))
    root = factory.mktemp("rows")
    pictures()[0].save(root / "p.png")
    lines = tiny.write_lines(root / "d.jsonl", [{"photo": "p.png", "said": "Mary gave the red ball to"}])
    data = load(DataRef("d", "jsonl", lines, (("prompt", row("said")), ("image", row("photo")))))
    with warnings.catch_warnings(action="ignore"):
        made = dict(
            processor(folder)(
                images=[[Image.open(root / "p.png")]], text=["<image>Mary gave the red ball to"], return_tensors="pt"
            )
        )
    keywords = cast(made, torch.float64)
    raw = Raw(model.hf, keywords, model.tokenizer("John", add_special_tokens=False).input_ids[0])
    image = (keywords["input_ids"][0] == model.hf.config.image_token_index).nonzero()[:, 0]
    length, width = keywords["input_ids"].shape[1], model.sites.tower("").width

    def put(delta: Tensor) -> Tensor:
        whole = torch.zeros(1, length, width, dtype=delta.dtype)
        whole[0, image] = delta.reshape(-1, width)
        return whole

    sources = {
        "vision.embed": Source("model.vision_tower.encoder.layers.0"),
        "projector.out": Source("model.multi_modal_projector", out=True, put=put),
    }
    gaze = "model.multi_modal_projector"
    reads = {"": Read(("model.language_model.norm",)), "projector.out": Read((gaze,), take=lambda d: d[:, 1:])}
    for i in (0, 1):
        at, own = f"model.vision_tower.encoder.layers.{i}", f"vision.layer[{i}]"
        o, down = f"{at}.self_attn.out_proj", f"{at}.mlp.fc2"
        sources[f"{own}.head[1].out"] = Source(o, part=part(1, 6), through=(o,))
        sources[f"{own}.mlp.neuron[3]"] = Source(down, part=slice(3, 4), through=(down,))
        sources[f"{own}.attn.out"] = Source(o, out=True)
    for i in (0, 2):
        at, own = f"model.language_model.layers.{i}", f"layer[{i}]"
        norm, mix = f"{at}.input_layernorm", f"{at}.self_attn"
        reads[f"{own}.kv[1].k"] = Read((norm, f"{mix}.k_proj"), part(1, 8))
        reads[f"{own}.kv[1].v"] = Read((norm, f"{mix}.v_proj"), part(1, 8))
        reads[f"{own}.head[3].q"] = Read((norm, f"{mix}.q_proj"), part(3, 8))
    sources["layer[0].head[1].out"] = Source(
        "model.language_model.layers.0.self_attn.o_proj",
        part=part(1, 8),
        through=("model.language_model.layers.0.self_attn.o_proj",),
    )
    return Family(model, data, raw, "John", sources, reads)


def gemma2(factory: pytest.TempPathFactory) -> Family:
    """Norms stand behind its parts, so that a head's write is what the norm makes of all heads with it."""
    folder = Path(folder_of("gemma2", factory))
    model = load_model(ModelRef(M, "./gemma2", folder, dtype="float64"))
    lines = tiny.write_lines(factory.mktemp("rows") / "d.jsonl", [{"prompt": PROMPT}])
    data = load(DataRef("d", "jsonl", lines, (("prompt", row("prompt")),)))
    ids = torch.tensor([model.tokenizer(PROMPT).input_ids])
    raw = Raw(model.hf, {"input_ids": ids}, model.tokenizer("book", add_special_tokens=False).input_ids[0])
    sources = {"embed": Source("model.layers.0")}
    reads = {"": Read(("model.norm",))}
    for i in range(3):
        at, own = f"model.layers.{i}", f"layer[{i}]"
        mixed, moved = f"{at}.post_attention_layernorm", f"{at}.post_feedforward_layernorm"
        o, down, norm = f"{at}.self_attn.o_proj", f"{at}.mlp.down_proj", f"{at}.input_layernorm"
        if i < 2:
            sources[f"{own}.head[1].out"] = Source(o, part=part(1, 24), through=(o, mixed))
            sources[f"{own}.attn.out"] = Source(mixed, out=True)
            sources[f"{own}.mlp.neuron[3]"] = Source(down, part=slice(3, 4), through=(down, moved))
            sources[f"{own}.mlp.out"] = Source(moved, out=True)
        reads[f"{own}.head[3].q"] = Read((norm, f"{at}.self_attn.q_proj"), part(3, 24))
        reads[f"{own}.kv[1].k"] = Read((norm, f"{at}.self_attn.k_proj"), part(1, 24))
        reads[f"{own}.kv[0].v"] = Read((norm, f"{at}.self_attn.v_proj"), part(0, 24))
        reads[f"{own}.mlp.in"] = Read((f"{at}.pre_feedforward_layernorm",))
    return Family(model, data, raw, "book", sources, reads)


BUILD: dict[str, Callable[[pytest.TempPathFactory], Family]] = {
    "t5": t5,
    "bart": bart,
    "shipped captioner": lambda factory: captioner(SHIPPED, "woman", factory),
    "captioner": lambda factory: captioner(
        Path(folder_of("vision_encoder_decoder", factory)), "book", factory, ("enc_to_dec_proj",)
    ),
    "llava": llava,
    "gemma2": gemma2,
}


@pytest.fixture(params=BUILD, scope="module")
def known(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, doubles: None) -> Family:
    return BUILD[request.param](tmp_path_factory)


def turned(x: Tensor) -> Tensor:
    return x * -0.5 + 0.1


def test_wires(known: Family) -> None:
    asked: dict[Any, tuple[str, str, list[int] | None]] = {}
    readout = read("logit", known.word, position=LAST)
    for name in known.sources:
        for place, at in ((ALL, None), (index(1), [1])):
            for end, wire in known.ends(name, place, place).items():
                if end or at is None or name == "projector.out":
                    world = do((wire, op(op(wire.source, "*", -0.5), "+", 0.1)))
                    asked[cell(readout, world)] = (name, end, at)
    every = [cell(readout), *asked]
    table = execute(prepare(make_plan(every, known.data, {M: known.model.sites}), {M: known.model}, known.data)).cells
    fact = known.raw.run()
    assert abs(table[cell(readout)][0] - fact) <= BOUND, "fed alike"
    moved = 0
    for c, (name, end, at) in asked.items():
        tower = name.split(".")[0]
        truth = known.raw.wire(known.sources[name], known.reads[end], turned, at, known.terms.get(tower, ()))
        assert np.abs(table[c][0] - truth) <= BOUND, (name, end, at)
        moved += abs(truth - fact) > 1e-6
    assert len(asked) >= 20
    assert moved >= 0.6 * len(asked), "wires have effects; some positions lie outside of a window"
