"""How far a run is, and what is left of one that fails on its way."""

from __future__ import annotations

from typing import Protocol

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Result


class Progress(Protocol):
    """Hears how far a run is: `done` of `total` rows × worlds."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Take note."""


class AfterPass(DiagnosticError):  # noqa: N818 - when, not what: its diagnostics say what
    """Something went wrong after the first forward pass; `result` holds what was done before."""

    result: Result | None = None

    @classmethod
    def of(cls, problem: DiagnosticError, result: Result | None) -> AfterPass:
        """The same problem, with what was done before it."""
        late = cls(*problem.diagnostics)
        late.result = result
        return late
