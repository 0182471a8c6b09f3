"""Texts with an image in them: what the model reads, where words stand, and what is refused."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import Ground, Prompt, RowError, illustrated, resolve, spoken
from causalcircuit.query import Column, DataRef, Position, Text, Word
from causalcircuit.rows import load
from tests.families import all_families, loading
from tests.families.vision_inputs import PLACES, cast, processor
from tests.families.vision_parts import pictures
from tests.multimodal.conftest import Load
from tests.truth.ask import Engine
from tests.truth.say import cell, do, feed, read

all_families()
LANGUAGE = sorted(f.name for f in all_families() if f.kind == "vision-language")
Folder = Callable[[str], Path]


def made(name: str, at: Path, text: str, picture: Image.Image, **more: object) -> dict[str, torch.Tensor]:
    with warnings.catch_warnings(action="ignore"):  # of numpy, about PaliGemma's
        batch = dict(processor(at)(images=[[picture]], text=[text], return_tensors="pt", **more))
    batch.pop("labels", None)
    return cast(batch, torch.float64)


@pytest.mark.parametrize("name", LANGUAGE)
@pytest.mark.parametrize("text", ["Mary <image> saw the red ball", "saw the red ball", "MARK saw the red ball"])
def test_the_image_stands_where_the_text_says(name: str, text: str, loaded: Load, folder: Folder) -> None:
    """`<image>` is the model's own mark, which may be written too; the image stands before a text without either."""
    model, mark = loaded(name), PLACES.get(name, "<image>")
    picture = pictures()[0]
    prompt = illustrated(model, text.replace("MARK", mark), picture)
    own = text.replace("MARK", mark).replace("<image>", mark) if "<image>" in text or "MARK" in text else mark + text
    expected = made(name, folder(name), own, picture)["input_ids"][0].tolist()
    assert list(prompt.ids) == expected
    image = getattr(model.hf.config, "image_token_id", None) or model.hf.config.image_token_index
    assert prompt.pictured == tuple(i for i, token in enumerate(expected) if token == image)
    assert len(prompt.offsets) == len(prompt.ids)


@pytest.mark.parametrize("name", LANGUAGE)
def test_words_are_found_beside_the_image(name: str, loaded: Load) -> None:
    model = loaded(name)
    prompt = illustrated(model, "Mary saw <image> the red ball", pictures()[1])
    ground = Ground(model.sites.readout_tower, len(prompt.ids), prompt, None, {}.__getitem__)
    for word in ("Mary", "saw", "red", "ball"):
        (place,) = resolve(Position("token", words=(Word(None, literal=word),)), ground)
        assert model.tokenizer.decode([prompt.ids[place]]).strip() == word
        assert place not in prompt.pictured
    with pytest.raises(RowError) as caught:
        resolve(Position("token", words=(Word(None, literal="image"),)), ground)
    assert caught.value.code == "CQ521"
    assert "￼" not in str(caught.value)


@pytest.mark.parametrize(("text", "chat"), [("<image> and <image>", False), ("what is it ?", True)])
def test_not_one_place(text: str, chat: bool, loaded: Load) -> None:
    with pytest.raises(RowError) as caught:
        illustrated(loaded("llava"), text, pictures()[0], chat=chat)
    assert caught.value.code == "CQ572"


def test_an_image_that_the_processor_refuses(loaded: Load) -> None:
    with pytest.raises(RowError) as caught:
        illustrated(loaded("qwen2_vl"), "saw", Image.new("RGB", (2000, 2)))
    assert caught.value.code == "CQ571"


def test_an_image_with_more_tokens_than_the_model_reads(loaded: Load) -> None:
    model = loaded("llava")
    short = replace(model, sites=replace(model.sites, max_positions=12))
    with pytest.raises(RowError) as caught:
        illustrated(short, "saw", pictures()[0])
    assert caught.value.code == "CQ528"


