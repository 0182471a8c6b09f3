"""The JSON view of a diagnostic."""

from __future__ import annotations

from typing import Any

from causalcircuit.diagnostics.diagnostic import Diagnostic
from causalcircuit.diagnostics.source import Span


def to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as plain data; lines and columns count from 1."""
    out: dict[str, Any] = {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "help": list(diagnostic.help),
    }
    if diagnostic.where:
        out["where"] = diagnostic.where
    if diagnostic.span is not None:
        out["span"] = _span(diagnostic.span)
        out["label"] = diagnostic.label
    if diagnostic.labels:
        out["labels"] = [{"span": _span(x.span), "text": x.text} for x in diagnostic.labels]
    if diagnostic.fix is not None:
        out["fix"] = {"span": _span(diagnostic.fix.span), "replacement": diagnostic.fix.replacement}
    return out


def _span(span: Span) -> dict[str, Any]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {
        "file": span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "start": span.start,
        "end": span.end,
    }
