"""Rules of meaning on queries, one a file: the same for text and for Python objects.

A rule is a function from a `Context` to diagnostics, registered by `@rule`. Adding one is adding a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from causalcircuit.check.drawn import in_diagrams_only
from causalcircuit.check.rules.context import RULES, Context, rule
from causalcircuit.check.sources import sites
from causalcircuit.check.templates import has_template
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import Command, DataRef, Estimation, ModelRef, Query, SiteTable, Statistic, references
from causalcircuit.rows import clusters, load, peek

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def queries_of(command: Command) -> tuple[Query, ...]:
    """The estimands that a command asks for."""
    return command.queries if isinstance(command, Estimation) else tuple(c.query for c in command.claims)


def examine(command: Command, models: Mapping[str, ModelRef]) -> list[Diagnostic]:
    """Everything that the rules have to say of a command; equal remarks once; of what no row has, nothing further."""
    drawn = in_diagrams_only(queries_of(command))
    if drawn:
        return drawn
    try:
        tables = {name: sites(ref) for name, ref in models.items()}
    except DiagnosticError as problem:
        return list(problem.diagnostics)
    templated = frozenset(name for name, ref in models.items() if has_template(ref))
    queries = queries_of(command)
    asked: dict[DataRef, list[Statistic]] = {command.data: []}
    for query in queries:
        for mean, ref in references(query.expr, command.data):
            asked.setdefault(ref, []).append(mean)
    found = _examined(command, queries, asked.pop(command.data), tables, templated)
    for ref, means in asked.items():
        found |= _examined(Estimation((), ref), (), means, tables, templated)
    return list(found)


def _examined(
    command: Command,
    queries: tuple[Query, ...],
    means: list[Statistic],
    tables: Mapping[str, SiteTable],
    templated: frozenset[str],
) -> dict[Diagnostic, None]:
    """What the rules say of queries and references on the data of a command."""
    found: dict[Diagnostic, None] = {}
    try:
        file = peek(command.data)
    except DiagnosticError as problem:
        return dict.fromkeys(problem.diagnostics)
    try:
        rows = load(command.data)
        clusters(rows)
    except DiagnosticError as problem:  # the other rules still have something to say
        rows = file
        found.update(dict.fromkeys(problem.diagnostics))
    context = Context(command, queries, tuple(means), rows, file, tables, templated)
    for check in RULES:
        found.update(dict.fromkeys(check(context)))
    return found


__all__ = ["RULES", "Context", "examine", "queries_of", "rule"]
