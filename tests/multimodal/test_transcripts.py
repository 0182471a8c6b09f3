"""Whisper writes what it hears: its texts are those of the library's own `generate`, token by token."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models.sounds import read_sound
from causalcircuit.query import Column, DataRef, Generated, Text
from causalcircuit.rows import load
from tests.families import loading
from tests.multimodal.conftest import Load
from tests.multimodal.test_sounds import RATE, tone, written
from tests.truth.ask import Engine
from tests.truth.say import cell, do, index, site

T = Generated("m", 5)
PITCHES = (220.0, 440.0, 1000.0, 3000.0)


@pytest.fixture(params=["", "the king gave"])
def spoken(request: pytest.FixtureRequest, tmp_path: Path, loaded: Load) -> Engine:
    """Four sounds, with an empty prefix and with one."""
    lines = []
    for i, pitch in enumerate(PITCHES):
        noise = np.random.default_rng(i).normal(size=len(tone(0.3 + 0.2 * i)))
        written(tmp_path / f"{i}.wav", 0.4 * tone(0.3 + 0.2 * i, pitch=pitch) + 0.1 * noise.clip(-1, 1))
        lines.append({"call": f"{i}.wav"})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    feeds = (("audio", Column("call")), ("prefix", Text(request.param)))
    return Engine(loaded("whisper"), load(DataRef("d", "jsonl", tmp_path / "rows.jsonl", feeds)))


@pytest.fixture
def settings(spoken: Engine) -> Iterator[transformers.GenerationConfig]:
    """The generation settings, given back as they were."""
    hf: Any = spoken.model.hf
    before = hf.generation_config
    hf.generation_config = transformers.GenerationConfig.from_dict(before.to_dict())
    yield hf.generation_config
    hf.generation_config = before


def generated(spoken: Engine, folder: Path, settings: Any) -> list[list[int]]:
    """What the library writes, on a model that nothing was done to."""
    model: Any = loading.load(folder, torch.float64, "sdpa")
    model.generation_config = settings
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
    prefix = dict(spoken.data.ref.feeds)["prefix"].value  # type: ignore[attr-defined]
    said = spoken.model.tokenizer(prefix, add_special_tokens=False)["input_ids"] if prefix else []
    ids = torch.tensor([[model.config.decoder_start_token_id, *said]])
    out = []
    for name in spoken.data.columns["call"]:
        sound = read_sound(spoken.data.resolve(name), RATE)
        features = extractor(sound, sampling_rate=RATE, return_tensors="pt")["input_features"].double()
        made = model.generate(features, decoder_input_ids=ids, max_new_tokens=5, do_sample=False)[0].tolist()
        made = made[ids.shape[1] :] if made[: ids.shape[1]] == ids[0].tolist() else made
        ends = settings.eos_token_id if isinstance(settings.eos_token_id, list) else [settings.eos_token_id]
        out.append(made[: next((k for k, t in enumerate(made) if t in ends), len(made))])
    return out


def tokens(spoken: Engine, expected: list[list[int]]) -> None:
    """Texts read the same, and are of the same tokens: a word of this tokenizer is one token."""
    texts = spoken.ask([cell(T)])[cell(T)]
    words = spoken.model.tokenizer
    assert [words(t, add_special_tokens=False)["input_ids"] for t in texts] == [
        [i for i in row if i not in words.all_special_ids] for row in expected
    ]


def test_a_transcript_is_that_of_generate(spoken: Engine, folder: Callable[[str], Path], settings: Any) -> None:
    expected = generated(spoken, folder("whisper"), settings)
    tokens(spoken, expected)
    assert any(expected)


def test_suppressed_tokens_are_never_chosen(spoken: Engine, folder: Callable[[str], Path], settings: Any) -> None:
    plain = generated(spoken, folder("whisper"), settings)
    first = sorted({row[0] for row in plain if row})
    later = sorted({t for row in plain for t in row[1:]} - set(first))[:2]
    settings.begin_suppress_tokens = [*first, 2]
    settings.suppress_tokens = later
    expected = generated(spoken, folder("whisper"), settings)
    assert expected != plain
    tokens(spoken, expected)
    assert not {row[0] for row in expected if row} & set(first)
    assert not {t for row in expected for t in row} & set(later)


def test_a_transcript_in_a_world(spoken: Engine) -> None:
    world = do((site("encoder.layer[1].resid"), 0))
    found = spoken.ask([cell(T), cell(T, world), cell(T, do((site("encoder.layer[1].resid", index(7)), 0)))])
    assert list(found[cell(T)]) != list(found[cell(T, world)])
    assert len(set(found[cell(T, world)])) == 1  # nothing of the sound is left


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_beams", 3), ("repetition_penalty", 1.3), ("no_repeat_ngram_size", 2), ("forced_bos_token_id", 7)],
)
def test_settings_that_are_not_followed_are_named(spoken: Engine, settings: Any, name: str, value: object) -> None:
    plan = make_plan([cell(T)], spoken.data)
    assert not [n for n in prepare(plan, {"m": spoken.model}, spoken.data).notes if n.code == "CQ581"]
    setattr(settings, name, value)
    ready = prepare(plan, {"m": spoken.model}, spoken.data)
    (note,) = (n for n in ready.notes if n.code == "CQ581")
    assert note.severity == "warning"
    assert f"`{name}`" in note.message
    assert execute(ready).complete
