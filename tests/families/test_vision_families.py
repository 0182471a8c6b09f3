"""The tiny vision, audio and vision-language models: they load as real ones do, and what is said of them is true."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file

from tests.families import Family, Tower, all_families
from tests.families.loading import taps
from tests.families.vision_inputs import PLACES, cast, heard, image_positions, loaded, scores, seen
from tests.families.vision_parts import BOXES, Box, pictures

Folder = Callable[[str], Path]
SEEING = tuple(each for each in all_families() if each.kind in ("vision", "two-tower", "captioner", "vision-language"))
HEARING = tuple(each for each in all_families() if each.kind == "audio")
LANGUAGE = tuple(each for each in SEEING if each.kind == "vision-language")
ALL = (*SEEING, *HEARING)
each_family = pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)
each_language = pytest.mark.parametrize("family", LANGUAGE, ids=lambda family: family.name)
each_boxed = pytest.mark.parametrize(
    "family", [family for family in SEEING if family.name in BOXES], ids=lambda family: family.name
)


def batch_of(family: Family, path: Path, dtype: torch.dtype = torch.float64, many: int = 1) -> dict[str, torch.Tensor]:
    batch = heard(path) if family in HEARING else seen(family, path, pictures()[:many])
    return cast(batch, dtype)


def test_the_families_of_the_issue_are_here() -> None:
    wanted = (
        "vit dinov2 clip siglip whisper vision_encoder_decoder blip pix2struct llava llava_next qwen2_vl qwen2_5_vl "
        "idefics3 smolvlm paligemma gemma3 internvl"
    )
    assert set(wanted.split()) <= {family.name for family in ALL}
    assert set(BOXES) == {family.name for family in SEEING} - {"pix2struct", "swin"}  # see their notes


@each_family
def test_folder_is_what_the_registry_says(family: Family, folder: Folder) -> None:
    path = folder(family.name)
    config = json.loads((path / "config.json").read_text())
    assert config["model_type"] == family.model_type
    assert {w.dtype for w in load_file(path / "model.safetensors").values()} == {torch.float32}
    assert set(family.attentions) | set(family.missing) == {"sdpa", "eager"}


@each_family
@pytest.mark.parametrize("many", [1, 2])
def test_forward_is_finite_and_alike_in_all_ways(family: Family, many: int, folder: Folder) -> None:
    path, found = folder(family.name), []
    for dtype in (torch.float32, torch.float64):
        for attention in family.attentions:
            model = loaded(family, path, dtype, attention)
            with torch.inference_mode():
                found.append(scores(model(**batch_of(family, path, dtype, many))))
            assert found[-1].dtype == dtype
            assert found[-1].isfinite().all()
    for other in found[1:]:
        torch.testing.assert_close(other.double(), found[0].double(), atol=1e-4, rtol=1e-4)
    assert found[0].std() > (0.01 if family.kind == "two-tower" else 0.05)  # cosines of two texts, hardly scaled


@each_family
def test_an_attention_that_is_missing_is_refused(family: Family, folder: Folder) -> None:
    for attention in family.missing:
        with pytest.raises(ValueError, match="attention"):
            loaded(family, folder(family.name), torch.float32, attention)


IDLE = {
    # SigLIP pools its vision tower by a head that the language model does not read.
    "paligemma": ("vision_tower.head",),
    # The class token and the last block of CLIP's tower are not read.
    "llava": ("vision_tower.encoder.layers.2.", "vision_tower.post_layernorm"),
    "llava_next": ("vision_tower.encoder.layers.2.", "vision_tower.post_layernorm"),
    "vision_encoder_decoder": ("encoder.pooler",),
    "dinov2": ("mask_token",),
    "dinov2_classes": ("mask_token",),
}


@each_family
def test_every_parameter_matters_but_those_named_here(family: Family, folder: Folder) -> None:
    path = folder(family.name)
    model = loaded(family, path)
    found = scores(model(**batch_of(family, path, many=2)))
    (found * torch.linspace(-1, 1, found.numel(), dtype=found.dtype).view_as(found).cos()).sum().backward()
    idle = [n for n, w in model.named_parameters() if w.grad is None or w.grad.abs().max() < 1e-9]
    model.zero_grad(set_to_none=True)
    named = IDLE.get(family.name, ())
    # A bias at k adds one number to all scores of a query, which the softmax forgets.
    assert [n for n in idle if not n.endswith(("k_proj.bias", "key.bias")) and not any(x in n for x in named)] == []
    assert all(any(x in n for n in idle) for x in named)


def towers() -> list[Any]:
    return [pytest.param(f, t, id=f"{f.name}-{t.name}") for f in ALL for t in f.facts.towers]


def into(module: Any) -> int:
    """Width of a projection's input: Conv1D keeps its weight the other way round."""
    return module.weight.shape[0] if type(module).__name__ == "Conv1D" else module.weight.shape[1]


