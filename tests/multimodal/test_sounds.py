"""Sounds from files: what a model hears of them, and what is refused."""

from __future__ import annotations

import json
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import RowError
from causalcircuit.models.sounds import read_sound
from causalcircuit.query import Column, DataRef, Text
from causalcircuit.rows import load
from tests.families import loading, named
from tests.multimodal.conftest import Load
from tests.truth.ask import Engine
from tests.truth.say import cell, do, feed, index, read, row, site

RATE = 16_000


def written(path: Path, samples: np.ndarray, wide: int = 2, rate: int = RATE) -> Path:
    """A WAV file of [samples] or [samples, channels] from -1 to 1."""
    samples = samples.reshape(len(samples), -1)
    whole = np.clip(np.round(samples * 2 ** (8 * wide - 1)), -(2 ** (8 * wide - 1)), 2 ** (8 * wide - 1) - 1)
    numbers = whole.astype(np.int64) + (128 if wide == 1 else 0)
    data = b"".join(int(n).to_bytes(wide, "little", signed=wide > 1) for n in numbers.flatten())
    with wave.open(str(path), "wb") as file:
        file.setparams((samples.shape[1], wide, rate, len(samples), "NONE", ""))
        file.writeframes(data)
    return path


def tone(seconds: float = 0.5, rate: int = RATE, pitch: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)


@pytest.mark.parametrize(("wide", "error"), [(1, 1 / 128), (2, 2**-15), (3, 2**-23), (4, 2**-24)])
def test_samples_of_any_width(tmp_path: Path, wide: int, error: float) -> None:
    made = read_sound(written(tmp_path / "a.wav", tone(), wide), RATE)
    assert made.dtype == np.float32
    assert np.abs(made - tone()).max() <= error


def test_stereo_is_averaged(tmp_path: Path) -> None:
    both = np.stack([tone(), -0.5 * tone()], 1)
    made = read_sound(written(tmp_path / "a.wav", both), RATE)
    assert np.abs(made - 0.25 * tone()).max() < 2**-14


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_another_rate_is_converted(tmp_path: Path, rate: int) -> None:
    made = read_sound(written(tmp_path / "a.wav", tone(rate=rate), rate=rate), RATE)
    assert len(made) == len(tone())
    inner = slice(200, -200)  # a filter rings at the ends
    assert np.abs(made - tone())[inner].max() < 0.01


def _whole(path: Path) -> bytes:
    return written(path, tone()).read_bytes()


BROKEN = {
    "cut off": lambda b: b[: len(b) // 2],
    "empty": lambda b: b"",
    "no samples": lambda b: b[:40] + struct.pack("<I", 0),
    "a header alone": lambda b: b[:20],
    "more said than held": lambda b: b[:40] + struct.pack("<I", 2**31 - 1) + b[44:],
    "floating numbers": lambda b: b[:20] + struct.pack("<H", 3) + b[22:],
    "no rate": lambda b: b[:24] + struct.pack("<I", 0) + b[28:],
    "a rate of gigahertz": lambda b: b[:24] + struct.pack("<I", 2**31) + b[28:],
    "no channels": lambda b: b[:22] + struct.pack("<H", 0) + b[24:],
    "65535 channels": lambda b: b[:22] + struct.pack("<H", 65535) + b[24:],
    "samples of no width": lambda b: b[:34] + struct.pack("<H", 0) + b[36:],
    "another format": lambda b: b"ID3\x04" + b,
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_files_are_refused(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(BROKEN[how](_whole(path)))
    with pytest.raises(RowError) as caught:
        read_sound(path, RATE)
    assert caught.value.code == "CQ573"


def test_no_file_is_no_sound(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.wav", tmp_path / ("x" * 5000)):
        with pytest.raises(RowError) as caught:
            read_sound(path, RATE)
        assert caught.value.code == "CQ573"


@pytest.fixture
def spoken(tmp_path: Path, loaded: Load) -> Engine:
    lines = [{"call": "a.wav", "who": "John"}, {"call": "b.wav", "who": "door"}]
    written(tmp_path / "a.wav", tone(0.5))
    written(tmp_path / "b.wav", tone(0.9, 44_100, 300.0), rate=44_100)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    feeds = (("audio", Column("call")), ("prefix", Text("the king gave")))
    return Engine(loaded("whisper"), load(DataRef("d", "jsonl", tmp_path / "rows.jsonl", feeds)))


def test_zeroing_frames_equals_a_hook(spoken: Engine, folder: Callable[[str], Path], tmp_path: Path) -> None:
    cells = [
        cell(read("logit", row("who"))),
        cell(read("logit", row("who")), do((site("encoder.layer[1].resid", index(7)), 0))),
        cell(read("logit", row("who")), do((feed("audio"), Text(str(tmp_path / "a.wav"))))),
    ]
    got = spoken.ask(cells)
    model = loading.load(folder("whisper"), torch.float64, "sdpa")
    blocks = next(t.blocks for t in named("whisper").facts.towers if t.name == "encoder")
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder("whisper"), local_files_only=True)
    words = spoken.model.tokenizer
    said = words("the king gave", add_special_tokens=False)["input_ids"]
    ids = torch.tensor([[model.config.decoder_start_token_id, *said]])

    def silenced(_m: Any, _a: Any, output: torch.Tensor) -> torch.Tensor:
        new = output.clone()
        new[0, 7] = 0
        return new

    for i, (name, who) in enumerate((("a.wav", "John"), ("b.wav", "door"))):
        sound = read_sound(tmp_path / name, RATE)  # the reading has its own tests
        features = extractor(sound, sampling_rate=RATE, return_tensors="pt")["input_features"].double()

        def logit(features: torch.Tensor, who: str = who) -> float:
            with torch.inference_mode():
                out = model(input_features=features, decoder_input_ids=ids, use_cache=False).logits
            return float(out[0, -1, words.convert_tokens_to_ids(who)])

        plain = logit(features)
        handle = model.get_submodule(f"{blocks}.1").register_forward_hook(silenced)
        try:
            edited = logit(features)
        finally:
            handle.remove()
        assert got[cells[0]][i] == pytest.approx(plain, abs=1e-6)
        assert got[cells[1]][i] == pytest.approx(edited, abs=1e-6)
        assert abs(plain - edited) > 1e-5
    first, second = got[cells[0]], got[cells[2]]
    assert second[0] == pytest.approx(first[0], abs=1e-9)
    assert abs(second[1] - first[1]) > 1e-6


def test_a_sound_beyond_the_window_is_refused(spoken: Engine, tmp_path: Path) -> None:
    written(tmp_path / "b.wav", tone(1.2))  # the tiny model hears one second
    with pytest.raises(DiagnosticError) as caught:
        spoken.ask([cell(read("logit", row("who")))])
    assert [d.code for d in caught.value.diagnostics] == ["CQ574"]
