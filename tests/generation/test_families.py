"""Texts of several families: those of `generate`, with the cache where it holds, and without it where it does not."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine import generate
from causalcircuit.query import LAST, Generated, Position
from tests.families import folder_of
from tests.families.vision_inputs import PLACES, cast, processor
from tests.families.vision_parts import pictures
from tests.truth.ask import Attention, engine
from tests.truth.say import cell, do, op, row, site, together

ROWS = [{"prompt": p, "prefix": "The king"} for p in ("The king gave a crown to the queen", "She gave", "The queen")]
T = Generated("m", 6)


@pytest.mark.parametrize(
    ("name", "attention", "kept"),
    [
        ("gpt_neox", "sdpa", True),
        ("bloom", "eager", True),
        ("opt", "sdpa", True),
        ("qwen3_moe", "sdpa", True),
        ("mistral", "sdpa", False),  # a sliding window keeps padding in the place of tokens
        ("gpt_neo", "eager", False),
        ("t5", "eager", True),
        ("bart", "sdpa", True),
    ],
)
def test_a_family(
    name: str,
    attention: Attention,
    kept: bool,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    data.write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    folder: Path = folder_of(name, tmp_path_factory)
    made = engine(folder, data, {"input": row("prompt"), "prefix": row("prefix")}, attention=attention)
    words, hf, both = made.model.tokenizer, made.model.hf, made.model.takes.text
    stream = site(f"{'decoder.' if both else ''}layer[0].resid", together(LAST, Position("new")))
    cells = [cell(T), cell(T, do((stream, op(stream, "*", -0.5))))]

    told: list[bool] = []
    own = generate._keeps
    monkeypatch.setattr(generate, "_keeps", lambda *a: told.append(own(*a)) or told[-1])
    found = made.ask(cells)
    assert told == [kept]
    monkeypatch.setattr(generate, "_keeps", lambda *_: False)
    again = made.ask(cells)
    assert all(list(found[c]) == list(again[c]) for c in cells)

    for i, said in enumerate(found[cells[0]]):
        ids = torch.tensor([words(ROWS[i]["prompt"])["input_ids"]])
        start = ids
        more = {}
        if both:
            begin = [hf.config.decoder_start_token_id, *words("The king", add_special_tokens=False)["input_ids"]]
            start = torch.tensor([begin])
            more = {"decoder_input_ids": start}
        out = hf.generate(input_ids=ids, **more, max_new_tokens=6, do_sample=False, num_beams=1)
        assert said == words.decode(out[0, start.shape[1] :], skip_special_tokens=True).strip()
    assert list(found[cells[0]]) != list(found[cells[1]])


@pytest.mark.parametrize("name", ["llava", "qwen2_vl", "idefics3", "paligemma", "llava_next", "internvl"])
def test_a_vision_language_family(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pictures of different size; the token that stands for an image is no text (`bad_words_ids` of `generate`)."""
    at = tmp_path_factory.mktemp("rows")
    for i, picture in enumerate(pictures()):
        picture.save(at / f"{i}.png")
    said = ("Mary gave the red ball to", "the king took the ball and")
    (at / "rows.jsonl").write_text(
        "".join(json.dumps({"said": s, "photo": f"{i}.png"}) + "\n" for i, s in enumerate(said))
    )
    made = engine(folder_of(name, tmp_path_factory), at / "rows.jsonl", {"input": row("said"), "image": row("photo")})
    stream = site("layer[0].resid", together(LAST, Position("new")))
    cells = [cell(T), cell(T, do((stream, op(stream, "*", -0.5))))]
    found = made.ask(cells)
    hf, image = made.model.hf, made.model.takes.image_token
    for i, text in enumerate(found[cells[0]]):
        place = PLACES.get(name, "<image>")
        with warnings.catch_warnings(action="ignore"):
            fed = dict(
                processor(made.model.ref.folder)(
                    text=[place + said[i]], images=[[Image.open(at / f"{i}.png")]], return_tensors="pt"
                )
            )
        fed.pop("labels", None)
        out = hf.generate(
            **cast(fed, torch.float64), max_new_tokens=6, do_sample=False, num_beams=1, bad_words_ids=[[image]]
        )
        made_text = made.model.tokenizer.decode(out[0, fed["input_ids"].shape[1] :], skip_special_tokens=True)
        assert text == made_text.strip()
    assert list(found[cells[0]]) != list(found[cells[1]])


def test_an_encoder_writes_no_text(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    data.write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    made = engine(folder_of("bert", tmp_path_factory), data, {"input": row("prompt")})
    with pytest.raises(DiagnosticError) as caught:
        made.ask([cell(T)])
    assert [d.code for d in caught.value.diagnostics] == ["CQ483"]