@pytest.mark.parametrize(("family", "tower"), towers())
def test_sizes_of_a_tower(family: Family, tower: Tower, folder: Folder) -> None:
    model = loaded(family, folder(family.name))
    blocks = model.get_submodule(tower.blocks)
    assert len(blocks) == tower.layers
    for block in blocks:
        assert into(block.get_submodule(tower.projection)) == tower.heads * tower.head_dim
        assert into(block.get_submodule(tower.neurons or f"{tower.mlp_write}.fc2")) == tower.mlp
        for norm in tower.norms:
            assert block.get_submodule(norm).weight.shape == (tower.width,)
        keys = [m for n, m in block.named_modules() if n.endswith("k_proj")]
        assert all(m.weight.shape[0] == tower.kv_heads * tower.head_dim for m in keys)
        if tower.cross_projection:
            assert into(block.get_submodule(tower.cross_projection)) == tower.heads * tower.head_dim
    if tower.final_norm:
        assert model.get_submodule(tower.final_norm).weight.shape == (tower.width,)


@pytest.mark.parametrize(("family", "tower"), towers())
def test_writes_of_a_tower_make_its_stream(family: Family, tower: Tower, folder: Folder) -> None:
    """Stream + attention (+ cross-attention) + MLP is the next stream, or what its norms make of that."""
    path = folder(family.name)
    model = loaded(family, path)
    writes = [tower.attention, *([tower.cross] if tower.cross else []), tower.mlp_write]
    paths = {f"{tower.blocks}.{i}{end}" for i in range(tower.layers) for end in ("", *(f".{w}" for w in writes))}
    with torch.no_grad(), taps(model, paths) as at:
        model(**batch_of(family, path))
    deep = "deepstack_visual_indexes" if family.name == "qwen3_vl" and tower.name == "decoder" else ""
    added = getattr(model.config.vision_config, deep) if deep else ()
    for i, block in enumerate(model.get_submodule(tower.blocks)):
        [(before, after)] = at[f"{tower.blocks}.{i}"]
        terms = [at[f"{tower.blocks}.{i}.{w}"][0][1] for w in writes]
        if tower.layer_scale:
            scales = (
                block.get_parameter(n) if "lambda" in n else block.get_submodule(n).lambda1 for n in tower.layer_scale
            )
            terms = [term * scale for term, scale in zip(terms, scales, strict=True)]
        stream = before
        for index, term in enumerate(terms):
            stream = stream + term.view_as(stream)
            if tower.norm == "post":
                stream = block.get_submodule(tower.norms[index])(stream)
        torch.testing.assert_close(stream, after, atol=1e-9, rtol=1e-9)
        assert min(term.std() for term in terms) > 0.02
        if i in added and i + 1 < tower.layers:
            [(then, _)] = at[f"{tower.blocks}.{i + 1}"]
            moved = (then - after).abs().amax(-1)[0] > 1e-6
            assert moved.nonzero()[:, 0].tolist() == image_positions(model, batch_of(family, path)).tolist()


