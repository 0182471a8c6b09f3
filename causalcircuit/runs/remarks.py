"""Remarks that outlive their program: a place in a text becomes a place in the questions, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from causalcircuit.check import queries_of
from causalcircuit.diagnostics import Diagnostic, Span
from causalcircuit.query import Command, ModelRef, walk

_PLAIN = ("code", "message", "label", "where", "severity")


def places(commands: Iterable[Command], models: Iterable[ModelRef]) -> list[Span | None]:
    """Every place that a remark may have, in an order that the questions alone decide."""
    return list(_places(commands, models))


def _places(commands: Iterable[Command], models: Iterable[ModelRef]) -> Iterator[Span | None]:
    for command in commands:
        yield command.span
        yield command.data.span
        for query in queries_of(command):
            yield query.span
            for e in walk(query.expr):
                yield e.span
    for model in models:
        yield model.span


def written(remarks: Iterable[Diagnostic], known: list[Span | None]) -> list[dict[str, Any]] | None:
    """Remarks as JSON; `None` where one stands at a place that is not known, or carries more than text."""
    out: list[dict[str, Any]] = []
    for remark in remarks:
        if remark.labels or remark.fix is not None or (remark.span is not None and remark.span not in known):
            return None
        said = {name: getattr(remark, name) for name in _PLAIN}
        place = None if remark.span is None else known.index(remark.span)
        out.append({**said, "help": list(remark.help), "place": place})
    return out


def read(said: Any, known: list[Span | None]) -> tuple[Diagnostic, ...] | None:
    """The remarks again, at their places in this text; `None` where they are none."""
    out: list[Diagnostic] = []
    names = {f.name for f in fields(Diagnostic)}
    try:
        for entry in said:
            place = entry["place"]
            plain = {k: v for k, v in entry.items() if k in _PLAIN and k in names}
            span = None if place is None else known[place]
            out.append(Diagnostic(**plain, help=tuple(entry["help"]), span=span))
    except (TypeError, KeyError, IndexError):
        return None
    return tuple(out)