@pytest.mark.parametrize("name", LANGUAGE)
def test_an_answer_of_several_tokens_is_read_as_the_model_writes_it(
    name: str, loaded: Load, folder: Folder, rows: Path
) -> None:
    """The tokens of an answer see the prompt as they would while being written: each step by the model's own cache."""
    engine = Engine(loaded(name), _data(rows))
    asked = cell(read("logprob", "the red ball"))
    got = engine.ask([asked])[asked]
    model, tool = loading.load(folder(name), torch.float64, "sdpa"), processor(folder(name))
    answer = tool.tokenizer("the red ball", add_special_tokens=False)["input_ids"]
    assert len(answer) == 3
    for i, picture in enumerate(pictures()):
        said = json.loads(rows.read_text().splitlines()[i])["said"].replace("<image>", PLACES.get(name, "<image>"))
        text = said if PLACES.get(name, "<image>") in said else PLACES.get(name, "<image>") + said
        inputs = made(name, folder(name), text, picture)
        out = model.generate(
            **inputs,
            max_new_tokens=3,
            do_sample=False,
            prefix_allowed_tokens_fn=lambda _, ids, n=inputs["input_ids"].shape[1]: [answer[len(ids) - n]],
            output_logits=True,
            return_dict_in_generate=True,
            eos_token_id=-1,
        )
        steps = [x[0].log_softmax(-1)[t] for x, t in zip(out.logits, answer, strict=True)]
        assert got[i] == pytest.approx(float(sum(steps)), abs=1e-5)


def _data(rows: Path) -> object:
    return load(DataRef("d", "jsonl", rows, (("prompt", Column("said")), ("image", Column("photo")))))


def test_another_image_is_fed_in_a_world(loaded: Load, rows: Path) -> None:
    engine = Engine(loaded("qwen2_vl"), _data(rows))
    swapped = do((feed("image"), Text(str(rows.parent / "0.png"))))
    cells = [cell(read("logit", "ball")), cell(read("logit", "ball"), swapped)]
    got = engine.ask(cells)
    assert got[cells[1]][0] == pytest.approx(got[cells[0]][0], abs=1e-9)
    assert abs(got[cells[1]][1] - got[cells[0]][1]) > 1e-6


@pytest.mark.parametrize("name", ["llava_next", "qwen2_5_vl", "idefics3"])
@pytest.mark.parametrize("tokens", [16, 64, 4096])
def test_batches_do_not_matter(name: str, tokens: int, loaded: Load, rows: Path) -> None:
    """Pictures of different tiles and sizes alone or together."""
    engine = Engine(loaded(name), _data(rows))
    asked = cell(read("logit", "ball"))
    alone = [Engine(engine.model, engine.data.take([i])).ask([asked])[asked][0] for i in range(2)]
    assert engine.ask([asked], max_tokens=tokens)[asked] == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("name", ["llava", "qwen2_vl", "internvl", "gemma3"])
def test_a_chat_is_what_the_processor_makes_of_it(name: str, loaded: Load, folder: Folder) -> None:
    model, tool = loaded(name), processor(folder(name))
    text = spoken(model, [("user", [None, "what is the ball ?"])])
    prompt: Prompt = illustrated(model, text, pictures()[0], chat=True)
    turn = {"role": "user", "content": [{"type": "image", "image": pictures()[0]},
                                        {"type": "text", "text": "what is the ball ?"}]}  # fmt: skip
    expected = tool.apply_chat_template([turn], tokenize=True, add_generation_prompt=True, return_dict=True)
    assert list(prompt.ids) == list(torch.as_tensor(expected["input_ids"]).flatten())


def test_no_image_is_told(loaded: Load, rows: Path) -> None:
    data = load(DataRef("d", "jsonl", rows, (("prompt", Column("said")),)))
    with pytest.raises(DiagnosticError) as caught:
        Engine(loaded("llava"), data).ask([cell(read("logit", "ball"))])
    assert {d.code for d in caught.value.diagnostics} == {"CQ305"}
