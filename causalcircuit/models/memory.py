"""Whether a model fits the memory, before it is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.models.unembedding import unembedding
from causalcircuit.query import ModelRef

PASS_TOKENS = 2048
"""Padded positions of a pass, unless `execute` is told otherwise."""


def pass_bytes(model: Any, tokens: int, dtype: torch.dtype) -> int:
    """What one forward pass needs beside the weights, about, and rather more than less.

    Of a block only the widest moment lives at a time: the stream, its copies around norm and attention, and an MLP
    before, inside and after its activation. At the end there are the logits of all positions.

    Args:
        model: on any device, `meta` too. tokens: positions, over all rows. dtype: of activations.
    """
    # (outputs, inputs) of the dense parts: a Linear's weight says so, a Conv1D's the other way round.
    shapes = [tuple(p.shape) for _, p in model.named_parameters() if p.ndim == 2]
    table_of_words = getattr(unembedding(model), "weight", None)
    words = int(table_of_words.shape[0]) if isinstance(table_of_words, nn.Parameter) else 0
    table = {tuple(m.weight.shape) for m in model.modules() if isinstance(m, nn.Embedding)}
    dense = [s for s in shapes if s not in table and words not in s]
    width = max((min(s) for s in dense), default=0)
    widest = max((max(s) for s in dense), default=0)
    return tokens * (words + 3 * widest + 8 * width) * dtype.itemsize


def free_bytes(device: torch.device) -> int | None:
    """How much of a device's memory is free; `None` where nothing says so."""
    if device.type == "cpu":
        return _host()
    if device.type == "cuda" and torch.cuda.is_available():
        # What torch holds in reserve is free for its own tensors.
        spare = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + spare
    if device.type == "mps" and torch.backends.mps.is_available():
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
    return None


def spread_bytes() -> int | None:
    """The free memory of all accelerators together, or of the host where there is none."""
    found = [free_bytes(torch.device("cuda", i)) for i in range(torch.cuda.device_count())]
    return sum(f for f in found if f is not None) if found else _host()


def check_memory(ref: ModelRef, weights: int, activations: int) -> None:
    """Refuse a model that would not fit, or would push other programs out of the memory.

    Raises:
        DiagnosticError: CQ540.
    """
    if ref.memory == "unchecked":
        return
    device = torch.device(ref.device)
    if ref.device_map is not None:
        needs = [("all devices together", weights + activations, spread_bytes())]
    elif device.type == "cpu":
        needs = [("the main memory", weights + activations, free_bytes(device))]
    else:  # the weights pass through the main memory on their way
        needs = [(str(device), weights + activations, free_bytes(device)), ("the main memory", weights, _host())]
    for where, needed, free in needs:
        if free is not None and needed > free:
            raise too_large(ref, needed, weights, free, where)


def too_large(ref: ModelRef, needed: int, weights: int, free: int, where: str) -> DiagnosticError:
    """CQ540."""
    smaller = ref.dtype not in ("bfloat16", "float16")
    return error(
        "CQ540",
        f"the model `{ref.name}` needs about {_shown(needed)} ({_shown(weights)} for its weights in {ref.dtype}), "
        f"and {where} {'have' if where.startswith('all') else 'has'} {_shown(free)} free",
        ref.span,
        "this model",
        help=(
            "`with dtype = bfloat16` needs half of float32's memory" if smaller else "",
            "" if ref.device_map else "`with device_map = auto` spreads a model over several accelerators",
            f"passes of {PASS_TOKENS} positions are counted: fewer may fit, which `with memory = unchecked` tries",
        ),
    )


def _shown(count: float) -> str:
    """Bytes with a unit: `1.2 GiB (1288490189 bytes)` where that is readable."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1024
    raise AssertionError


def _host() -> int | None:
    """The free main memory: what the kernel says is available, or less where a control group allows less."""
    found = [_available(), *_allowed()]
    known = [f for f in found if f is not None]
    return min(known) if known else None


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # not said on this system
        return None


def _allowed(root: Path = Path("/sys/fs/cgroup")) -> list[int | None]:
    """What the control group of this process leaves, of both versions of control groups."""
    return [
        _left(root, "memory.max", "memory.current"),
        _left(root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ]


def _left(folder: Path, limit: str, used: str) -> int | None:
    try:
        most, now = (int((folder / name).read_text(encoding="ascii")) for name in (limit, used))  # "max" is no number
        said = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return None
    # Pages of files that nobody reads at the moment are given up when memory is needed.
    return most - now + int(said.get("inactive_file", 0))
