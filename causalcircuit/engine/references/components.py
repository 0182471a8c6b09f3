"""`pc1(A)`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from causalcircuit.diagnostics import Diagnostic, DiagnosticError, error
from causalcircuit.engine.references.kinds import Partial, kind
from causalcircuit.engine.values import Value
from causalcircuit.query import Component, Statistic, render

_CONSTANT = 1e-12
"""Of the mean square: a variance below it is rounding."""
_TIED = 1e-6
"""Of the first eigenvalue: a second one that is nearer is the same one, and no direction is the first."""
_NEAR = 0.1
"""Of the first eigenvalue: a second one that is nearer makes the first component depend on few rows."""


@kind(Component)
class ComponentKind:
    """The first eigenvector of the covariance, from moments about zero, which add up over chunks."""

    def partial(self, e: Statistic, values: Sequence[Value], weights: Tensor) -> Partial:
        """The weighted sum of the observations and of their outer products, and the weights' sum."""
        (value,) = values
        data = value.data.double()
        if value.counts is not None:
            counts = torch.tensor(value.counts, device=data.device)
            weights = (weights / counts).repeat_interleave(counts)  # a row's positions share its weight
        own = data * weights[:, None]
        return {"sum": own.sum(0), "moment": own.T @ data, "weight": weights.sum(), "observed": _count(weights)}

    def complete(self, e: Statistic, total: Partial) -> Tensor:
        """[1, width] of length 1, its entry of largest size positive.

        Raises:
            DiagnosticError: CQ358, no direction is the first.
        """
        values, vectors = torch.linalg.eigh(_covariance(total))
        variance, first = float(values.sum()), float(values[-1])
        if variance <= _CONSTANT * float(total["moment"].diagonal().sum() / total["weight"]) or first <= 0:
            raise _no_first(e, "it is the same on all rows")
        if len(values) > 1 and first - float(values[-2]) <= _TIED * first:
            raise _no_first(e, f"two components explain the same share of the variance, {first / variance:.1%}")
        found = vectors[:, -1]
        found = found / found.norm()
        size = found.abs()
        # Of entries of the same size but for rounding the first decides.
        at = int(torch.nonzero(size >= size.max() * (1 - 1e-9))[0])
        signed: Tensor = found * found[at].sign()
        return signed.reshape(1, -1)

    def notes(self, e: Statistic, total: Partial) -> Iterator[Diagnostic]:
        """How much of the variance the component explains; a warning where the second is near."""
        values = torch.linalg.eigvalsh(_covariance(total)).clamp(min=0)
        variance, first = float(values.sum()), float(values[-1])
        second = float(values[-2]) if len(values) > 1 else 0.0
        near = first - second < _NEAR * first
        what = f"{int(total['observed'])} observations of {len(values)} components"
        yield Diagnostic(
            "CQ359",
            f"`{render(e)}` explains {first / variance:.1%} of the variance, the second component "
            f"{second / variance:.1%} ({what})",
            e.span if near else None,
            severity="warning" if near else "note",
            help=("the two are near: other rows would turn the first component towards the second",) if near else (),
        )


def _count(weights: Tensor) -> Tensor:
    return (weights > 0).sum().double()


def _covariance(total: Partial) -> Tensor:
    mean = total["sum"] / total["weight"]
    found: Tensor = total["moment"] / total["weight"] - torch.outer(mean, mean)
    return found


def _no_first(e: Statistic, why: str) -> DiagnosticError:
    return error(
        "CQ358",
        f"`{render(e)}` has no direction: {why}",
        e.span,
        "no first component",
        help="take a site that varies more in one direction than in others, or `direction(A, w1, w0)`",
    )
