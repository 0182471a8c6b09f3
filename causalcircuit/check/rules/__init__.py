"""Rules of meaning on queries, one a file: the same for text and for Python objects.

A rule is a function from a `Context` to diagnostics, registered by `@rule`. Adding one is adding a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from causalcircuit.check.rules.context import RULES, Context, rule
from causalcircuit.check.sources import sites
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import Command, Estimation, ModelRef, Query
from causalcircuit.rows import clusters, load, peek

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def queries_of(command: Command) -> tuple[Query, ...]:
    """The estimands that a command asks for."""
    return command.queries if isinstance(command, Estimation) else tuple(c.query for c in command.claims)


def examine(command: Command, models: Mapping[str, ModelRef]) -> list[Diagnostic]:
    """Everything that the rules have to say of a command; equal remarks once."""
    try:
        file = peek(command.data)
        tables = {name: sites(ref) for name, ref in models.items()}
    except DiagnosticError as problem:
        return list(problem.diagnostics)
    found: dict[Diagnostic, None] = {}
    try:
        rows = load(command.data)
        clusters(rows)
    except DiagnosticError as problem:  # the other rules still have something to say
        rows = file
        found.update(dict.fromkeys(problem.diagnostics))
    context = Context(command, queries_of(command), rows, file, tables)
    for check in RULES:
        found.update(dict.fromkeys(check(context)))
    return list(found)


__all__ = ["RULES", "Context", "examine", "queries_of", "rule"]
