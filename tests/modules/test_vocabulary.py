"""The vocabulary through the engine: a structural model as a network with hand-set weights, and its closed forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import causalcircuit as cq

torch.set_num_threads(1)
N = 60
U = np.random.default_rng(5).normal(size=(N, 3))
GROUP = np.random.default_rng(6).integers(0, 2, N)


class Keep(nn.Module):
    """A node: a module that gives what it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 1


class Mediated(nn.Module):
    """x = 0.5 + u1;  m = relu(2 x + u2);  y = x + 0.5 m - x m + u3, from the row (u1, u2, u3)."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.m, self.y = Keep(), Keep(), Keep()
        self.slope = nn.Parameter(torch.tensor(2.0))

    def forward(self, u: Tensor) -> Tensor:
        x = self.x(0.5 + u[..., :1])
        m = self.m(torch.relu(self.slope * x + u[..., 1:2]))
        return self.y(x + 0.5 * m - x * m + u[..., 2:])


def y(x: np.ndarray | float, m: np.ndarray | float) -> np.ndarray:
    return x + 0.5 * m - x * m + U[:, 2]


def m(x: np.ndarray | float) -> np.ndarray:
    return np.maximum(2 * x + U[:, 1], 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> cq.Data:
    path: Path = tmp_path_factory.mktemp("scm") / "rows.jsonl"
    rows = [{"u": u.tolist(), "group": int(g)} for u, g in zip(U, GROUP, strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return cq.data(str(path))


def test_effects_are_their_closed_forms(data: cq.Data) -> None:
    net = cq.module(Mediated().double(), inputs=cq.row.u, shape=(3,))
    X, M, Y = net.module("x") @ cq.all, net.module("m") @ cq.all, net.output[0]
    on, off = cq.do({X: 1}), cq.do({X: -0.5})
    fact = 0.5 + U[:, 0]
    m1, m0 = m(1.0), m(-0.5)
    y1, y0 = y(1.0, m1), y(-0.5, m0)
    te, nde, nie = (y1 - y0).mean(), (y(1.0, m0) - y0).mean(), (y(-0.5, m1) - y0).mean()
    high = y(fact, m(fact)) > 0.2
    event = Y > 0.3
    said = cq.std
    expected = {
        "ate": (said.ATE(Y, on, off), te),
        "cate": (said.CATE(Y, on, off, cq.row.group == 1), (y1 - y0)[GROUP == 1].mean()),
        "ett": (said.ETT(Y, on, off, Y > 0.2), (y1 - y0)[high].mean()),
        "cde": (said.CDE(Y, on, off, M, 0.7), (y(1.0, 0.7) - y(-0.5, 0.7)).mean()),
        "nde": (said.NDE(Y, on, off, M), nde),
        "nie": (said.NIE(Y, on, off, M), nie),
        "share": (said.mediated_share(Y, on, off, M), nie / te),
        "needed": (said.needed_share(Y, on, off, M), 1 - nde / te),
        "both": (said.mediated_interaction(Y, on, off, M), -(1.5 * (m1 - m0)).mean()),
        "second": (
            said.interaction(Y, on, off, cq.do({M: 2}), cq.do({M: 0})),
            (y(1.0, 2.0) - y(-0.5, 2.0) - y(1.0, 0.0) + y(-0.5, 0.0)).mean(),
        ),
        "pn": (said.PN(event, on, off), (y0 <= 0.3)[y1 > 0.3].mean()),
        "pn_given": (said.PN(event, on, off, given=Y > 0.2), (y0 <= 0.3)[(y1 > 0.3) & high].mean()),
        "ps": (said.PS(event, on, off), (y1 > 0.3)[y0 <= 0.3].mean()),
        "pns": (said.PNS(event, on, off), ((y1 > 0.3) & (y0 <= 0.3)).mean()),
    }
    result = cq.estimate(**{name: asked for name, (asked, _) in expected.items()}, on=data, population=True)
    for name, (_, truth) in expected.items():
        assert result[name].value == pytest.approx(truth, abs=1e-9), name
    assert min(abs(nde), abs(nie), abs(te)) > 0.02  # no test of zeros
    assert te == pytest.approx(result["nde"].value + result["nie"].value + result["both"].value, abs=1e-9)
