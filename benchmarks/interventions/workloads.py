"""What is asked: the lines of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.interventions.shapes import SHAPES


@dataclass(frozen=True, slots=True)
class Target:
    """A head's output at all positions, at the last, or at one."""

    layer: int
    head: int
    position: int | Literal["all", "last"] = "all"

    @property
    def slice(self) -> slice:
        """The positions, as an index."""
        match self.position:
            case "all":
                return slice(None)
            case "last":
                return slice(-1, None)
            case _:
                return slice(self.position, self.position + 1)


@dataclass(frozen=True, slots=True)
class Workload:
    """One line of the table.

    Attributes:
        title: as the table has it. shape: of the model. rows: pairs of a base and a source input.
        value: what a head's output becomes: what it is under the source, or its mean over the rows.
        at: where it is replaced. count: how many (head, position) pairs, all by default; where these go one by one.
        differ: the only position where base and source differ; everywhere by default.
        bar: how many times faster than naive hooks the engine is to be.
        rounds: of the timing. quick: with `--quick` so many heads of a layer.
    """

    name: str
    title: str
    shape: str
    rows: int
    value: Literal["interchange", "mean"] = "interchange"
    at: Literal["all", "last", "one by one"] = "all"
    count: int | None = None
    differ: int | None = None
    bar: float = 1.8
    rounds: int = 3
    quick: int = 1

    def targets(self, quick: bool = False) -> list[Target]:
        """The heads that are replaced, one a world: those that the readout at the last position can depend on."""
        shape = SHAPES[self.shape]
        heads = min(self.quick, shape.heads) if quick else shape.heads
        if self.at != "one by one":
            return [Target(i, j, self.at) for i in range(shape.layers) for j in range(heads)]
        last = shape.layers - 1
        found = [Target(i, j, p) for i in range(last) for j in range(heads) for p in range(shape.length)]
        found += [Target(last, j, shape.length - 1) for j in range(heads)]
        return found[-(self.count or 0) :]


WORKLOADS = {
    w.name: w
    for w in (
        Workload(
            "exact", "exact interchange, 144 heads × 32 pairs of 16 tokens", "gpt2", 32, bar=2.0, rounds=1
        ),
        Workload("single", "the same with 1 pair", "gpt2", 1, bar=5.0, quick=12),
        Workload("differ", "8 pairs that differ at one position (9 of 16)", "gpt2", 8, differ=9, bar=5.0, quick=2),
        Workload("last", "8 pairs, patches at the last position only", "gpt2", 8, at="last", bar=10.0, quick=2),
        Workload("llama", "decoder-self heads, Llama shape, 8 pairs", "llama", 8),
        Workload("opt", "decoder-self heads, OPT shape, 8 pairs", "opt", 8),
        Workload("vit", "encoder heads, ViT shape of 17 positions, 8 pairs", "vit", 8),
        Workload("mean", "mean ablation, 144 heads × 32", "gpt2", 32, "mean", bar=2.2, rounds=1),
        Workload(
            "small", "interventions on a 2-layer, d 64 model, 100 in one question, 1 pair", "small", 1,
            at="one by one", count=100, bar=5.0, rounds=7, quick=8,
        ),
    )
}  # fmt: skip
