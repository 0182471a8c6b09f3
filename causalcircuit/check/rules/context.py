"""What a rule sees, and the register of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from causalcircuit.diagnostics import Diagnostic, Span
from causalcircuit.query import (
    Command,
    Expr,
    Moment,
    Query,
    Site,
    SiteInfo,
    SiteTable,
    Statistic,
    World,
    compile_estimand,
    walk,
)
from causalcircuit.query.algebra import world_in
from causalcircuit.rows import Dataset


@dataclass(frozen=True, slots=True)
class Context:
    """A command with everything that can be known of it before a model is loaded.

    Attributes:
        command: the estimate or test; for other data that references name, one that asks nothing itself.
        queries: its estimands.
        references: what is computed over these data.
        data: the rows that its data declares. all_rows: those of the whole file.
        tables: the sites of each declared model. templated: the models with a chat template.
    """

    command: Command
    queries: tuple[Query, ...]
    references: tuple[Statistic, ...]
    data: Dataset
    all_rows: Dataset
    tables: Mapping[str, SiteTable]
    templated: frozenset[str] = frozenset()

    def info(self, site: Site) -> SiteInfo:
        """The site's place in its model."""
        return self.tables[site.address.model].info(site.address)

    def moments(self) -> Iterator[tuple[Query, Moment]]:
        """Every expectation of every query."""
        for query in self.queries:
            for moment in compile_estimand(query.expr)[1]:
                yield query, moment

    def expressions(self) -> Iterator[Expr]:
        """Every expression on these data, those inside worlds too."""
        for root in (*(q.expr for q in self.queries), *(m.of for m in self.references)):
            yield from walk(root, on=self.command.data)

    def worlds(self) -> Iterator[tuple[World, Span | None]]:
        """Every distinct world that is named anywhere, with a place."""
        seen: set[World] = set()
        roots = (*((q.expr, q.span) for q in self.queries), *((m.of, m.span) for m in self.references))
        for root, span in roots:
            for e in walk(root, on=self.command.data):
                world = world_in(e)
                if world is not None and world not in seen:
                    seen.add(world)
                    yield world, world.span or e.span or span


Rule = Callable[[Context], Iterator[Diagnostic]]
RULES: list[Rule] = []


def rule(check: Rule) -> Rule:
    """Register a rule."""
    RULES.append(check)
    return check
