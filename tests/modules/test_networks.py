"""Networks that are no transformers: interventions in closed form on hand-set weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import causalcircuit as cq
from causalcircuit.diagnostics import DiagnosticError

torch.set_num_threads(1)
W1 = torch.tensor([[1.0, -1.0, 0.0], [0.5, 0.5, 0.5], [0.0, 2.0, -1.0], [-1.0, 0.0, 1.0]], dtype=torch.float64)
B1 = torch.tensor([0.0, -0.25, 0.5, 0.1], dtype=torch.float64)
W2 = torch.tensor([[1.0, 2.0, -1.0, 0.5], [0.0, -1.0, 1.0, 3.0]], dtype=torch.float64)
B2 = torch.tensor([0.3, -0.7], dtype=torch.float64)


class TwoLayers(nn.Module):
    """y = W2 relu(W1 x + b1) + b2."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, 4, dtype=torch.float64)
        self.act = nn.ReLU()
        self.out = nn.Linear(4, 2, dtype=torch.float64)
        self.idle = nn.Linear(4, 4, dtype=torch.float64)
        for layer, weight, bias in ((self.hidden, W1, B1), (self.out, W2, B2)):
            layer.weight.data, layer.bias.data = weight.clone(), bias.clone()

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(self.hidden(x)))