@pytest.mark.parametrize(("family", "tower"), towers())
def test_positions_of_a_tower(family: Family, tower: Tower, folder: Folder) -> None:
    path = folder(family.name)
    model, batch = loaded(family, path), batch_of(family, path)
    with torch.inference_mode(), taps(model, {f"{tower.blocks}.0"}) as at:
        model(**batch)
    positions = at[f"{tower.blocks}.0"][0][0].shape[-2]
    if tower.patches:
        assert positions == tower.leading + tower.patches
    elif "input_ids" in batch and tower.name != "encoder":
        assert positions == batch["input_ids"].shape[1]


@each_language
def test_image_tokens_stand_where_the_processor_put_them(family: Family, folder: Folder) -> None:
    path = folder(family.name)
    model, sizes = loaded(family, path), [p.size for p in pictures()]
    batch = batch_of(family, path)
    assert len(image_positions(model, batch)) == family.facts.image_tokens == len(BOXES[family.name](*sizes[0]))
    batch = batch_of(family, path, many=2)
    assert len(image_positions(model, batch)) == sum(len(BOXES[family.name](*size)) for size in sizes)


@each_language
def test_the_projector_reads_the_layer_of_the_facts(family: Family, folder: Folder) -> None:
    path = folder(family.name)
    model, batch = loaded(family, path), batch_of(family, path)
    vision = family.facts.towers[0]

    def shifted(layer: int, first: bool = True) -> torch.Tensor:
        def hook(_: Any, __: Any, output: Any) -> Any:
            noise = torch.linspace(-1, 1, vision.width, dtype=torch.float64)
            return (output[0] + noise, *output[1:]) if isinstance(output, tuple) else output + noise

        handle = model.get_submodule(f"{vision.blocks}.{layer}").register_forward_hook(hook, prepend=first)
        with torch.inference_mode():
            found = scores(model(**batch))
        handle.remove()
        return found

    with torch.inference_mode():
        factual = scores(model(**batch))
    for layer in range(vision.layers):
        assert torch.equal(shifted(layer), factual) == (layer >= family.facts.vision_layer), layer
    # transformers records hidden states by hooks of its own, which stay once a model has run: a hook that is put after
    # them edits what the next block reads, and not what is recorded.
    recorded = family.name in ("llava", "llava_next")
    assert torch.equal(shifted(family.facts.vision_layer - 1, first=False), factual) == recorded


@contextmanager
def patches_apart(model: Any, tower: Tower) -> Any:
    """The vision tower with the output of every attention set to zero: patches do not hear of each other."""
    weights = [block.get_submodule(tower.projection).weight for block in model.get_submodule(tower.blocks)]
    kept = [w.detach().clone() for w in weights]
    with torch.no_grad():
        for w in weights:
            w.zero_()
        yield
        for w, old in zip(weights, kept, strict=True):
            w.copy_(old)


def tokens(family: Family, path: Path, images: list[Image.Image]) -> torch.Tensor:
    """Vectors of the images' tokens where the language model takes them in, else of the patches; [tokens, width]."""
    model, batch = loaded(family, path), cast(seen(family, path, images), torch.float64)
    vision = next(t for t in family.facts.towers if t.name == "vision")
    language = family.kind == "vision-language"
    at = f"{family.facts.towers[1].blocks}.0" if language else f"{vision.blocks}.{vision.layers - 1}"
    with torch.inference_mode(), taps(model, {at}) as found:
        model(**batch)
    before, after = found[at][0]
    return before[0, image_positions(model, batch)] if language else after[0, vision.leading :]


def painted(image: Image.Image, box: Box, margin: float, inside: bool) -> Image.Image:
    """The image with new noise inside the box shrunk by `margin` pixels, or outside the box grown by it."""
    pixels = np.asarray(image).copy()
    rows, columns = np.mgrid[: image.height, : image.width] + 0.5
    left, top, right, bottom = box
    if inside:
        where = (
            (columns > left + margin) & (columns < right - margin) & (rows > top + margin) & (rows < bottom - margin)
        )
    else:
        where = (
            (columns < left - margin) | (columns > right + margin) | (rows < top - margin) | (rows > bottom + margin)
        )
    pixels[where] = 255 - pixels[where]
    return Image.fromarray(pixels)


