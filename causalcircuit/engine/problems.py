"""Everything wrong with the rows, collected and told at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Span
from causalcircuit.models.problem import RowError
from causalcircuit.rows import Dataset

_SHOWN = 3


class Problems:
    """Diagnostics, one for all rows that share a cause."""

    def __init__(self, data: Dataset, of: int | None = None) -> None:
        """Collect problems in the rows of `data`, which are some of so many."""
        self._data, self._of = data, data.n if of is None else of
        self._rows: dict[tuple[str, str, str, Span | None], dict[int, str]] = {}
        self._others: list[Diagnostic] = []

    @contextmanager
    def at(self, row: int, span: Span | None = None) -> Iterator[None]:
        """Keep a `RowError` that is raised inside as a problem of `row` (its place in the data)."""
        try:
            yield
        except RowError as problem:
            self.row(problem, row, span)

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Keep diagnostics that are raised inside."""
        try:
            yield
        except DiagnosticError as problem:
            self._others.extend(d for d in problem.diagnostics if d not in self._others)

    def row(self, problem: RowError, row: int, span: Span | None = None) -> None:
        """A problem of one row."""
        key = (problem.code, problem.what, problem.help, span)
        self._rows.setdefault(key, {}).setdefault(row, problem.detail)

    def all_rows(self, problem: RowError, span: Span | None = None) -> None:
        """A problem that does not depend on the row."""
        diagnostic = Diagnostic(problem.code, str(problem), span, help=(problem.help,) if problem.help else ())
        if diagnostic not in self._others:
            self._others.append(diagnostic)

    @property
    def any(self) -> bool:
        """Whether something is wrong."""
        return bool(self._rows or self._others)

    def raise_all(self) -> None:
        """Raise all that was found, if anything was.

        Raises:
            DiagnosticError: all problems at once.
        """
        DiagnosticError.raise_if(_folded([*self._others, *self._grouped()]))

    def _grouped(self) -> Iterator[Diagnostic]:
        for (code, what, help_, span), rows in self._rows.items():
            count = "one row" if len(rows) == 1 else f"{len(rows)} rows"
            scope = "every row" if len(rows) == self._of > 1 else f"{count} of {self._of}"
            shown = [f"row {self._data.rows[i]}" + (f": {d}" if d else "") for i, d in list(rows.items())[:_SHOWN]]
            more = ["…"] if len(rows) > _SHOWN else []
            lines = (*shown, *more, *((help_,) if help_ else ()))
            yield Diagnostic(code, f"{what}, in {scope}", span, help=lines, where=self._data.place(next(iter(rows))))


def _folded(found: list[Diagnostic]) -> Iterator[Diagnostic]:
    """One diagnostic for those that say the same of different sites, as all members of a sweep do."""
    alike: dict[tuple[str, Span | None, tuple[str, ...]], list[Diagnostic]] = {}
    for d in found:
        alike.setdefault((d.code, d.span, d.help), []).append(d)
    for first, *more in alike.values():
        yield first if not more else replace(first, help=(*first.help, f"the same holds of {len(more)} more like it"))
