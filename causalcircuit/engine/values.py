"""Arithmetic of row values: numbers, vectors that hold at all positions, and ragged vectors at positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from causalcircuit.engine.comparisons import cosine, divergence, pooled
from causalcircuit.engine.vectors import project_out, unit, vector
from causalcircuit.query import (
    Applied,
    Binary,
    Call,
    Column,
    Counterfactual,
    Draw,
    Expr,
    Negative,
    Noise,
    Number,
    Site,
    Statistic,
    Vector,
    render,
)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A value on some rows.

    Attributes:
        data: for `counts` given, [sum of counts, width]: the rows' positions one after another; otherwise
            [rows, width], or [1, width] where all rows share it; a number a row has no width: [rows] or [1].
        counts: positions a row; `None` for a number, and for a vector that holds at all positions.
    """

    data: Tensor
    counts: tuple[int, ...] | None = None

    @property
    def scalar(self) -> bool:
        """Whether it is one number a row."""
        return self.data.ndim == 1

    def rows(self, low: int, high: int) -> Value:
        """The rows `low` to `high` (half-open)."""
        count = len(self.data) if self.counts is None else len(self.counts)
        if low == 0 and high == count:
            return self
        if self.counts is None:
            return self if count == 1 else Value(self.data[low:high])
        start = sum(self.counts[:low])
        return Value(self.data[start : start + sum(self.counts[low:high])], self.counts[low:high])

    def spread(self, counts: tuple[int, ...]) -> Tensor:
        """[sum of counts, width or 1]: at each of `counts` positions a row."""
        data = self.data[:, None] if self.scalar else self.data
        if self.counts is not None or len(data) == 1:
            return data
        return data.repeat_interleave(torch.tensor(counts, device=data.device), dim=0)


class Context(Protocol):
    """Where the leaves of a formula get their values, all on one device."""

    @property
    def device(self) -> torch.device:
        """Where numbers go."""

    def natural(self, site: Site) -> Value:
        """A bare site: its value in this pass, before any assignment to its tensor."""

    def read(self, leaf: Counterfactual) -> Value:
        """What was read in another world."""

    def reference(self, e: Statistic) -> Value:
        """A statistic over all rows."""

    def column(self, name: str, donor: Draw | None = None) -> Value:
        """A column of numbers, or of lists of numbers; of the rows' donors, where a draw is given."""

    def noise(self, e: Noise) -> Value:
        """Noise on the site that is assigned."""

    def applied(self, e: Applied) -> Value:
        """What a function in Python gives."""


def evaluate(e: Expr, context: Context) -> Value:
    """The value of a formula; shapes were checked before."""
    match e:
        case Number(value=x):
            return Value(torch.tensor([x], dtype=torch.float64, device=context.device))
        case Column(name=name):
            return context.column(name)
        case Vector():
            return Value(vector(e, context.device))
        case Noise():
            return context.noise(e)
        case Site():
            return context.natural(e)
        case Counterfactual(value=Column(name=name), world=world):
            return context.column(name, world.donor)
        case Counterfactual():
            return context.read(e)
        case Statistic():
            return context.reference(e)
        case Negative(operand=operand):
            inner = evaluate(operand, context)
            return Value(-inner.data, inner.counts)
        case Binary(op=op, left=left, right=right):
            return _combined(_OPERATIONS[op], evaluate(left, context), evaluate(right, context))
        case Call(function=function, arguments=(argument,)) if function in _SCALAR:
            inner = evaluate(argument, context)
            return Value(_SCALAR[function](inner.data), inner.counts)
        case Call(function="unit", arguments=(argument,)):
            inner = evaluate(argument, context)
            return Value(unit(inner.data, e), inner.counts)
        case Call(function="project_out", arguments=(left, right)):
            return _combined(lambda x, d: project_out(x, d, e), evaluate(left, context), evaluate(right, context))
        case Call(function="dot", arguments=(left, right)):
            return _dot(evaluate(left, context), evaluate(right, context))
        case Applied():
            return context.applied(e)
        case Call(function="kl", arguments=(left, right)):
            return Value(divergence(evaluate(left, context).data, evaluate(right, context).data))
        case Call(function="cosine", arguments=(left, right)):
            a, b = evaluate(left, context), evaluate(right, context)
            return Value(cosine(pooled(a.data, a.counts), pooled(b.data, b.counts)))
        case Call(function=function, arguments=(argument,)):
            return _summary(function, evaluate(argument, context))
        case _:
            raise TypeError(f"{render(e)} has no value")  # the shapes were checked, which refuses all else


_OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "^": torch.pow,
}
_SCALAR: dict[str, Callable[[Tensor], Tensor]] = {"abs": torch.abs, "log": torch.log, "exp": torch.exp}


def _combined(operation: Callable[[Tensor, Tensor], Tensor], a: Value, b: Value) -> Value:
    """Entry by entry; a number meets every entry of its row, a vector that holds at all positions each of them."""
    counts = a.counts if a.counts is not None else b.counts
    if counts is not None:
        return Value(operation(_like(a, b).spread(counts), _like(b, a).spread(counts)), counts)
    if a.scalar and b.scalar:
        return Value(operation(_like(a, b).data, _like(b, a).data))
    x, y = _like(a, b).data, _like(b, a).data
    return Value(operation(x[:, None] if a.scalar else x, y[:, None] if b.scalar else y))


def _like(a: Value, b: Value) -> Value:
    """A number in the type of the activations that it meets: it must not widen them."""
    return Value(a.data.to(b.data.dtype)) if a.scalar and not b.scalar else a


def _row_index(counts: tuple[int, ...], device: torch.device) -> Tensor:
    sizes = torch.tensor(counts, device=device)
    return torch.arange(len(counts), device=device).repeat_interleave(sizes)


def _total(data: Tensor, counts: tuple[int, ...]) -> Tensor:
    """[rows] sums over a row's positions, in float64."""
    out = torch.zeros(len(counts), dtype=torch.float64, device=data.device)
    return out.index_add_(0, _row_index(counts, data.device), data)


def _counts(value: Value) -> tuple[int, ...]:
    return value.counts if value.counts is not None else (1,) * len(value.data)


def _dot(a: Value, b: Value) -> Value:
    """The sum of products over all numbers of a row; a vector that holds everywhere meets each position."""
    counts = _counts(a) if a.counts is not None or b.counts is None else _counts(b)
    x, y = a.spread(counts).double(), b.spread(counts).double()
    if x.shape[-1] == y.shape[-1]:
        return Value(_total((x * y).sum(-1), counts))
    # One side has a row's numbers in one long vector: both list them in the same order.
    product = x.flatten() * y.flatten()
    each = tuple(c * x.shape[-1] for c in _counts(a))
    return Value(_total(product, each))


def _summary(function: str, value: Value) -> Value:
    counts, data = _counts(value), value.data.double()
    if function == "norm":
        return Value(_total(data.square().sum(-1), counts).sqrt())
    flat = data.squeeze(-1)
    if function == "avg":
        return Value(_total(flat, counts) / torch.tensor(counts, dtype=torch.float64, device=flat.device))
    out = torch.full((len(counts),), -torch.inf, dtype=torch.float64, device=flat.device)
    return Value(out.scatter_reduce(0, _row_index(counts, flat.device), flat, "amax"))
