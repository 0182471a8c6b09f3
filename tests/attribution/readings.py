"""A laboratory without a model: what is read with some wires kept is a function that a test sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from causalcircuit.attribution.chance import Web
from causalcircuit.attribution.lab import Lab
from causalcircuit.query import Address, Part
from causalcircuit.query.trials import SORTS, CircuitClaim, Kind

Reading = Callable[[np.ndarray], np.ndarray]


class Readings(Lab):
    """`inputs` leads to each of so many nodes (even wires), and each of these to the readout (odd wires)."""

    def __init__(
        self,
        read: Reading,
        circuit: Sequence[int],
        nodes: int,
        rows: int,
        cluster: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> None:
        self.read = read
        count = 2 * nodes
        writers = np.array([w for i in range(nodes) for w in (0, i + 1)])
        onward: list[tuple[int, ...] | None] = [o for i in range(nodes) for o in ((i + 1,), None)]
        names = [Address("m", (Part("embed"),)), *(Address("m", (Part(f"node{i}"),)) for i in range(nodes))]
        reads = [a for i in range(nodes) for a in (names[i + 1], None)]
        wiring = SimpleNamespace(
            writes=tuple(names), reads=tuple(reads), writers=torch.tensor(writers), readers=torch.arange(count)
        )
        self.bench: Any = SimpleNamespace(wiring=wiring)
        self.data: Any = SimpleNamespace(n=rows)
        self.model: Any = SimpleNamespace(dtype=torch.float64)
        self.cluster, self.weight = cluster, weight
        self.passes, self.heard = 0, None
        self.wires = np.zeros(count, dtype=bool)
        self.wires[list(circuit)] = True
        self.__dict__["considered"] = np.ones(count, dtype=bool)
        self.__dict__["web"] = Web(writers, onward, np.ones(count, dtype=bool))

    def readouts(self, masks: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([self.read(m) for m in masks])


def claim(kind: Kind, **said: Any) -> CircuitClaim:
    sort = SORTS[kind]
    return CircuitClaim(**{"kind": kind, "of": "C", "bound": sort.bound, "draws": sort.draws, **said})
