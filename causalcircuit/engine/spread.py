"""Where the sites of a sweep stand in the rows: `@ each` at the positions of prompts, and who can see whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from causalcircuit.diagnostics import error
from causalcircuit.engine.feeds import Feeds, Places
from causalcircuit.engine.problems import Problems
from causalcircuit.models import LoadedModel
from causalcircuit.query import (
    ALL,
    FACTUAL,
    AddressError,
    Column,
    Expr,
    Input,
    Position,
    Query,
    Site,
    Text,
    World,
    children,
    quoted,
    render,
)
from causalcircuit.query.algebra import world_in
from causalcircuit.query.each import SEEN, at_position, sites_at_each
from causalcircuit.query.expr import Statistic
from causalcircuit.query.plan import Run
from causalcircuit.rows import Dataset

_SHOWN = 6


@dataclass(slots=True)
class Ground:
    """The rows of one data set, as the models of its questions are fed them."""

    data: Dataset
    models: Mapping[str, LoadedModel]
    feeds: Feeds = field(init=False)
    _runs: dict[tuple[str, World], Run | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What is wrong with rows is told when they are prepared; here it is only not known."""
        self.feeds = Feeds(self.data, Problems(self.data))

    def spread(self, query: Query) -> list[Query]:
        """The queries that `@ each` makes of one, position by position.

        Raises:
            DiagnosticError: CQ244, prompts of different lengths.
        """
        open_ = [s for s in sites_at_each(query.expr) if not s.position.parts]
        if not open_:
            return [query]
        found = dict.fromkeys(_stand(query.expr, FACTUAL))
        count = self._count(query, list(found))
        tokens = self._tokens(list(found), count)
        return [_at(query, open_[0], k, tokens[k] if tokens else None) for k in range(count)]

    def lies(self, site: Site, position: Position, reader: Expr, world: World) -> tuple[bool, bool]:
        """Whether a site and what is read in a world meet in no row, and whether it comes after in every row."""
        run = self._run(site.address.model, world)
        if run is None:
            return False, False
        model = self.models[run.model]
        mine = self._places(site, site.position, run)
        if isinstance(reader, Site):
            theirs = self._places(reader, position, run)
        else:
            theirs = self.feeds.places(model, run, position, model.sites.readout_tower, None)
        pairs = [(a, b) for a, b in zip(mine, theirs, strict=True) if a and b]
        if not pairs or len(pairs) < len(mine):
            return False, False
        return all(set(a).isdisjoint(b) for a, b in pairs), all(min(a) > max(b) for a, b in pairs)

    def _places(self, site: Site, position: Position, run: Run) -> Places:
        model = self.models[run.model]
        try:
            info = model.sites.info(site.address)
        except AddressError:
            return [None] * self.data.n
        return self.feeds.site_places(model, run, info, position, None)

    def _run(self, name: str, world: World) -> Run | None:
        """A world of a model as its feeds see it; `None` where what it is fed is a text that is yet to be written."""
        if (name, world) not in self._runs:
            own = [a for a in world.assignments if isinstance(a.target, Input) and a.target.model == name]
            known = all(isinstance(a.value, Column | Text) for a in own)
            made = Run(name, world, tuple(a.target for a in own), tuple(a.value for a in own), (), (), 0, 0)
            self._runs[name, world] = made if known else None
        return self._runs[name, world]

    def _count(self, query: Query, stands: list[tuple[Site, World]]) -> int:
        """How many positions the prompts have that a question goes through."""
        lengths: dict[int, int] = {}
        for site, world in stands:
            run = self._run(site.address.model, world)
            places: Places = [None] if run is None else self._places(site, ALL, run)
            for i, at in enumerate(places):
                if at is not None:
                    lengths.setdefault(len(at), i)
        if len(lengths) == 1:
            return next(iter(lengths))
        site = stands[0][0]
        shown = ", ".join(map(str, sorted(lengths)[:_SHOWN])) + (" …" if len(lengths) > _SHOWN else "")
        rows = ", ".join(f"{n} in row {self.data.rows[i]}" for n, i in sorted(lengths.items())[:2])
        what = f"and these have {shown}: {rows}" if lengths else "and how many these have is not known before a pass"
        raise error(
            "CQ244",
            f"`@ each` needs prompts of one length, {what}",
            site.span or query.span,
            "positions do not align",
            help=(
                "go through places that every row has: `@ each [token(row.w), last]`",
                "or keep rows of one length: `where row.template = …` on the data",
            ),
        )

    def _tokens(self, stands: list[tuple[Site, World]], count: int) -> list[str | None]:
        """The token at each position, `None` where rows differ; empty where positions are no tokens."""
        plain = [(s, w) for s, w in stands if not any(isinstance(a.target, Input) for a in w.assignments)]
        site, world = (plain or stands)[0]
        model, run = self.models[site.address.model], self._run(site.address.model, world)
        info = model.sites.info(site.address)
        if run is None or info.stand == "projector" or model.sites.tower(info.stand).modality != "text":
            return []
        prompts = self.feeds.prompts(model, run, model.sites.channel(model.sites.tower(info.stand)))
        if prompts is None or any(p is None for p in prompts):
            return []
        out: list[str | None] = []
        for k in range(count):
            ids = {p.ids[k] for p in prompts if p is not None}
            out.append(model.tokenizer.decode([ids.pop()]) if len(ids) == 1 else None)
        return out


def _stand(e: Expr, world: World) -> Iterator[tuple[Site, World]]:
    """The sites that go through positions, each with the worlds that it is read or assigned in."""
    if isinstance(e, Site):
        if e.position.kind == "each":
            yield e, world
        return
    inside = FACTUAL if isinstance(e, Statistic) else world_in(e)
    if inside is not None:
        world = inside
        for a in inside.assignments:
            yield from _stand(a.target, inside)
            yield from _stand(a.value, inside)
    for child in children(e):
        yield from _stand(child, world)


def _at(query: Query, site: Site, k: int, token: str | None) -> Query:
    """A query at its `k`-th position."""
    position = Position("index", index=k)
    axes: list[tuple[tuple[str, str], Expr]] = []
    found = False
    for (name, said), member in zip(query.at, query.members, strict=True):
        made = at_position(member, position)
        found = found or made != member
        axes.append(((name, said if made == member else render(made)), made))
    if not found:
        axes.append((("position", str(k)), replace(site, position=position)))
    if token is not None:
        axes.append(((SEEN, quoted(token)), Text(token)))
    return replace(
        query,
        expr=at_position(query.expr, position),
        at=tuple(a for a, _ in axes),
        members=tuple(m for _, m in axes),
    )
