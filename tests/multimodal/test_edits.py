"""Image patches and tokens are observed and assigned where a hook written here says that they are."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from causalcircuit.query import Column, DataRef, World
from causalcircuit.rows import load
from tests.families import all_families, loading, named
from tests.families.vision_inputs import PLACES, cast, image_positions, processor
from tests.families.vision_parts import BOXES
from tests.multimodal.conftest import MASKS, Load
from tests.multimodal.test_regions import covered
from tests.truth.ask import Engine
from tests.truth.say import cell, do, masked, patch, read, row, site

all_families()
LANGUAGE = sorted(f.name for f in all_families() if f.kind == "vision-language")
each = pytest.mark.parametrize("name", LANGUAGE)
Folder = Callable[[str], Path]


def asked(name: str, loaded: Load, rows: Path) -> Engine:
    feeds = (("prompt", Column("said")), ("image", Column("photo")))
    return Engine(loaded(name), load(DataRef("d", "jsonl", rows, feeds)))


def fed(name: str, at: Path, rows: Path, i: int) -> dict[str, torch.Tensor]:
    """What the model's own processor makes of one row."""
    line = json.loads(rows.read_text().splitlines()[i])
    place = PLACES.get(name, "<image>")
    text = line["said"].replace("<image>", place) if "<image>" in line["said"] else place + line["said"]
    with warnings.catch_warnings(action="ignore"):  # of numpy, about PaliGemma's
        made = dict(processor(at)(images=[[Image.open(rows.parent / line["photo"])]], text=[text], return_tensors="pt"))
    made.pop("labels", None)
    return cast(made, torch.float64)


def chosen(name: str, i: int, inside: bool) -> list[int]:
    """The image tokens that lie inside the mask of a row, or outside: from the boxes of the family."""
    size = ((48, 32), (40, 40))[i]
    shares = [None if box is None else covered(box, MASKS[i]) for box in BOXES[name](*size)]
    assert all(s is None or abs(s - 0.5) > 0.06 for s in shares)
    found = [k for k, s in enumerate(shares) if s is not None and (s >= 0.5) is inside]
    assert 0 < len(found) < len(shares)
    return found


def zeroed(
    model: Any, path: str, made: dict[str, torch.Tensor], places: torch.Tensor, before: bool = False
) -> torch.Tensor:
    """The last logits with zeros at some places of a module's output (or `before` it), by a hook of its own."""

    def without(value: torch.Tensor) -> torch.Tensor:
        new = value.clone()
        new.reshape(-1, value.shape[-1])[places] = 0
        return new

    def hook(_m: Any, args: Any, *output: Any) -> Any:
        return (without(args[0]), *args[1:]) if before else without(output[0])

    module = model.get_submodule(path)
    handle = module.register_forward_pre_hook(hook) if before else module.register_forward_hook(hook, prepend=True)
    try:
        with torch.inference_mode():
            return model(**made, use_cache=False).logits[0, -1]
    finally:
        handle.remove()


@each
@pytest.mark.parametrize("kind", ["inside", "outside"])
def test_zeroing_a_region_of_image_tokens_equals_a_hook(
    name: str, kind: str, loaded: Load, folder: Folder, rows: Path
) -> None:
    engine = asked(name, loaded, rows)
    # Qwen3-VL adds to the stream after its first two blocks: what enters the first one only is as the address says.
    layer = 0 if name == "qwen3_vl" else 1
    world = do((site(f"layer[{layer}].resid_in", masked(kind, "mask")), 0))
    cells = [cell(read("logit", row("who")), w) for w in (World(), world)]
    got = engine.ask(cells)
    family, at = named(name), folder(name)
    model = loading.load(at, torch.float64, "sdpa")
    blocks = next(t.blocks for t in family.facts.towers if t.name == "decoder")
    for i in range(2):
        made = fed(name, at, rows, i)
        tokens = image_positions(model, made)[chosen(name, i, kind == "inside")]
        who = engine.model.tokenizer.convert_tokens_to_ids(json.loads(rows.read_text().splitlines()[i])["who"])
        with torch.inference_mode():
            plain = model(**made, use_cache=False).logits[0, -1, who]
        edited = zeroed(model, f"{blocks}.{layer}", made, tokens, before=True)[who]
        assert got[cells[0]][i] == pytest.approx(float(plain), abs=1e-6)
        assert got[cells[1]][i] == pytest.approx(float(edited), abs=1e-6)
        assert abs(float(plain - edited)) > 1e-4


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("llava", "model.multi_modal_projector"),
        ("qwen2_vl", "model.visual.merger"),
        ("qwen2_5_vl", "model.visual.merger"),
        ("idefics3", "model.connector"),
        ("paligemma", "model.multi_modal_projector"),
        ("internvl", "model.multi_modal_projector"),
    ],
)
def test_zeroing_a_region_of_the_projector_equals_a_hook(
    name: str, path: str, loaded: Load, folder: Folder, rows: Path
) -> None:
    engine = asked(name, loaded, rows)
    edited = cell(read("logit", row("who")), do((site("projector.out", masked("inside", "mask")), 0)))
    got = engine.ask([edited])[edited]
    model = loading.load(folder(name), torch.float64, "sdpa")
    for i in range(2):
        made = fed(name, folder(name), rows, i)
        places = torch.tensor(chosen(name, i, True))
        if name == "qwen2_5_vl":  # its merger still stands window by window
            places = _windowed(made)[places]
        who = engine.model.tokenizer.convert_tokens_to_ids(json.loads(rows.read_text().splitlines()[i])["who"])
        expected = float(zeroed(model, path, made, places)[who])
        assert got[i] == pytest.approx(expected, abs=1e-6)


def _windowed(made: dict[str, torch.Tensor]) -> torch.Tensor:
    """Where each merged square stands: window by window, and a window has two by two of them."""
    _, high, wide = (made["image_grid_thw"][0] // torch.tensor([1, 2, 2])).tolist()
    squares = [divmod(k, wide) for k in range(high * wide)]
    order = sorted(squares, key=lambda at: (at[0] // 2, at[1] // 2, *at))
    return torch.tensor([order.index(square) for square in squares])


@pytest.mark.parametrize("name", ["llava", "qwen2_vl", "internvl"])
def test_image_tokens_are_counted_in_their_order(name: str, loaded: Load, folder: Folder, rows: Path) -> None:
    engine = asked(name, loaded, rows)
    model = loading.load(folder(name), torch.float64, "sdpa")
    blocks = next(t.blocks for t in named(name).facts.towers if t.name == "decoder")
    for k in (0, 3, -1):
        edited = cell(read("logit", row("who")), do((site("layer[0].resid", patch(k)), 0)))
        got = engine.ask([edited])[edited]
        for i in range(2):
            made = fed(name, folder(name), rows, i)
            place = image_positions(model, made)[k].reshape(1)
            who = engine.model.tokenizer.convert_tokens_to_ids(json.loads(rows.read_text().splitlines()[i])["who"])
            assert got[i] == pytest.approx(float(zeroed(model, f"{blocks}.1", made, place, before=True)[who]), abs=1e-6)
