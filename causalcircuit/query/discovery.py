"""Diagrams out of data: what is asked, and what was found, edge by edge."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from causalcircuit.query.expr import Expr
from causalcircuit.query.program import Estimation

Method = Literal["pc", "ges"]
METHODS: tuple[Method, ...] = ("pc", "ges")
RESAMPLES, ALPHA = 100, 0.01


@dataclass(frozen=True, slots=True)
class Discovering(Estimation):
    """`discover G on d using pc over [X, M, Y] seed 7`.

    `queries` are what a model must give for it: the mean of each of `reads`.

    Attributes:
        name: of the diagram. nodes: the variables, with what stands for each. reads: those that a model gives.
        method, alpha: how it is looked for, and the level of each independence test of `pc`.
        resamples, seed: of the bootstrap. forbidden: arrows that the wiring does not have. saves: files to write.
    """

    name: str = ""
    nodes: tuple[tuple[str, Expr], ...] = ()
    reads: tuple[str, ...] = ()
    method: Method = "pc"
    alpha: float = ALPHA
    resamples: int = RESAMPLES
    seed: int = 0
    forbidden: tuple[tuple[str, str], ...] = ()
    saves: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundEdge:
    """An edge of a pattern: an arrow, a line whose direction data leave open, or `<->` where tests contradict.

    Attributes:
        a, b, kind: the ends, and what is between them; an arrow leads from a to b.
        there: the share of resamples in which the two are joined at all. forward, backward: as an arrow from a to b,
            or back. against: whether the wiring has no such arrow.
    """

    a: str
    b: str
    kind: Literal["->", "--", "<->"]
    there: float
    forward: float
    backward: float
    against: bool = False

    def __str__(self) -> str:
        """The edge as `A -> B`."""
        return f"{self.a} {self.kind} {self.b}"

    def to_json(self) -> dict[str, Any]:
        """The edge for machines."""
        shares = {"there": self.there, "forward": self.forward, "backward": self.backward}
        return {"a": self.a, "b": self.b, "kind": self.kind, **shares, "against": self.against}


@dataclass(frozen=True, slots=True)
class Discovered:
    """The answer to `discover`: a pattern (CPDAG), which stands for all diagrams that data cannot tell apart.

    Attributes:
        name, variables, data, n: of the diagram, its vertices, the rows. units: sampling units, `None` where rows are.
        method: in words. edges: of the pattern, and those of resamples alone (`kept` is false for them).
        missed: pairs that some resamples join and the pattern does not, with the share.
        forbidden: arrows that were ruled out by the wiring. notes: what else is to be said.
    """

    name: str
    variables: tuple[str, ...]
    data: str
    n: int
    units: int | None
    method: str
    resamples: int
    seed: int
    edges: tuple[FoundEdge, ...]
    missed: tuple[tuple[str, str, float], ...] = ()
    forbidden: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    comments: tuple[str, ...] = field(default=(), compare=False)

    def to_json(self) -> dict[str, Any]:
        """The answer for machines."""
        return {
            "name": self.name,
            "variables": list(self.variables),
            "data": self.data,
            "n": self.n,
            "clusters": self.units,
            "method": self.method,
            "resamples": self.resamples,
            "seed": self.seed,
            "edges": [e.to_json() for e in self.edges],
            "missed": [{"a": a, "b": b, "there": share} for a, b, share in self.missed],
            "forbidden": [list(arrow) for arrow in self.forbidden],
            "notes": list(self.notes),
        }

    def to_dot(self) -> str:
        """DOT: lines have no heads, labels say in how many resamples the ends are joined.

        A pattern with lines is no diagram yet: `load` refuses it until each line has a direction.
        """
        lines = ["digraph {", *(f"  {_quoted(v)};" for v in self.variables)]
        for e in self.edges:
            look = {"->": "", "--": "dir=none, ", "<->": "dir=both, "}[e.kind]
            arrow = "--" if e.kind == "--" else "->"
            lines.append(f'  {_quoted(e.a)} {arrow} {_quoted(e.b)} [{look}label="{e.there:.0%}"];')
        return "\n".join([*lines, "}"]) + "\n"


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
