"""TransformerLens: `run_with_cache` for the values, `run_with_hooks` at `hook_z` for each head."""

from __future__ import annotations

from typing import Any

import torch
from transformer_lens.model_bridge import TransformerBridge

from benchmarks.interventions.contenders import Asked
from benchmarks.interventions.contenders.one_by_one import OneByOne
from benchmarks.interventions.task import Task
from benchmarks.interventions.workloads import Target


class Lens(OneByOne):
    """The bridge around the native model."""

    def __init__(self, task: Task) -> None:
        """Load the model, and build the bridge."""
        super().__init__(task)
        self.bridge: Any = TransformerBridge.boot_transformers(
            str(task.folder), hf_model=task.model(), device="cpu", dtype=torch.float32
        )
        self.bridge.eval()

    def _given(self, inputs: torch.Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return ((None,), {"pixel_values": inputs}) if self.task.shape.images else ((inputs,), {})

    def values(self, inputs: torch.Tensor) -> dict[int, torch.Tensor]:
        """[rows, positions, heads, components]."""
        names = {f"blocks.{i}.attn.hook_z" for i in self.layers}
        args, named = self._given(inputs)
        _, cache = self.bridge.run_with_cache(*args, names_filter=lambda name: name in names, **named)
        return {i: cache[f"blocks.{i}.attn.hook_z"] for i in self.layers}

    def plain(self) -> torch.Tensor:
        """A plain call."""
        args, named = self._given(self.task.base)
        return self.ends(self.bridge(*args, **named))

    def world(self, target: Target, value: torch.Tensor) -> torch.Tensor:
        """A call with one hook."""

        def write(z: torch.Tensor, hook: Any) -> torch.Tensor:
            z[:, target.slice, target.head] = value[:, target.slice, target.head]
            return z

        args, named = self._given(self.task.base)
        hooks = [(f"blocks.{target.layer}.attn.hook_z", write)]
        return self.ends(self.bridge.run_with_hooks(*args, fwd_hooks=hooks, **named))


def ready(task: Task) -> Asked:
    """The bridge."""
    return Lens(task)
