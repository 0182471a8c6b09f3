"""A linear network with a known structural model: what diagrams say of its rows, beside interventions on it.

Run with ``python -m benchmarks.linear_network [--rows N] [--sets N] [--seed N]``; prints the Markdown table of
docs/observational.md. `tests/regimes/test_linear_network.py` holds the same questions against their closed forms.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import causalcircuit as cq
from causalcircuit.query.estimate import Interval

SEED = 20261123
Floats = NDArray[np.float64]

TO_M, TO_Y = 0.75, 0.5
EFFECT = TO_M * TO_Y
"""Of X on Y: all of it runs through M."""
RIGHT = "W -> X, W -> Y, X -> M -> Y, X <-> Y"
UNSEEN = "W -> X, W -> Y, X -> M -> Y"
"""Wrong: nobody thought of U."""
NOTHING = "X -> M -> Y"
"""Wrong: nobody thought of a common cause at all."""


class Network(nn.Module):
    """x = w + u + e;  m = 3/4 x + f;  y = 1/2 m + w + u + g, three linear layers that read the row (w, u, e, f, g)."""

    def __init__(self) -> None:
        super().__init__()
        self.x = _layer(1, 1, 1, 0, 0)
        self.m = _layer(0, 0, 0, 1, 0, TO_M)
        self.y = _layer(1, 1, 0, 0, 1, 0, TO_Y)

    def forward(self, row: Tensor) -> Tensor:
        """Rows [rows, 5] to answers [rows, 1]."""
        x = self.x(row)
        m = self.m(torch.cat([row, x], dim=-1))
        return self.y(torch.cat([row, x, m], dim=-1))


def _layer(*weights: float) -> nn.Linear:
    layer = nn.Linear(len(weights), 1, bias=False, dtype=torch.float64)
    layer.weight.data = torch.tensor([weights], dtype=torch.float64)
    return layer


def write(path: Path, rows: Floats) -> cq.Data:
    """Rows [rows, 5] as a data set: what the network is fed, the cause that is measured, and two pictures of each row.

    `on` and `off` are the row with the noise that brings x to 1 and to 0; `x` is what it is worth.
    """
    lines = []
    for row in rows:
        x = float(row[:3].sum())
        worlds = {name: [*row[:2], value - row[0] - row[1], *row[3:]] for name, value in (("on", 1.0), ("off", 0.0))}
        lines.append({"e": row.tolist(), "w": float(row[0]), "x": x, **worlds})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return cq.data(str(path))


@dataclass(frozen=True)
class Asked:
    """A diagram over the network's nodes, with the effects of one unit on Y."""

    drawing: cq.Drawing

    def effect(self, cause: str) -> cq.Quantity:
        """E[Y | do(cause = 1)] - E[Y | do(cause = 0)]."""
        of = self.drawing
        return cq.E[of["Y"] | cq.do({of[cause]: 1})] - cq.E[of["Y"] | cq.do({of[cause]: 0})]


def asked(diagram: str, name: str = "G") -> Asked:
    """X and M are what sites write along their direction, and setting a site realizes their values."""
    net = cq.module(Network(), inputs=cq.row.e, shape=(5,))
    nodes: dict[str, cq.Quantity] = {"W": cq.row.w, "Y": net.output[0]}
    realize = {}
    for variable, path in (("X", "x"), ("M", "m")):
        site = net.module(path) @ cq.all
        worlds = {1: cq.do({site: 1}), 0: cq.do({site: 0})}
        nodes[variable] = cq.dot(site, cq.direction(site, worlds[1], worlds[0]))
        realize[variable] = worlds
    return Asked(cq.graph(diagram, name=name, realize=realize, **_named(diagram, nodes)))


def dealt(diagram: str, name: str = "G") -> Asked:
    """X is a column: a treatment that was given, and the network fed either picture of a row realizes its values."""
    net = cq.module(Network(), inputs=cq.row.e, shape=(5,))
    site = net.module("m") @ cq.all
    m = cq.dot(site, cq.direction(site, cq.do({site: 1}), cq.do({site: 0})))
    nodes: dict[str, cq.Quantity] = {"W": cq.row.w, "X": cq.row.x, "M": m, "Y": net.output[0]}
    realize = {"X": {1: cq.do({net.input: cq.row.on}), 0: cq.do({net.input: cq.row.off})}}
    return Asked(cq.graph(diagram, name=name, realize=realize, **_named(diagram, nodes)))


def _named(diagram: str, nodes: dict[str, cq.Quantity]) -> dict[str, cq.Quantity]:
    return {name: node for name, node in nodes.items() if name in diagram}


FORGOTTEN = {RIGHT: "all that is so", UNSEEN: "no U", NOTHING: "no W and no U"}
REGIMES = {RIGHT: ("frontdoor(M)", "S"), UNSEEN: ("adjustment(W)", "S"), NOTHING: ("adjustment",)}
CALLED = {"S": "a linear structural model", "adjustment": "adjustment for nothing"}


@dataclass(frozen=True)
class Line:
    """What one regime says of the effect of X on Y in one data set, and how far from what intervening says."""

    diagram: str
    regime: str
    exact: float
    answer: Interval
    value: float
    gap: float
    p: float


def lines(data: cq.Data) -> Iterator[Line]:
    """Every diagram by its regimes, beside interventions."""
    for diagram, regimes in REGIMES.items():
        question = asked(diagram)
        by = [cq.fit(question.drawing, on=data) if r == "S" else r for r in regimes]
        found = cq.estimate(question.effect("X"), on=data, diagram=question.drawing, by=["intervention", *by]).estimates
        of = {e.regime: e for e in found}
        exact = of["intervention"].value
        for regime in regimes:
            answer, gap = of[regime], of[f"{regime} - intervention"]
            assert answer.interval is not None
            assert None not in (exact, answer.value, gap.value, gap.p)
            yield Line(diagram, regime, exact, answer.interval, answer.value, gap.value, gap.p)


def table(sets: Sequence[Sequence[Line]]) -> str:
    """The first data set, and what all of them say together."""
    out = ["| the diagram has | by | effect of X on Y | by intervention | difference | p | mean of all | hold 0.375 |"]
    out.append("|---|---|---|---|---|---|---|---|")
    for each in zip(*sets, strict=True):
        one = each[0]
        mean = np.mean([line.value for line in each])
        held = np.mean([line.answer.low <= EFFECT <= line.answer.high for line in each])
        p = f"{one.p:.2f}" if one.p >= 1e-4 else "< .0001"
        cells = (
            f"{FORGOTTEN[one.diagram]} | {CALLED.get(one.regime, f'`{one.regime}`')}",
            f"{one.value:.3f} [{one.answer.low:.3f}, {one.answer.high:.3f}] | {one.exact:.3f}",
            f"{one.gap:+.3f} | {p} | {mean:.3f} | {held:.1%}",
        )
        out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out)


def main() -> None:
    """Draw rows, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--sets", type=int, default=100, help="data sets, each of so many rows")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        sets = [
            list(lines(write(Path(folder) / f"{i}.jsonl", rng.standard_normal((arguments.rows, 5)))))
            for i in range(arguments.sets)
        ]
    print(table(sets))


if __name__ == "__main__":
    main()
