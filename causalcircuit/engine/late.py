"""Worlds that are fed what a model writes: `do(judge.input = (m.text(tokens = 20) | w))`.

Their prompts, and what stands on them, are known once the text is written. Until then a setup waits with nothing at
those places; `fed` fills them in for the rows of a pass, as `prepare` does for others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, overload

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine.batches import Slot
from causalcircuit.engine.feeds import Feeds, Places
from causalcircuit.engine.lasting import check_room, check_writes
from causalcircuit.engine.overlaps import in_order
from causalcircuit.engine.prepared import Positions, Prepared, Setup, awaited
from causalcircuit.engine.problems import Problems
from causalcircuit.engine.reads import Reads
from causalcircuit.models import LoadedModel, Prompt, RowError, check_tokens
from causalcircuit.query import Counterfactual, Distribution, Expr, Output, Position, SiteInfo, is_text, render
from causalcircuit.query.plan import Run

T = TypeVar("T")

_ONE = ("last", "first", "index", "token")
"""Positions that are one in every text that has them."""


class ByRow(Sequence[T]):
    """What some rows of the data have, by the rows' places."""

    def __init__(self, rows: Sequence[int], values: Sequence[T]) -> None:
        """`values` of `rows`."""
        self._values = dict(zip(rows, values, strict=True))

    @overload
    def __getitem__(self, row: int) -> T: ...

    @overload
    def __getitem__(self, row: slice) -> Sequence[T]: ...

    def __getitem__(self, row: int | slice) -> T | Sequence[T]:
        if isinstance(row, slice):
            raise TypeError("rows are taken one by one")
        return self._values[row]

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[T]:
        return iter(self._values.values())


@dataclass(frozen=True, slots=True)
class Unknown:
    """Numbers of positions that a text decides: one negative number for each place on each text."""

    known: dict[tuple[str, str, Position, tuple[Expr, ...]], int] = field(default_factory=dict)

    def count(self, model: LoadedModel, run: Run, info: SiteInfo, position: Position) -> int:
        """The number that stands for the positions of a site; 1 where it has one in any text."""
        if position.kind in _ONE:
            return 1
        texts = tuple(v for v in run.values if is_text(v))
        key = (model.ref.name, info.stand, position, texts)
        return self.known.setdefault(key, -1 - len(self.known))


def waiting(setup: Setup, rows: int) -> Setup:
    """A setup whose prompts are not written yet: answers and values are known, places are not."""
    nowhere: Positions = ((),) * rows
    return replace(
        setup,
        prompts=setup.prompts or None,
        sources=setup.sources or None,
        continuations=dict(enumerate(setup.continuations)) if isinstance(setup.continuations, tuple) else {},
        edits=tuple(replace(e, positions=nowhere) for e in setup.edits),
        naturals=dict.fromkeys(setup.naturals, nowhere),
        sites=tuple(replace(s, positions=nowhere) for s in setup.sites),
        readouts=tuple(replace(r, positions=(0,) * rows) for r in setup.readouts),
    )


def fed(slot: Slot, reads: Reads, prepared: Prepared) -> Slot:
    """A slot whose rows read what was written for them; any other slot as it is.

    Args:
        slot: rows of a world. reads: what the chunk has read and written so far. prepared: the plan that they are of.

    Raises:
        DiagnosticError: what is wrong with the texts of these rows: CQ528 (none, or too long), CQ488, CQ509 to CQ526
            (positions that they have not).
    """
    setup = slot.setup
    if not awaited(setup.run):
        return slot
    donor = setup.run.world.donor
    own = prepared.data.take(slot.rows if donor is None else [prepared.donors[donor][row] for row in slot.rows])
    problems = Problems(own, prepared.data.n)

    def said(leaf: Counterfactual) -> list[str]:
        return [text.text for text in reads.texts(leaf)[slot.low : slot.low + own.n]]

    try:
        return replace(slot, setup=_filled(setup, slot.rows, Feeds(own, problems, said), problems))
    except DiagnosticError as found:
        raise DiagnosticError(*(replace(d, help=(*d.help, _note(setup.run))) for d in found.diagnostics)) from None


def _filled(setup: Setup, rows: Sequence[int], feeds: Feeds, problems: Problems) -> Setup:
    """The setup with all that stands on the texts, for `rows`.

    Raises:
        DiagnosticError: all that is wrong with them.
    """
    run, model = setup.run, setup.model
    prompts = feeds.prompts(model, run)
    channel = model.source_channel
    sources = None if channel is None else feeds.prompts(model, run, channel)
    for i, row in enumerate(rows):
        prompt = None if prompts is None else prompts[i]
        if prompt is not None:
            with problems.at(i):
                for c in setup.continuations[row]:
                    check_tokens(model, [*prompt.ids, *c])
    with problems.keep():
        check_writes(run, model, prompts)
    check_room(run, model, prompts, problems)
    problems.raise_all()

    def places(info: SiteInfo, position: Position, of: Expr) -> Positions:
        return _whole(feeds.site_places(model, run, info, position, of.span))

    def one(readout: Output, at: Position) -> Sequence[int]:
        return ByRow(rows, one_place(feeds, run, model, readout, at) or (0,) * len(rows))

    edits = [replace(e, positions=places(e.info, e.site.position, e.site)) for e in setup.edits]
    infos = {e.site.address: e.info for e in setup.edits}
    naturals = {s: ByRow(rows, places(infos[s.address], s.position, s)) for s in setup.naturals}
    sites = [replace(s, positions=ByRow(rows, places(s.info, s.site.position, s.site))) for s in setup.sites]
    readouts = [replace(r, positions=one(r.readout, r.readout.position)) for r in setup.readouts]
    outputs = [
        replace(o, places=one(o.output, o.output.position))
        if isinstance(o.output, Distribution) and o.output.position is not None
        else o
        for o in setup.outputs
    ]
    problems.raise_all()
    edits = in_order(edits, problems)
    problems.raise_all()
    return replace(
        setup,
        prompts=_by_row(rows, prompts),
        sources=_by_row(rows, sources),
        edits=tuple(replace(e, positions=ByRow(rows, e.positions)) for e in edits),
        naturals=naturals,
        sites=tuple(sites),
        readouts=tuple(readouts),
        outputs=tuple(outputs),
    )


def _by_row(rows: Sequence[int], prompts: Sequence[Prompt | None] | None) -> Sequence[Prompt] | None:
    return None if prompts is None else ByRow(rows, [p for p in prompts if p is not None])


def _whole(places: Places) -> Positions:
    """Positions row by row; none in rows that have a problem, which is raised before they are used."""
    return tuple(p or () for p in places)


def one_place(feeds: Feeds, run: Run, model: LoadedModel, readout: Output, at: Position) -> tuple[int, ...] | None:
    """The position of each row that an output is read from; `None` where something is wrong (problems are kept)."""
    places = feeds.places(model, run, at, model.sites.readout_tower, readout.span)
    for i, p in enumerate(places):
        if p is not None and len(p) != 1:
            problem = RowError(
                "CQ526", f"`{render(readout)}` reads one position", f"{len(p)} positions", "read it `@ last`"
            )
            feeds.problems.row(problem, i, readout.span)
    found = tuple(p[0] for p in places if p is not None and len(p) == 1)
    return found if len(found) == len(places) else None


def _note(run: Run) -> str:
    """Which text a problem is one of."""
    texts = [f"`{render(t)}` is `{render(v)}` here" for t, v in zip(run.targets, run.values, strict=True) if is_text(v)]
    return f"{'; '.join(texts)}: its tokens are known once it is written"
