"""Networks of torch that are no Hugging Face models: `net = cq.module(net, inputs=cq.row.x, shape=(3,))`."""

from __future__ import annotations

import re
from typing import Any

from causalcircuit.api.addresses import Model
from causalcircuit.api.quantities import Quantity
from causalcircuit.diagnostics import error
from causalcircuit.query import Column, ModelRef


def module(net: Any, *, inputs: Quantity, shape: tuple[int, ...], name: str = "net") -> Model:
    """Any `torch.nn.Module` that takes one tensor of floats and gives one.

    Its sites are its modules: `m.module("fc1") @ cq.all`; its readouts the components of its output, `m.output[0]`;
    `cq.do({m.input: cq.row.other})` feeds it another column. It is run frozen, in evaluation mode.

    Args:
        net: the network. inputs: the column that feeds it: numbers, or lists of them.
        shape: of one row's input: `(3,)` for 3 numbers, `(5, 3)` for 5 positions of 3 numbers. A network without
            positions has one.
        name: how addresses call it.

    Raises:
        DiagnosticError: CQ111 a name that is none. What is wrong with the network is said when it is run (CQ562).
    """
    if not isinstance(inputs.expr, Column):
        raise TypeError(f"`inputs` is a column, such as `cq.row.x`, not `{inputs!r}`")
    if len(shape) not in (1, 2) or not all(isinstance(n, int) and n > 0 for n in shape):
        raise TypeError("`shape` is that of one row: `(3,)`, or `(5, 3)` for 5 positions of 3 numbers")
    if not callable(getattr(net, "named_modules", None)):
        raise TypeError(f"`{type(net).__name__}` is no torch.nn.Module")
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise error("CQ111", f"`{name}` cannot name a model", help='letters, digits and `_`: `name="net"`')
    return Model(ModelRef(name, type(net).__qualname__, net=net, shape=tuple(shape), inputs=inputs.expr))
