"""Sounds from WAV files, read with care, as a model hears them."""

from __future__ import annotations

import math
import os
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from causalcircuit.models.model import LoadedModel
from causalcircuit.models.multimodal import sound_feed
from causalcircuit.models.problem import RowError

_MOST = 2**28  # bytes of a file: 45 minutes of a studio's stereo
_RATES = (1_000, 768_000)
_HELP = "write it anew as a WAV file of plain (PCM) numbers: 16 bits, 16000 a second"


def check_sound(model: LoadedModel, path: Path) -> None:
    """Make sure that all of a sound can be read, and that the model hears all of it.

    Raises:
        RowError: CQ573, CQ574.
    """
    extractor = _extractor(model)
    sound = read_sound(path, int(extractor.sampling_rate))
    most = getattr(extractor, "n_samples", None)
    if most is not None and len(sound) > most:
        rate = extractor.sampling_rate
        raise RowError(
            "CQ574",
            f"a sound is longer than the {most / rate:g} s that `{model.ref.name}` hears",
            f"{len(sound) / rate:.2f} s",
            "cut it, or leave such rows out with `where`",
        )


def heard(model: LoadedModel, path: Path) -> dict[str, Tensor]:
    """A sound as keywords of `forward`.

    Raises:
        RowError: CQ573.
    """
    extractor = _extractor(model)
    return sound_feed(extractor, read_sound(path, int(extractor.sampling_rate)), model.dtype)


def read_sound(path: Path, rate: int) -> NDArray[np.float32]:
    """A WAV file at a rate, from -1 to 1; the channels of a stereo sound are averaged.

    Args:
        path: the file. rate: samples a second that are wanted; another rate is converted.

    Returns:
        [samples].

    Raises:
        RowError: CQ573.
    """
    try:
        if not os.path.isfile(path):
            raise _unreadable(path, "there is no such file; paths in a column are relative to the data file")
        if path.stat().st_size > _MOST:
            raise _unreadable(path, f"it has {path.stat().st_size} bytes, and {_MOST} are the most")
        with wave.open(str(path), "rb") as file:
            wide, channels, own, said = (
                file.getsampwidth(),
                file.getnchannels(),
                file.getframerate(),
                file.getnframes(),
            )
            if not _RATES[0] <= own <= _RATES[1]:
                raise _unreadable(path, f"it says {own} samples a second")
            data = file.readframes(min(said, _MOST))
    except (wave.Error, EOFError, OSError) as problem:
        raise _unreadable(path, str(problem) or "it ends too early") from None
    if len(data) != said * wide * channels or not said:
        raise _unreadable(path, f"it says {said} samples and holds {len(data) // (wide * channels)}")
    sound: NDArray[np.float64] = _numbers(data, wide).reshape(-1, channels).mean(1)
    if own != rate:
        from scipy.signal import resample_poly  # its import takes as long as reading many sounds

        common = math.gcd(own, rate)
        sound = np.asarray(resample_poly(sound, rate // common, own // common), dtype=np.float64)
    return np.asarray(sound, dtype=np.float32)


def _numbers(data: bytes, wide: int) -> NDArray[np.float64]:
    """Samples from -1 to 1: 8 bits are unsigned, more are signed and little-endian."""
    if wide == 1:
        return (np.frombuffer(data, np.uint8).astype(np.float64) - 128) / 128
    raw = np.frombuffer(data, np.uint8).reshape(-1, wide)
    # The highest byte at the top of 32 bits, so that its sign is that of the number.
    whole = np.zeros((len(raw), 4), np.uint8)
    whole[:, 4 - wide :] = raw
    return whole.view("<i4")[:, 0].astype(np.float64) / 2**31


def _extractor(model: LoadedModel) -> Any:
    return getattr(model.processor, "feature_extractor", model.processor)


def _unreadable(path: Path, why: str) -> RowError:
    return RowError("CQ573", "a sound file cannot be read", f"{path.name}: {why}", _HELP)
