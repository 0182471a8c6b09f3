"""What a kind of reference is: partial sums over some rows, which add up, and what their total gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.engine.values import Value
from causalcircuit.query import Statistic

Partial = Mapping[str, Tensor]
"""What some rows give to a reference: float64 tensors by name, which add up over rows (a sum, a count, …).

The partials of chunks that cover the rows once, added in the order of the rows, are all that a reference is made of:
they may be kept across runs. Nothing of a partial depends on other chunks.
"""


class Kind(Protocol):
    """A kind of reference."""

    def partial(self, e: Statistic, values: Sequence[Value], weights: Tensor) -> Partial:
        """What some rows give.

        Args:
            e: the reference. values: of each of its parts, on these rows. weights: [rows] of the rows, float64.
        """

    def complete(self, e: Statistic, total: Partial) -> Tensor:
        """The reference, float64, from the sum over all rows: [positions or 1, width], or [1] of a number a row.

        Raises:
            DiagnosticError: these rows have none.
        """

    def notes(self, e: Statistic, total: Partial) -> Iterable[Diagnostic]:
        """What a report says of a reference that is complete."""


_KINDS: dict[type[Statistic], Kind] = {}


def kind(of: type[Statistic]) -> Callable[[type[Kind]], type[Kind]]:
    """Register the kind of one class of expressions."""

    def keep(made: type[Kind]) -> type[Kind]:
        _KINDS[of] = made()
        return made

    return keep


def kind_of(e: Statistic) -> Kind:
    """The kind of a reference."""
    return _KINDS[type(e)]


def joined(a: Partial | None, b: Partial) -> Partial:
    """The partial of the rows of both."""
    return b if a is None else {name: a[name] + b[name] for name in b}


def weighted_sum(value: Value, weights: Tensor, pooled: bool) -> Tensor:
    """The sum of a value over rows, each with its weight: [positions or 1, width], or [1] of a number a row."""
    data, n = value.data.double(), len(weights)
    if value.scalar:
        return (data * weights).sum().reshape(1)
    if pooled:
        return (row_means(value, n) * weights[:, None]).sum(0, keepdim=True)
    # Every row has the same number of positions: one sum at each.
    return (data.reshape(n, -1, data.shape[-1]) * weights[:, None, None]).sum(0)


def row_means(value: Value, rows: int) -> Tensor:
    """[rows, width] the mean over each row's positions: rows weigh the same, however long they are."""
    data = value.data.double()
    if value.counts is None:
        return data.expand(rows, -1)
    counts = torch.tensor(value.counts, device=data.device)
    index = torch.arange(rows, device=data.device).repeat_interleave(counts)
    sums = torch.zeros((rows, data.shape[-1]), dtype=torch.float64, device=data.device).index_add_(0, index, data)
    return sums / counts[:, None]
