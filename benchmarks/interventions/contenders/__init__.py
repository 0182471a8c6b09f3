"""Those who are measured, by name: each file is one way to ask the same questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.interventions.task import Task

Outcomes = NDArray[np.float64]
"""[1 + worlds, rows] the readout: without an intervention, then for each target in order."""


class UnableError(Exception):
    """A contender is not installed, or cannot do a workload; the reason is printed in its place."""


class Asked(Protocol):
    """A contender with its model loaded: a call answers the whole workload anew."""

    def __call__(self) -> Outcomes:
        """All outcomes."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to ask.

    Attributes:
        title: what the table calls it. module: where its `ready` is, fetched when it takes part.
        peer: whether it is another tool, which is installed beside.
    """

    title: str
    module: str
    peer: bool = False

    def ready(self, task: Task) -> Asked:
        """Load what it needs.

        Raises:
            UnableError: it is not installed, or has no way to ask this.
        """
        try:
            made: Callable[[Task], Asked] = import_module(f"{__name__}.{self.module}").ready
        except ModuleNotFoundError as missing:
            if not self.peer:
                raise
            raise UnableError(f"not installed ({missing.name})") from None
        return made(task)


CONTENDERS: Mapping[str, Contender] = {
    "naive": Contender("naive hooks", "naive"),
    "causal": Contender("CausalCircuit", "causal"),
    "prototype": Contender("prototype", "prototype"),
    "lens": Contender("transformer-lens", "lens", peer=True),
    "nnsight": Contender("nnsight", "nnsight_", peer=True),
    "pyvene": Contender("pyvene", "pyvene_", peer=True),
}
