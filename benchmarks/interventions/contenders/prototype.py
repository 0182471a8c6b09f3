"""What resuming in the patched block buys, in a few lines and without any of the engine's care.

Worlds of a layer share a pass along the batch axis; blocks below return what they returned without an intervention; of
a text the logits are calculated at the last position only. It knows where the blocks of the four shapes are and proves
nothing: a yardstick, not an engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from benchmarks.interventions.contenders import Asked, Outcomes
from benchmarks.interventions.contenders.naive import Naive
from benchmarks.interventions.task import Task
from benchmarks.interventions.workloads import Target

_TOGETHER = 1024


class Prototype(Naive):
    """Replay by hand."""

    def __init__(self, task: Task) -> None:
        """Load the model and find its blocks."""
        super().__init__(task)
        self.blocks: Any = self.model.get_submodule(task.shape.projection.split(".{}")[0])
        self.together = max(1, _TOGETHER // (task.workload.rows * task.shape.length))

    def __call__(self) -> Outcomes:
        """Values, the factual pass, then the worlds of each layer in chunks."""
        with torch.inference_mode():
            mean = self.task.workload.value == "mean"
            values = self.values(self.task.base if mean else self.task.source)
            if mean:
                values = {i: v.mean(0, keepdim=True).expand_as(v) for i, v in values.items()}
            factual, streams = self._factual()
            found = [self.task.difference(factual)]
            for layer in self.layers:
                own = [t for t in self.task.targets if t.layer == layer]
                for start in range(0, len(own), self.together):
                    found += self._worlds(own[start : start + self.together], values[layer], streams)
            return torch.stack(found).double().numpy()

    def _factual(self) -> tuple[torch.Tensor, list[torch.Tensor]]:
        streams: list[torch.Tensor] = []
        handles = [b.register_forward_hook(lambda _, __, output: streams.append(output)) for b in self.blocks]
        logits = self._run(self.task.base)
        for handle in handles:
            handle.remove()
        return logits, streams

    def _worlds(
        self, targets: Sequence[Target], value: torch.Tensor, streams: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        count, n = len(targets), self.task.workload.rows
        layer = targets[0].layer

        def write(_: Any, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
            changed = given[0].clone()
            for k, target in enumerate(targets):
                own = self.own(target)
                changed[k * n : (k + 1) * n, target.slice, own] = value[:, target.slice, own]
            return (changed,)

        many = (count,) + (1,) * (self.task.base.ndim - 1)
        with ExitStack() as stack:
            stack.callback(self.projections[layer].register_forward_pre_hook(write).remove)
            for i in range(layer):
                entering = streams[i].repeat(count, 1, 1) if i == layer - 1 else streams[i]
                stack.enter_context(_returning(self.blocks[i], entering))
            inputs = self.task.base.repeat(many)
            if self.task.shape.images:
                logits = self.model(pixel_values=inputs).logits
            else:
                logits = self.model(input_ids=inputs, use_cache=False, logits_to_keep=1).logits[:, -1]
        return [self.task.difference(part) for part in logits.split(n)]


@contextmanager
def _returning(block: Any, output: torch.Tensor) -> Iterator[None]:
    block.forward = lambda *_, **__: output
    try:
        yield
    finally:
        del block.forward


def ready(task: Task) -> Asked:
    """The yardstick."""
    return Prototype(task)
