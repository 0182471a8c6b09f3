"""The one type for everything that can be wrong, and the error that carries it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from causalcircuit.diagnostics.source import Span

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that helps to understand a diagnostic."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A replacement that an editor can apply."""

    span: Span
    replacement: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something wrong, as data: rendering is elsewhere.

    Attributes:
        code: a code of the catalogue, such as `CQ201`.
        message: one line: what is wrong. Never says "you".
        span: the place, where there is one.
        label: the words under the place.
        labels: further places.
        help: the way out, a line each.
        where: a place outside a program's text (`scenes.jsonl, row 12`).
        severity: errors stop; warnings are printed with the result; notes inform.
    """

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    labels: tuple[Label, ...] = ()
    help: tuple[str, ...] = ()
    where: str = ""
    severity: Severity = "error"
    fix: Fix | None = None

    @property
    def is_error(self) -> bool:
        """Whether this stops the run."""
        return self.severity == "error"

    def at(self, span: Span | None) -> Diagnostic:
        """The same diagnostic at `span`, unless it has a place already."""
        return self if self.span is not None or span is None else replace(self, span=span)

    def located(self) -> str:
        """`file:line:column`, or the place outside the text, or nothing."""
        if self.span is None:
            return self.where
        line, column = self.span.source.position(self.span.start)
        return f"{self.span.source.name}:{line}:{column}"


class DiagnosticError(Exception):
    """One or several diagnostics, at least one of them an error."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        """Carry `diagnostics`; the message lists them."""
        self.diagnostics: tuple[Diagnostic, ...] = diagnostics
        super().__init__(
            "\n".join(
                f"{d.severity}[{d.code}]: {d.message}" + (f" ({d.located()})" if d.located() else "")
                for d in diagnostics
            )
        )

    @classmethod
    def raise_if(cls, diagnostics: Iterable[Diagnostic]) -> None:
        """Raise all of `diagnostics` at once if one of them is an error."""
        found = tuple(diagnostics)
        if any(d.is_error for d in found):
            raise cls(*found)


def error(
    code: str,
    message: str,
    span: Span | None = None,
    label: str = "",
    *,
    help: str | Iterable[str] = (),
    labels: Iterable[Label] = (),
    where: str = "",
    fix: Fix | None = None,
) -> DiagnosticError:
    """Make an exception with a single error."""
    lines = (help,) if isinstance(help, str) else tuple(help)
    return DiagnosticError(
        Diagnostic(code, message, span, label, tuple(labels), tuple(x for x in lines if x), where, fix=fix)
    )


def warning(
    code: str,
    message: str,
    span: Span | None = None,
    label: str = "",
    *,
    help: str | Iterable[str] = (),
    labels: Iterable[Label] = (),
    where: str = "",
) -> Diagnostic:
    """A warning: printed with the result, never fatal."""
    lines = (help,) if isinstance(help, str) else tuple(help)
    return Diagnostic(
        code, message, span, label, tuple(labels), tuple(x for x in lines if x), where, severity="warning"
    )
