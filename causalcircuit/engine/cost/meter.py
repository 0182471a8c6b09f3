"""What passes really cost: counted while they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from causalcircuit.engine.cost.dims import dims_of
from causalcircuit.models import LoadedModel


class Meter:
    """Counts the passes of some models, and the memory that they take, inside a `with`."""

    def __init__(self, models: Iterable[LoadedModel]) -> None:
        """Count those of `models`."""
        self._models = list(models)
        self._stack = ExitStack()
        self._before = 0
        self.passes = 0
        self.memory: int | None = None

    def __enter__(self) -> Meter:
        """Begin."""
        for hf in {id(m.hf): m.hf for m in self._models}.values():
            self._stack.callback(hf.register_forward_pre_hook(self._count).remove)
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            self._before = _reset()
        return self

    def __exit__(self, *_: object) -> None:
        """Read off the memory."""
        self._stack.close()
        if self._cuda:
            self.memory = torch.cuda.max_memory_allocated()
        elif self._before:
            weights = sum({id(m.hf): dims_of(m).weights for m in self._models}.values())
            self.memory = weights + max(0, _status("VmHWM") - self._before)

    @property
    def _cuda(self) -> bool:
        return any(m.device.type == "cuda" for m in self._models)

    def _count(self, *_: Any) -> None:
        self.passes += 1

    @staticmethod
    def flops(run: Callable[[], object]) -> int:
        """Run once more, and count operations."""
        with counting() as counter:
            run()
        return int(counter.get_total_flops())


def counting() -> FlopCounterMode:
    """Torch's counter of operations, with those kernels that it leaves out."""
    aten: Any = torch.ops.aten
    more: dict[Any, Callable[..., int]] = {aten._scaled_dot_product_flash_attention_for_cpu: _attention}
    if hasattr(aten, "_grouped_mm"):
        more[aten._grouped_mm] = _grouped
    return FlopCounterMode(display=False, custom_mapping=more)


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    found: int = sdpa_flop_count(query, key, value)  # type: ignore[no-untyped-call]
    return found


def _grouped(one: Any, two: Any, *_: Any, **__: Any) -> int:
    """Every line of `one` goes through one of the matrices of `two`."""
    return 2 * int(one[-2]) * int(one[-1]) * int(two[-1])


def _reset() -> int:
    """Let the kernel forget the largest size of this process; its size now, 0 where that is not known."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return 0
    return _status("VmRSS")


def _status(name: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
    except (OSError, StopIteration):
        return 0
