"""What a rule sees, and the register of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from causalcircuit.diagnostics import Diagnostic, Span
from causalcircuit.query import (
    Address,
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


@dataclass(slots=True)
class _Known:
    """What rules have asked of a context so far, by the identity of what they asked about, which is held."""

    places: dict[int, tuple[Address, SiteInfo]] = field(default_factory=dict)
    inside: dict[int, tuple[Expr, list[Expr]]] = field(default_factory=dict)
    moments: list[tuple[Query, Moment]] | None = None
    worlds: list[tuple[World, Span | None]] | None = None


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
    _known: _Known = field(default_factory=_Known, repr=False, compare=False)

    def info(self, site: Site) -> SiteInfo:
        """The site's place in its model."""
        key = id(site.address)  # the queries hold it
        if key not in self._known.places:
            self._known.places[key] = site.address, self.tables[site.address.model].info(site.address)
        return self._known.places[key][1]

    def moments(self) -> Iterator[tuple[Query, Moment]]:
        """Every expectation of every query."""
        if self._known.moments is None:
            self._known.moments = [(q, m) for q in self.queries for m in compile_estimand(q.expr)[1]]
        return iter(self._known.moments)

    def expressions(self) -> Iterator[Expr]:
        """Every expression on these data, those inside worlds too."""
        for root in (*(q.expr for q in self.queries), *(p for m in self.references for p in m.parts)):
            yield from self._inside(root)

    def _inside(self, root: Expr) -> list[Expr]:
        """A root and all that is inside it, walked through once for all rules."""
        key = id(root)
        if key not in self._known.inside:
            self._known.inside[key] = root, list(walk(root, on=self.command.data))
        return self._known.inside[key][1]

    def worlds(self) -> Iterator[tuple[World, Span | None]]:
        """Every distinct world that is named anywhere, with a place."""
        if self._known.worlds is None:
            self._known.worlds = list(self._worlds())
        return iter(self._known.worlds)

    def _worlds(self) -> Iterator[tuple[World, Span | None]]:
        seen: set[World] = set()
        met: set[int] = set()
        roots = (*((q.expr, q.span) for q in self.queries), *((p, m.span) for m in self.references for p in m.parts))
        for root, span in roots:
            for e in self._inside(root):
                world = world_in(e)
                if world is None or id(world) in met:
                    continue
                met.add(id(world))
                if world not in seen:
                    seen.add(world)
                    yield world, world.span or e.span or span


Rule = Callable[[Context], Iterator[Diagnostic]]
RULES: list[Rule] = []


def rule(check: Rule) -> Rule:
    """Register a rule."""
    RULES.append(check)
    return check
