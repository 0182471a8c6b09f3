"""The brute force, with references of other kinds, vectors, and donors: plain loops over rows, numpy's SVD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from causalcircuit.query import (
    FACTUAL,
    ROW,
    Assignment,
    Call,
    Column,
    Component,
    Direction,
    Draw,
    Expr,
    Position,
    Readout,
    Statistic,
    Vector,
    World,
    world_of,
)
from tests.truth.brute import Brute


def on(draw: Draw, *more: Assignment) -> World:
    """`do(row = u, …)`."""
    return world_of([Assignment(ROW, draw), *more])


@dataclass(repr=False)
class Wider(Brute):
    """The brute force for everything of this room; `donors`: for each draw the row that each row has."""

    donors: Mapping[Draw, Sequence[int]] = field(default_factory=dict)
    kept: dict[Statistic, Tensor] = field(default_factory=dict)

    def own(self, i: int, world: World) -> int:
        """The row that a world runs on."""
        return i if world.donor is None else self.donors[world.donor][i]

    def readout(self, i: int, readout: Readout, world: World) -> float:
        if isinstance(readout.answer, Column):
            text = self.rows[self.own(i, world)][readout.answer.name]
            readout = replace(readout, answer=_text(text))
        return super().readout(i, readout, world)

    def fed(self, i: int, channel: str, world: World) -> object:
        return super().fed(self.own(i, world), channel, world.without(ROW))

    def positions(self, i: int, position: Position, tower: str, world: World) -> list[int]:
        return super().positions(self.own(i, world), position, tower, world.without(ROW))

    def value(self, i: int, e: Expr, world: World) -> Tensor:
        match e:
            case Column(name=name):
                return torch.tensor(self.rows[self.own(i, world)][name], dtype=torch.float64)
            case Vector(values=values):
                return torch.tensor(values, dtype=torch.float64)
            case Direction() | Component():
                return self.reference(e)
            case Call(function="unit", arguments=(x,)):
                vectors = torch.atleast_2d(self.value(i, x, world))
                return torch.stack([v / float(np.sqrt((v.numpy() ** 2).sum())) for v in vectors])
            case Call(function="project_out", arguments=(a, d)):
                vectors, along = torch.atleast_2d(self.value(i, a, world)), self.value(i, d, world)
                lines = torch.atleast_2d(along).expand(len(vectors), -1)
                return torch.stack([v - (v @ b) / (b @ b) * b for v, b in zip(vectors, lines, strict=True)])
            case _:
                return super().value(i, e, world)

    def reference(self, e: Statistic) -> Tensor:
        """A direction or a component."""
        if e not in self.kept:
            n = len(self.rows)
            weights = np.array([1.0 if self.weight is None else self.rows[j][self.weight] for j in range(n)])
            parts = [[torch.atleast_2d(self.value(j, p, FACTUAL)).numpy() for j in range(n)] for p in e.parts]
            self.kept[e] = torch.tensor(_direction(parts, weights, e) if len(parts) == 2 else _first(parts[0], weights))
        return self.kept[e]


def _direction(parts: list[list[np.ndarray]], weights: np.ndarray, e: Statistic) -> np.ndarray:
    def mean(rows: list[np.ndarray]) -> np.ndarray:
        each = [r.mean(0, keepdims=True) if e.pooled else r for r in rows]
        return sum(w * r for w, r in zip(weights, each, strict=True)) / weights.sum()

    return mean(parts[0]) - mean(parts[1])


def _first(rows: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """By numpy's SVD of the centred observations, each scaled by the root of its weight."""
    each = np.concatenate([np.full(len(r), w / len(r)) for r, w in zip(rows, weights, strict=True)])
    data = np.concatenate(rows)
    centred = data - (each[:, None] * data).sum(0) / each.sum()
    _, _, found = np.linalg.svd(centred * np.sqrt(each)[:, None])
    first = found[0]
    return first * np.sign(first[np.abs(first).argmax()])


def _text(x: str) -> Expr:
    from causalcircuit.query import Text

    return Text(x)