@each_boxed
@pytest.mark.parametrize("which", [0, 1])
def test_each_token_is_made_from_its_box_of_the_picture(family: Family, which: int, folder: Folder) -> None:
    """Pixels in the box move the token, and pixels farther from it than resizing reaches do not."""
    path, image = folder(family.name), pictures()[which]
    vision = next(t for t in family.facts.towers if t.name == "vision")
    reach = 7 if family.name in ("idefics3", "smolvlm") else 4  # they resize twice, by a wider filter
    boxes = BOXES[family.name](*image.size)
    with patches_apart(loaded(family, path), vision):
        factual = tokens(family, path, [image])
        assert len(factual) == len(boxes)
        for i, box in enumerate(boxes):
            if box is None:  # the newline: a parameter
                assert torch.equal(tokens(family, path, [Image.new("RGB", image.size)])[i], factual[i])
                continue
            moved = (tokens(family, path, [painted(image, box, 0, inside=True)]) - factual).abs().amax(-1)
            still = (tokens(family, path, [painted(image, box, reach, inside=False)]) - factual).abs().amax(-1)
            assert moved[i] > 0.05, i
            assert still[i] < 1e-12, i
            assert still.max() > 0.05 or all(b is None for b in boxes[:i] + boxes[i + 1 :])


@each_language
def test_tokens_of_two_pictures_follow_each_other(family: Family, folder: Folder) -> None:
    path, (one, two) = folder(family.name), pictures()
    vision = family.facts.towers[0]
    first = len(BOXES[family.name](*one.size))
    with patches_apart(loaded(family, path), vision):
        factual = tokens(family, path, [one, two])
        other = tokens(family, path, [one, Image.new("RGB", two.size)])
    moved = (other - factual).abs().amax(-1) > 1e-9
    assert not moved[:first].any()
    apart = [box is not None for box in BOXES[family.name](*two.size)]
    assert moved[first:].tolist() == apart


@each_language
def test_who_sees_later_tokens(family: Family, folder: Folder) -> None:
    """A later text token moves earlier ones where the tower is not causal; a later image token, where pictures are seen
    whole."""
    path = folder(family.name)
    model, batch = loaded(family, path), batch_of(family, path)
    first, images = f"{family.facts.towers[1].blocks}.0", image_positions(model, batch)

    def moved(position: int) -> list[int]:
        """Positions whose stream after the second block, which has no window, a shift at `position` moves."""
        shift = torch.zeros(batch["input_ids"].shape[1], 1, dtype=torch.float64)
        shift[position] = 1
        handle = model.get_submodule(first).register_forward_pre_hook(
            lambda _, args, kwargs: (
                ((args[0] + shift * wave, *args[1:]), kwargs)
                if args
                else (args, {**kwargs, "hidden_states": kwargs["hidden_states"] + shift * wave})
            ),
            with_kwargs=True,
        )
        after = f"{family.facts.towers[1].blocks}.1"
        with torch.inference_mode(), taps(model, {after}) as shifted:
            model(**batch)
        handle.remove()
        with torch.inference_mode(), taps(model, {after}) as factual:
            model(**batch)
        return ((shifted[after][0][1] - factual[after][0][1]).abs().amax(-1)[0] > 1e-9).nonzero()[:, 0].tolist()

    wave = torch.linspace(-1, 1, family.facts.towers[1].width, dtype=torch.float64)
    length = batch["input_ids"].shape[1]
    last, image = length - 1, images[-1].item()
    everything = family.name == "paligemma"
    assert moved(last) == (list(range(length)) if everything else [last])
    begin = 0 if everything else images[0].item() if family.name == "gemma3" else image
    assert moved(image) == list(range(begin, length))


@each_language
def test_chat_template_places_the_picture(family: Family, folder: Folder) -> None:
    template = (folder(family.name) / "chat_template.jinja").read_text()
    words = transformers.AutoTokenizer.from_pretrained(folder(family.name), local_files_only=True)
    content = [{"type": "image"}, {"type": "text", "text": "Mary saw"}]
    text = words.apply_chat_template([{"role": "user", "content": content}], chat_template=template, tokenize=False)
    assert f"{PLACES.get(family.name, '<image>')}Mary saw" in text