ROWS = np.random.default_rng(0).normal(size=(9, 3)).round(3)
OTHER = np.random.default_rng(1).normal(size=(9, 3)).round(3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> cq.Data:
    path: Path = tmp_path_factory.mktemp("numbers") / "rows.jsonl"
    lines = [
        {"x": a.tolist(), "z": b.tolist(), "short": a.tolist()[: 2 + (i > 4)], "pair": [a.tolist(), b.tolist()]}
        for i, (a, b) in enumerate(zip(ROWS, OTHER, strict=True))
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return cq.data(str(path))


def cells(quantity: cq.Quantity, data: cq.Data) -> np.ndarray:
    """The value on each row of an expectation."""
    result = cq.estimate(quantity, on=data)
    (table,) = result.tables.values()
    (values,) = table.cells.values()
    return values


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def out(h: np.ndarray) -> np.ndarray:
    return h @ W2.numpy().T + B2.numpy()


def test_outputs_and_interventions_in_closed_form(data: cq.Data) -> None:
    net = cq.module(TwoLayers(), inputs=cq.row.x, shape=(3,))
    pre = ROWS @ W1.numpy().T + B1.numpy()
    np.testing.assert_allclose(cells(cq.E(net.output[1]), data), out(relu(pre))[:, 1], atol=1e-12)
    hidden = net.module("act") @ cq.all
    zeroed = cells(cq.E(net.output[0] | cq.do({hidden: 0})), data)
    np.testing.assert_allclose(zeroed, B2[0].item(), atol=1e-12)
    doubled = cells(cq.E(net.output[0] | cq.do({hidden: 2 * hidden})), data)
    np.testing.assert_allclose(doubled, out(2 * relu(pre))[:, 0], atol=1e-12)
    given = net.module("act").in_ @ cq.all
    flipped = cells(cq.E(net.output[0] | cq.do({given: -given})), data)
    np.testing.assert_allclose(flipped, out(relu(-pre))[:, 0], atol=1e-12)
    np.testing.assert_allclose(cells(cq.E(cq.norm(hidden)), data), np.linalg.norm(relu(pre), axis=1), atol=1e-12)


def test_another_column_and_an_interchange(data: cq.Data) -> None:
    net = cq.module(TwoLayers(), inputs=cq.row.x, shape=(3,))
    other = cq.do({net.input: cq.row.z})
    pre, swapped = (rows @ W1.numpy().T + B1.numpy() for rows in (ROWS, OTHER))
    np.testing.assert_allclose(cells(cq.E(net.output[0] | other), data), out(relu(swapped))[:, 0], atol=1e-12)
    hidden = net.module("act") @ cq.all
    patched = cells(cq.E(net.output[1] | cq.do({hidden: hidden | other})), data)
    np.testing.assert_allclose(patched, out(relu(swapped))[:, 1], atol=1e-12)
    mean = cells(cq.E(net.output[1] | cq.do({hidden: cq.mean(hidden)})), data)
    np.testing.assert_allclose(mean, out(relu(pre).mean(0))[1], atol=1e-12)


class Mixer(nn.Module):
    """Two positions: each is mapped alone, then their sum is read."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Linear(3, 4, dtype=torch.float64)
        self.each.weight.data, self.each.bias.data = W1.clone(), B1.clone()

    def forward(self, x: Tensor) -> Tensor:
        return self.each(x).sum(1)


def test_the_second_axis_holds_positions(data: cq.Data) -> None:
    net = cq.module(Mixer(), inputs=cq.row.pair, shape=(2, 3), name="mixer")
    first, second = (rows @ W1.numpy().T + B1.numpy() for rows in (ROWS, OTHER))
    np.testing.assert_allclose(cells(cq.E(net.output[2]), data), (first + second)[:, 2], atol=1e-12)
    one = cells(cq.E(net.output[2] | cq.do({net.module("each") @ cq.last: 0})), data)
    np.testing.assert_allclose(one, first[:, 2], atol=1e-12)
    added = cells(cq.E(net.output[2] | cq.do({net.module("each") @ 0: 5})), data)
    np.testing.assert_allclose(added, 5 + second[:, 2], atol=1e-12)


def test_an_estimate_has_its_interval(data: cq.Data) -> None:
    net = cq.module(TwoLayers(), inputs=cq.row.x, shape=(3,))
    hidden = net.module("hidden") @ cq.all
    found = cq.estimate(cq.E(net.output[0] | cq.do({hidden: 0})) - cq.E(net.output[0]), on=data).estimates[0]
    truth = (out(np.zeros(4)) - out(relu(ROWS @ W1.numpy().T + B1.numpy())))[:, 0]
    assert found.value == pytest.approx(truth.mean(), abs=1e-12)
    assert found.interval is not None
    assert found.interval.low < found.value < found.interval.high
    assert 'net.module("hidden") @ all = 0' in found.estimand


class Stacked(nn.Module):
    """Calls one layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.relu(self.layer(x)))


class Batched(nn.Module):
    """Takes the mean over the batch away, so that rows depend on each other."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return y - y.mean(0)


@pytest.mark.parametrize(
    ("code", "said", "ask"),
    [
        ("CQ560", "no module `hiden`", lambda n: cq.norm(n(TwoLayers()).module("hiden") @ cq.all)),
        ("CQ561", "is not called", lambda n: cq.norm(n(TwoLayers()).module("idle") @ cq.all)),
        ("CQ561", "is called 2 times", lambda n: cq.norm(n(Stacked()).module("layer") @ cq.all)),
        ("CQ562", "output has 2 components", lambda n: n(TwoLayers()).output[2]),
        ("CQ562", "does not take", lambda n: n(TwoLayers(), shape=(4,)).output[0]),
        ("CQ562", "another output when it is alone", lambda n: n(Batched()).output[0]),
        ("CQ562", "no parameters", lambda n: n(nn.ReLU()).output[0]),
        ("CQ562", "not (3,) numbers", lambda n: n(TwoLayers(), inputs=cq.row.short).output[0]),
        ("CQ509", "out of range", lambda n: cq.norm(n(TwoLayers()).module("act") @ 3)),
        ("CQ402", "no column", lambda n: n(TwoLayers(), inputs=cq.row.none).output[0]),
    ],
)
def test_what_cannot_be_asked(
    data: cq.Data, code: str, said: str, ask: Callable[[Callable[..., object]], cq.Quantity]
) -> None:
    def made(net: nn.Module, **options: object) -> object:
        return cq.module(net, **{"inputs": cq.row.x, "shape": (3,), **options})

    with pytest.raises(DiagnosticError) as caught:
        cq.estimate(cq.E(ask(made)), on=data)
    assert [d.code for d in caught.value.diagnostics if d.is_error] == [code]
    assert said in caught.value.diagnostics[0].message


def test_a_network_is_left_as_it_was_but_frozen(data: cq.Data) -> None:
    net = TwoLayers()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    model = cq.module(net, inputs=cq.row.x, shape=(3,))
    cells(cq.E(model.output[0] | cq.do({model.module("act") @ cq.all: 1})), data)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
