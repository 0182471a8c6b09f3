"""Structural models with known answers: linear ones in matrices, discrete ones with every error enumerated."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalcircuit.causal import Diagram
from causalcircuit.scm import Inner, World

Floats = NDArray[np.float64]


def random_diagram(rng: np.random.Generator, k: int, arrows: float, shared: float) -> Diagram:
    """Variables V0, V1, … in causal order."""
    names = tuple(f"V{i}" for i in range(k))
    pairs = [(names[i], names[j]) for i in range(k) for j in range(i + 1, k)]
    return Diagram(
        names,
        tuple(p for p in pairs if rng.random() < arrows),
        tuple(p for p in pairs if rng.random() < shared),
    )


@dataclass
class LinearTruth:
    """A linear model whose table has exactly its means and covariances.

    Attributes:
        slopes: [k, k], [effect, cause]. omega: [k, k] of the errors. base: [k] their means.
    """

    diagram: Diagram
    slopes: Floats
    omega: Floats
    base: Floats

    @classmethod
    def random(cls, rng: np.random.Generator, diagram: Diagram) -> LinearTruth:
        k = len(diagram.vertices)
        at = {v: i for i, v in enumerate(diagram.vertices)}
        slopes, omega = np.zeros((k, k)), np.diag(rng.uniform(1.5, 3, k))
        for a, b in diagram.directed:
            slopes[at[b], at[a]] = rng.choice((-1, 1)) * rng.uniform(0.4, 1.2)
        for a, b in diagram.bidirected:
            omega[at[a], at[b]] = omega[at[b], at[a]] = rng.choice((-1, 1)) * rng.uniform(0.2, 0.5)
        return cls(diagram, slopes, omega, rng.normal(size=k))

    @property
    def total(self) -> Floats:
        """[k, k] the variables from the errors."""
        return np.asarray(np.linalg.inv(np.eye(len(self.base)) - self.slopes))

    def table(self, rng: np.random.Generator, n: int = 60) -> dict[str, Floats]:
        """Rows with exactly the model's means and covariances."""
        k = len(self.base)
        raw = rng.normal(size=(n, k))
        raw = raw - raw.mean(axis=0)
        white = raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / n)).T
        errors = white @ np.linalg.cholesky(self.omega).T + self.base
        rows = errors @ self.total.T
        return {v: rows[:, i] for i, v in enumerate(self.diagram.vertices)}

    def errors_of(self, rows: Floats) -> Floats:
        """[n, k] the errors of rows."""
        return np.asarray(rows @ (np.eye(len(self.base)) - self.slopes).T)

    def value(self, name: str, world: World, errors: Floats) -> Floats:
        """[n] a variable in a world, by walking the equations."""
        sets, wires = dict(world.sets), dict(world.wires)

        def valued(v: Any) -> Floats:
            return self.value(v.name, v.world, errors) if isinstance(v, Inner) else np.full(len(errors), float(v))

        if name in sets:
            return valued(sets[name])
        i = self.diagram.vertices.index(name)
        out = errors[:, i].copy()
        for j, cause in enumerate(self.diagram.vertices):
            if self.slopes[i, j]:
                way = wires[cause, name] if (cause, name) in wires else Inner(cause, world)
                out += self.slopes[i, j] * valued(way)
        return np.asarray(out)


@dataclass
class DiscreteTruth:
    """A model of binary variables: each has an error of a few values, and a function of causes and error.

    Attributes:
        functions: of each variable, [causes…, error] its value. law: of each error, its probabilities.
    """

    diagram: Diagram
    functions: dict[str, NDArray[np.int_]]
    law: dict[str, Floats]

    @classmethod
    def random(cls, rng: np.random.Generator, diagram: Diagram, kinds: int = 3) -> DiscreteTruth:
        functions, law = {}, {}
        for v in diagram.vertices:
            causes = sum(b == v for _, b in diagram.directed)
            made = rng.integers(0, 2, (2,) * causes + (kinds + 2,))
            made[..., kinds], made[..., kinds + 1] = 0, 1  # positivity
            functions[v], law[v] = made, rng.dirichlet(np.full(kinds + 2, 3.0))
        return cls(diagram, functions, law)

    def causes(self, name: str) -> list[str]:
        return [a for a in self.diagram.vertices if (a, name) in self.diagram.directed]

    def settings(self) -> tuple[dict[str, NDArray[np.int_]], Floats]:
        """Every setting of the errors, and its probability."""
        sizes = [len(self.law[v]) for v in self.diagram.vertices]
        grid = np.array(list(product(*(range(s) for s in sizes))))
        mass = np.prod([self.law[v][grid[:, i]] for i, v in enumerate(self.diagram.vertices)], axis=0)
        return {v: grid[:, i] for i, v in enumerate(self.diagram.vertices)}, mass

    def value(self, name: str, world: World, errors: dict[str, NDArray[np.int_]]) -> NDArray[np.int_]:
        """A variable in a world at every setting of the errors."""
        sets, wires = dict(world.sets), dict(world.wires)

        def valued(v: Any) -> NDArray[np.int_]:
            size = len(next(iter(errors.values())))
            return self.value(v.name, v.world, errors) if isinstance(v, Inner) else np.full(size, int(v))

        if name in sets:
            return valued(sets[name])
        inputs = [valued(wires.get((c, name), Inner(c, world))) for c in self.causes(name)]
        return np.asarray(self.functions[name][(*inputs, errors[name])])

    def table(self) -> dict[str, Any]:
        """All rows that occur, each with its probability as `p`."""
        errors, mass = self.settings()
        rows = np.stack([self.value(v, World(), errors) for v in self.diagram.vertices], axis=1)
        kept, place = np.unique(rows, axis=0, return_inverse=True)
        return {
            **{v: kept[:, i] for i, v in enumerate(self.diagram.vertices)},
            "p": np.bincount(place.ravel(), mass),
        }
