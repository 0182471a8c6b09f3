"""Measuring this machine: how long known passes take, and what that says of each kind of work.

A calibration belongs to a machine, a device, a type of numbers, a number of threads and a version of torch, and is kept
in the user's cache folder under their hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from scipy.optimize import nnls

from causalcircuit.engine.cost.dims import LayerDims, ModelDims, TowerDims
from causalcircuit.engine.cost.seconds import Rates, Work, guessed, work_of
from causalcircuit.engine.cost.shapes import PassShape, TowerPass
from causalcircuit.query import Tower
from causalcircuit.query.private import private_folder, write_whole

_VERSION = 1
"""Of what is kept: raised when the parts of `Work` change their meaning."""
# (width, layers, vocabulary, items, positions): from passes that only start kernels to passes that only multiply.
_SHAPES = (
    (64, 2, 200, 1, 8), (64, 4, 200, 4, 16), (64, 2, 200, 64, 16), (64, 2, 5000, 16, 16), (64, 2, 200, 2, 256),
    (256, 2, 200, 1, 8), (256, 2, 200, 16, 16), (256, 2, 5000, 32, 16), (256, 2, 200, 2, 256),
    (768, 2, 200, 1, 8), (768, 2, 200, 8, 16), (768, 2, 5000, 16, 16), (768, 2, 200, 32, 16), (768, 1, 200, 1, 512),
)  # fmt: skip
_SPENT = 0.15
"""Seconds that each shape is run for at least, the fastest of its passes counts."""
_PAIRS = 5.0
"""Started modules that cost as much as a row and world beside its pass: its feeds, places, assignments and reads."""
_PASSES = 60.0
"""The same of a pass: its schedule, batch and hooks."""


def machine() -> str:
    """The processor of this machine, and how many of it there are."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name} × {os.cpu_count()}"


def threads() -> int:
    """How many threads torch calculates with."""
    return torch.get_num_threads()


def calibrated(device: str, dtype: torch.dtype) -> Rates:
    """The rates of this machine: kept ones, or a guess."""
    path = _path(device, dtype)
    try:
        said = {} if path is None else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = {}
    rates = said.get("rates") if isinstance(said, dict) else None
    found = Rates.of(rates) if isinstance(rates, dict) else None
    return found or guessed(device, threads())


def calibrate(device: str, dtype: torch.dtype, heard: Callable[[int, int], None] | None = None) -> tuple[Rates, float]:
    """Measure, and keep what was found.

    Args:
        device: where. dtype: of weights and activations. heard: told how many passes are done, of how many.

    Returns:
        The rates, and by how much they miss the passes that they were found from: the median of |predicted/actual - 1|.
    """
    works: list[Work] = []
    times: list[float] = []
    for i, (width, layers, words, items, length) in enumerate(_SHAPES):
        model = _model(width, layers, words).to(device, dtype)
        dims = _dims(width, layers, words, dtype.itemsize)
        works.append(work_of(dims, PassShape((TowerPass("", items, length),), items * length)))
        times.append(_timed(model, items, length, words, device))
        if heard is not None:
            heard(i + 1, len(_SHAPES))
    parts = ("calls", "linear", "attention", "numbers", "weights")
    table = np.array([[getattr(w, p) for p in parts] for w in works])
    actual = np.array(times)
    scale = table.max(0)
    found, _ = nnls(table / scale / actual[:, None], np.ones(len(actual)))  # relative errors count, not absolute ones
    by_part = dict(zip(parts, (float(x) for x in found / scale), strict=True))
    started = by_part["calls"] or float(actual.min() / table[:, 0].max())
    calls, linear, attention, numbers, weights = (by_part[p] for p in parts)
    rates = Rates(calls, linear, attention, numbers, weights, _PAIRS * started, _PASSES * started)
    missed = np.abs(table @ (found / scale) / actual - 1)
    path = _path(device, dtype)
    if path is not None:
        said = {"machine": machine(), "device": device, "dtype": str(dtype), "threads": threads()}
        write_whole(path, json.dumps({**said, "rates": rates.to_json()}, indent=2).encode())
    return rates, float(np.median(missed))


def _path(device: str, dtype: torch.dtype) -> Path | None:
    folder = private_folder()
    if folder is None:
        return None
    where = device
    if device.startswith("cuda") and torch.cuda.is_available():
        where = torch.cuda.get_device_name(torch.device(device))
    said = [_VERSION, machine(), where, str(dtype), threads(), torch.__version__]
    return folder / "calibrations" / f"{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]}.json"


def _model(width: int, layers: int, words: int) -> Any:
    """A decoder of everyday make; what its weights are does not matter to the clock."""
    config = transformers.LlamaConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=1024,
    )
    return transformers.LlamaForCausalLM(config).eval().requires_grad_(False)


def _dims(width: int, layers: int, words: int, size: int) -> ModelDims:
    tower = Tower("", "text", layers, width // 32, 32, width, 4 * width, True)
    layer = LayerDims(16 * width * width, 3 * width * width, 0, width // 32, 32, 4 * width, 10, 3)
    return ModelDims((TowerDims(tower, (layer,) * layers),), words * width, words, 0, 0, 0, 0, size, False)


def _timed(model: Any, items: int, length: int, words: int, device: str) -> float:
    """Seconds of one pass, the fastest of several."""
    ids = torch.randint(words, (items, length), generator=torch.Generator().manual_seed(0)).to(device)
    best, spent = float("inf"), 0.0
    with torch.inference_mode():
        for turn in range(1000):
            start = time.perf_counter()
            model(input_ids=ids, use_cache=False)
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            took = time.perf_counter() - start
            if turn:  # the first one sets things up
                best, spent = min(best, took), spent + took
            if turn > 1 and spent > _SPENT:
                break
    return best
