"""pyvene: a `CollectIntervention` for the values, and an intervenable model for each head.

Its documented way gives the source inputs to every call, which then runs them anew; here the collected values are
handed over instead, which spares it half the passes.
"""

from __future__ import annotations

from typing import Any

import pyvene
import torch
from pyvene.models.intervenable_modelcard import type_to_module_mapping

from benchmarks.interventions.contenders import Asked, UnableError
from benchmarks.interventions.contenders.one_by_one import OneByOne
from benchmarks.interventions.task import Task
from benchmarks.interventions.workloads import Target


class Pyvene(OneByOne):
    """The native model and the intervenable models around it."""

    def __init__(self, task: Task) -> None:
        """Load the model."""
        super().__init__(task)
        self.model = task.model()
        if type(self.model) not in type_to_module_mapping:
            raise UnableError(f"it does not know {type(self.model).__name__}")
        self.collecting: Any = pyvene.IntervenableModel(
            [
                {
                    "layer": i,
                    "component": "attention_value_output",
                    "max_number_of_units": task.shape.length,
                    "intervention_type": pyvene.CollectIntervention,
                }
                for i in self.layers
            ],
            model=self.model,
        )

    def values(self, inputs: torch.Tensor) -> dict[int, torch.Tensor]:
        """[rows, heads, positions, components]."""
        n, length = inputs.shape
        every = [[list(range(length))] * n] * len(self.layers)
        (_, found), _ = self.collecting({"input_ids": inputs}, unit_locations={"sources->base": (None, every)})
        split = [torch.stack(list(z)) if isinstance(z, list | tuple) else z for z in found]
        heads = self.task.shape.heads
        return {
            i: z.reshape(n, length, heads, self.size).transpose(1, 2) for i, z in zip(self.layers, split, strict=True)
        }

    def plain(self) -> torch.Tensor:
        """A pass of the native model."""
        return self.ends(self.model(input_ids=self.task.base, use_cache=False).logits)

    def world(self, target: Target, value: torch.Tensor) -> torch.Tensor:
        """A pass through a model with one intervention."""
        n, length = self.task.base.shape
        positions = list(range(length))[target.slice]
        model: Any = pyvene.IntervenableModel(
            {
                "layer": target.layer,
                "component": "head_attention_value_output",
                "unit": "h.pos",
                "intervention_type": pyvene.VanillaIntervention,
            },
            model=self.model,
        )
        (key,) = model.interventions
        places = [[[[target.head]] * n, [positions] * n]]
        source = value[:, target.head : target.head + 1, positions]
        _, output = model(
            {"input_ids": self.task.base},
            source_representations={key: source},
            unit_locations={"sources->base": ([None], places)},
            use_cache=False,
        )
        return self.ends(output.logits)


def ready(task: Task) -> Asked:
    """The intervenable models."""
    return Pyvene(task)
