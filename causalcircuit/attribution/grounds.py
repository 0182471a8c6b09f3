"""Where the nodes of a question stand in its rows: positions resolved in both worlds, `@ each` as its positions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor

from causalcircuit.attribution.passes import Recorded, Rows
from causalcircuit.diagnostics import error
from causalcircuit.engine.feeds import Feeds, Places
from causalcircuit.engine.problems import Problems
from causalcircuit.models import NEW
from causalcircuit.query import ALL, Address, Part, Position, Site, SiteInfo, World, render


class Grounds:
    """The positions of nodes, row by row."""

    def __init__(self, rows: Rows) -> None:
        """Of the rows of a question."""
        self.rows = rows
        self._places: dict[tuple[World, str, Position], Places] = {}
        self._feeds: dict[World, tuple[Feeds, Problems]] = {}

    def spread(self, sites: Sequence[Site]) -> tuple[Site, ...]:
        """The same sites, with `@ each` as positions one by one; all of them stand in both worlds.

        Raises:
            DiagnosticError: CQ244, rows of different lengths; CQ789, a position that is generated, or that stands
                elsewhere in `to` than in `from`; what is wrong with positions on these rows.
        """
        found = tuple(dict.fromkeys(s for site in sites for s in self._each(site)))
        for site in found:
            self._check(site)
        return found

    def info(self, site: Site) -> SiteInfo:
        """What is known of a site."""
        return self.rows.model.sites.info(site.address)

    def places(self, world: World, info: SiteInfo, position: Position) -> Places:
        """Of each row the positions of a site in a world.

        Raises:
            DiagnosticError: they cannot be found on these rows.
        """
        key = (world, info.stand, position)
        if key not in self._places:
            if world not in self._feeds:
                data, donor = self.rows.data, world.donor
                data = data if donor is None else data.take(self.rows.prepared.donors[donor])
                self._feeds[world] = Feeds(data, problems := Problems(data)), problems
            feeds, problems = self._feeds[world]
            run = self.rows.plan.runs[self.rows.index[world]]
            self._places[key] = feeds.site_places(self.rows.model, run, info, position, None)
            problems.raise_all()
        return self._places[key]

    @cached_property
    def answered(self) -> bool:
        """Whether some texts are longer than their prompts, by the tokens of answers."""
        setup = self.rows.prepared.setups[self.rows.index[self.rows.question.start]]
        return any(any(setup.continuations[row]) for row in range(self.rows.data.n))

    def mask(self, stand: str, position: Position, here: Recorded) -> Tensor:
        """[places] whether a place of a pass belongs to a position of its row, what is padded or answered left out."""
        question = self.rows.question
        info = self._any(stand) if stand != "projector" else self._projected()
        found = self.places(question.start, info, position)
        stream, owner = here.batch.streams[stand], here.owner[stand]
        out = torch.zeros(len(owner), dtype=torch.bool)
        for start in stream.starts:
            if start < len(owner):
                own = found[here.which[int(owner[start])]] or ()
                out[[start + p for p in own]] = True
        return out.to(owner.device)

    def meet(self, stand: str, one: Position, other: Position) -> bool:
        """Whether two positions that stand on the same share a place in some row."""
        if one == other or ALL in (one, other):
            return True
        start, info = self.rows.question.start, self._any(stand)
        both = zip(self.places(start, info, one), self.places(start, info, other), strict=True)
        return any(not set(a or ()).isdisjoint(b or ()) for a, b in both)

    def together(self, stand: str, positions: Collection[Position]) -> bool:
        """Whether some positions that stand on the same all share a place in some row; none stand for all places."""
        start, info = self.rows.question.start, self._any(stand)
        each = [self.places(start, info, p) for p in positions or (ALL,)]
        return any(set.intersection(*(set(own or ()) for own in row)) for row in zip(*each, strict=True))

    def _any(self, tower: str) -> SiteInfo:
        """Some site that stands on a tower."""
        lead = (Part(tower),) if tower else ()
        return self.rows.model.sites.info(Address(self.rows.question.model, (*lead, Part("embed"))))

    def _projected(self) -> SiteInfo:
        return self.rows.model.sites.info(Address(self.rows.question.model, (Part("projector"), Part("out"))))

    def _each(self, site: Site) -> Iterator[Site]:
        """`@ each` as its positions, one by one: patches and image tokens by their number, others by their place."""
        if site.position.kind != "each":
            yield site
            return
        if site.position.parts:
            yield from (Site(site.address, p) for p in site.position.parts)
            return
        info, question = self.info(site), self.rows.question
        places = [p for w in (question.start, question.end) for p in self.places(w, info, ALL)]
        counts = {len(p or ()): self.rows.data.rows[i % self.rows.data.n] for i, p in enumerate(places)}
        if len(counts) != 1:
            shown = ", ".join(f"{n} in row {row}" for n, row in sorted(counts.items())[:3])
            raise error(
                "CQ244",
                f"`{render(site)}` needs rows of one length, and these have {shown}",
                site.span,
                "positions do not align",
                help=(
                    "go through places that every row has: `@ each [token(row.w), last]`",
                    "or keep rows of one length: `where row.template = …` on the data",
                ),
            )
        count = next(iter(counts))
        shown_at = self._patches(info, count)
        for k in range(count):
            number = shown_at.get(k)
            yield Site(site.address, Position("index", index=k) if number is None else Position("image", index=number))

    def _patches(self, info: SiteInfo, count: int) -> dict[int, int]:
        """The number of the patch, or image token, at a place, where all rows have it there."""
        if not self.rows.model.sites.stands_on(info)[1]:
            return {}
        out: dict[int, int] = {}
        run = self.rows.plan.runs[self.rows.index[self.rows.question.start]]
        problems = Problems(self.rows.data)
        feeds = Feeds(self.rows.data, problems)
        for k in range(count):
            position = Position("image", index=k)
            found = feeds.site_places(self.rows.model, run, info, position, None)
            at = {p for p in found if p is not None}
            if problems.any or len(at) != 1:
                break
            out[next(iter(at))[0]] = k
        return out

    def _check(self, site: Site) -> None:
        info, question = self.info(site), self.rows.question
        both = [self.places(w, info, site.position) for w in (question.start, question.end)]
        for row, one, other in zip(self.rows.data.rows, *both, strict=True):
            if NEW in (one or ()):
                raise error(
                    "CQ789",
                    f"`{render(site)}` stands on a text that is yet to be written: no wire leaves it",
                    site.span,
                    help="name positions of the prompt: `@ last`, `@ token(row.w)`, `@ all`",
                )
            if one != other and site.position != ALL:
                raise error(
                    "CQ789",
                    f"in row {row} `{render(site)}` is {_shown(one)} in `from` and {_shown(other)} in `to`",
                    site.span,
                    help=(
                        "pair inputs in which it stands at the same place",
                        "or leave such rows out with `where`",
                    ),
                )


def _shown(places: Sequence[int] | None) -> str:
    return f"at {', '.join(map(str, places))}" if places else "nowhere"
