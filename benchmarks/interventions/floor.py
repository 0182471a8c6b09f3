"""Floating-point operations of a workload: what naive hooks spend, and what no exact plan can do without."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.interventions.shapes import Shape
from benchmarks.interventions.task import Task


@dataclass(frozen=True, slots=True)
class Block:
    """Operations of one position in a block, two for a multiply-add, without attention's scores."""

    q: int
    kv: int
    out: int
    mlp: int
    scores: int

    @classmethod
    def of(cls, shape: Shape) -> Block:
        """Of a shape; scores are those with all keys, as matrix products compute them."""
        d, groups = shape.width, shape.kv_heads or shape.heads
        return cls(
            q=2 * d * d,
            kv=4 * d * groups * shape.head_dim,
            out=2 * d * d,
            mlp=2 * (3 if shape.gated else 2) * d * shape.mlp,
            scores=4 * d * shape.length,
        )

    @property
    def all(self) -> int:
        """The whole block."""
        return self.q + self.kv + self.out + self.mlp + self.scores


def naive(task: Task) -> float:
    """Every world from the embeddings to the logits of all positions."""
    shape, n = task.shape, task.workload.rows
    block = Block.of(shape)
    heads = 1 if shape.images else shape.length
    world = n * (shape.length * shape.layers * block.all + heads * 2 * shape.width * shape.classes)
    return float((2 + len(task.targets)) * world)  # the factual pass, that for the values, and the worlds


def least(task: Task, *, last: bool = True, prefix: bool = True) -> float:
    """Every world from the replaced head on.

    The block of the head is left with what the head adds to the stream and its MLP, later blocks are whole.

    Args:
        task: what is asked.
        last: the last block calculates only keys and values where no readout stands, and the logits likewise.
        prefix: positions before the first that changes are known, where nothing later is seen.
    """
    shape, n = task.shape, task.workload.rows
    block = Block.of(shape)
    changed = _changed(task) if prefix else shape.length
    total = 0
    for target in task.targets:
        after = shape.layers - 1 - target.layer
        read = 1 if last else changed  # positions that the end needs
        head = 2 * shape.head_dim * shape.width
        own = head + block.mlp
        if after == 0:
            total += read * own
        else:
            total += changed * own + (after - 1) * changed * block.all
            total += changed * block.kv + read * (block.q + block.out + block.mlp + block.scores)
        total += read * 2 * shape.width * shape.classes
    passes = 1 if task.workload.value == "mean" else 2
    factual = passes * shape.length * shape.layers * block.all
    return float(n * (total + factual))


def _changed(task: Task) -> int:
    """Positions from the first that an intervention can change."""
    if task.shape.images:
        return task.shape.length
    if task.workload.at == "last":
        return 1
    if task.workload.at == "one by one":
        positions = [t.position for t in task.targets if isinstance(t.position, int)]
        return round(sum(task.shape.length - p for p in positions) / len(positions))
    if task.workload.value == "mean":
        return task.shape.length
    return task.shape.length - (task.workload.differ or 0)
