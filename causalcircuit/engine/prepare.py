"""Everything that can be known before a forward pass, checked; all problems are raised at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from causalcircuit.diagnostics import error
from causalcircuit.engine.answers import Answers
from causalcircuit.engine.donors import OfDonors, donors_of
from causalcircuit.engine.endings import check_endings, stands
from causalcircuit.engine.explained import unexplained
from causalcircuit.engine.feeds import Feeds, Places
from causalcircuit.engine.formulas import bare_sites, said_in
from causalcircuit.engine.functions import load_functions
from causalcircuit.engine.lasting import beside_generate, check_lasting, check_read, check_room, check_writes, unknown
from causalcircuit.engine.late import Unknown, one_place, waiting
from causalcircuit.engine.modules import with_named
from causalcircuit.engine.outputs import check_divergences, class_read, size
from causalcircuit.engine.overlaps import in_order
from causalcircuit.engine.prepared import (
    Edit,
    OutputRead,
    Positions,
    Prepared,
    ReadoutRead,
    Setup,
    SiteRead,
    Spelling,
    awaited,
)
from causalcircuit.engine.problems import Problems
from causalcircuit.engine.shapes import Counts, Shape, Shapes, counted
from causalcircuit.models import LoadedModel, assure
from causalcircuit.query import (
    AddressError,
    ClassScore,
    Counterfactual,
    Distribution,
    Draw,
    Expr,
    Output,
    Position,
    Readout,
    Site,
    SiteInfo,
    Wire,
    draws_in,
    is_text,
    render,
)
from causalcircuit.query.plan import Plan, Run
from causalcircuit.query.wiring import end_of
from causalcircuit.rows import Dataset, load

T = TypeVar("T")


def prepare(plan: Plan, models: Mapping[str, LoadedModel], data: Dataset) -> Prepared:
    """Resolve feeds, positions and answers of all rows in all worlds.

    Args:
        plan: from `make_plan` on the same data.
        models: by declared name, loaded.
        data: the rows.

    Raises:
        DiagnosticError: everything that is wrong: CQ305 (a world that nothing feeds), CQ351 (assignments that
            overlap), CQ353, CQ451 to CQ454 (images, feeds, numbers), CQ504 to CQ506 (sites), CQ508 to CQ513
            (answers, positions), CQ516 to CQ528 (positions and prompts).
    """
    given, models = models, with_named(plan, models)
    work = _Work(plan, models, data)
    with work.problems.keep():
        _check_rows(data)
    for other in plan.elsewhere:
        with work.problems.keep():
            work.elsewhere.append(prepare(other, given, load(other.data)))
    work.draw()
    setups = [work.setup(run) for run in plan.runs]
    work.assigned(setups)
    check_endings(plan.endings, (s for s in setups if s is not None), work.ends, work.problems)
    found: dict[Expr, Shape] = {}
    for formula in (*plan.formulas, *(r.statistic for r in plan.references)):
        with work.problems.keep():
            found[formula] = work.shapes(None).of(formula)
    with work.problems.keep():
        check_divergences(plan.formulas, models)
        load_functions(plan.formulas)
    work.problems.raise_all()
    complete = tuple(cast(Setup, s) for s in setups)
    spellings = tuple(_spellings(plan, complete, lambda run: work.at(run).answers))
    shapes = {r.statistic: found[r.statistic] for r in plan.references}
    notes = [
        *work.at(None).feeds.notes(),
        *beside_generate(plan.runs, models),
        *(replace(n, where=n.where or o.data.ref.label) for o in work.elsewhere for n in o.notes),
    ]
    made = Prepared(plan, models, data, complete, spellings, shapes, tuple(work.elsewhere), tuple(notes), work.donors)
    return replace(made, notes=(*made.notes, *unexplained(made)))


def _check_rows(data: Dataset) -> None:
    """There are rows, and their weights weigh.

    Raises:
        DiagnosticError: CQ405 no rows, CQ454 weights that are no weights.
    """
    if data.n == 0:
        raise error("CQ405", f"the data `{data.ref.label}` has no rows", data.ref.span, help="widen the selection")
    weight = data.ref.weight
    if weight is not None:
        values = data.column(weight.name, weight.span)
        bad = [i for i, v in enumerate(values) if not isinstance(v, int | float) or not 0 <= v < math.inf]
        if bad or not sum(values):
            raise error(
                "CQ454",
                f"`row.{weight.name}` does not weigh rows: "
                + (f"row {data.rows[bad[0]]} has {values[bad[0]]!r}" if bad else "all weights are 0"),
                weight.span or data.ref.span,
                help="weights are finite numbers of 0 and more, some of them above 0",
            )


_CODES = {"layer": "CQ504", "head": "CQ505", "neuron": "CQ505", "expert": "CQ505", "feature": "CQ505", "name": "CQ506"}


class _View:
    """Some rows, with what feeds models on them and their answers."""

    def __init__(self, data: Dataset, problems: Problems) -> None:
        self.data, self.problems = data, problems
        self.feeds, self.answers = Feeds(data, problems), Answers(data, problems)


class _Work:
    """The state of one preparation."""

    def __init__(self, plan: Plan, models: Mapping[str, LoadedModel], data: Dataset) -> None:
        self.plan, self.models, self.data = plan, models, data
        self.problems = Problems(data)
        self._views: dict[Draw | None, _View] = {None: _View(data, self.problems)}
        self.donors: dict[Draw, tuple[int, ...]] = {}
        self.index = {(r.model, r.world): r for r in plan.runs if r.said is None}
        self.elsewhere: list[Prepared] = []
        self.unknown = Unknown()
        self._common: dict[int, tuple[Sequence[Any], tuple[Any, ...]]] = {}
        self._places: dict[tuple[int, ...], tuple[int, ...]] = {}

    def at(self, run: Run | None) -> _View:
        """The rows that a world runs on: those of the data, or their donors."""
        return self._views[None if run is None else run.world.donor]

    def draw(self) -> None:
        """Find the donors of all draws.

        Raises:
            DiagnosticError: CQ361, a row has none; CQ402, the data lack a column.
        """
        read = (*self.plan.formulas, *(v for r in self.plan.runs for v in r.values))
        asked = [r.world.donor for r in self.plan.runs] + [d for e in read for d in draws_in(e)]
        for draw in dict.fromkeys(asked):
            if draw is not None and self.data.n:
                places = None
                with self.problems.keep():
                    places = donors_of(draw, self.data, self.problems)
                self.problems.raise_all()
                if places is not None:
                    self.donors[draw] = places
                    self._views[draw] = _View(self.data.take(places), OfDonors(self.problems, places))

    def setup(self, run: Run) -> Setup | None:
        """One world, or `None` where something is wrong in it."""
        model = self.models[run.model]
        prompts, images = self.at(run).feeds.prompts(model, run), self.at(run).feeds.images(model, run)
        channel = model.source_channel
        sources = None if channel is None else self.at(run).feeds.prompts(model, run, channel)
        edits = self._edits(run, model)
        sites = [s for r in run.reads if isinstance(r, Site) and (s := self._site(run, model, r)) is not None]
        reads = [
            read for r in run.reads if isinstance(r, Readout) and (read := self._readout(run, model, r)) is not None
        ]
        outputs = [o for r in run.reads if isinstance(r, Output) and (o := self._output(run, model, r)) is not None]
        continuations = self.at(run).answers.continuations(model, prompts, reads)
        with self.problems.keep():
            check_writes(run, model, prompts)
        check_room(run, model, prompts, self.at(run).problems)
        if self.problems.any:
            return None
        made = Setup(
            run,
            model,
            None if prompts is None else self._complete(prompts),
            None if sources is None else self._complete(sources),
            None if images is None else self._complete(images),
            continuations,
            tuple(edits),
            {bare: self._positions(run, model, bare) for e in edits for bare in bare_sites(e.value)},
            tuple(sites),
            tuple(reads),
            tuple(outputs),
        )
        return waiting(made, self.data.n) if awaited(run) else made

    def shapes(self, run: Run | None) -> Shapes:
        """Shapes of values; a bare site is one of `run`."""

        def look(leaf: Site | Counterfactual) -> tuple[int, Counts] | None:
            own = run if isinstance(leaf, Site) else None
            site = leaf if isinstance(leaf, Site) else leaf.value
            if isinstance(site, Distribution):
                return size(self.models[site.model]), (1,) * self.data.n
            if isinstance(site, Output):
                return None
            if not isinstance(site, Site):
                raise TypeError(f"{render(leaf)} is no read")  # formulas have sites and readouts at their leaves
            if own is None:
                own = self.index[site.address.model, cast(Counterfactual, leaf).world]
            model = self.models[own.model]
            info = self.info(model, site)
            return info.width, self._counts(model, own, info, site)

        return Shapes(
            self.data, self.problems, look, {m: s for other in self.elsewhere for m, s in other.shapes.items()}
        )

    def _counts(self, model: LoadedModel, run: Run, info: SiteInfo, site: Site) -> Counts:
        """How many positions a site has in each row, as far as that is known before the run."""
        places = self.at(run).feeds.site_places(model, run, info, site.position, site.span)
        if not (awaited(run) and None in places):
            return counted(places)
        return (self.unknown.count(model, run, info, site.position),) * self.data.n

    def info(self, model: LoadedModel, site: Site) -> SiteInfo:
        """The tensor that a site indexes.

        Raises:
            DiagnosticError: CQ504 a layer, CQ505 a head or neuron, CQ506 a name that the model has not.
        """
        try:
            info = model.sites.info(site.address)
        except AddressError as problem:
            raise error(_CODES[problem.kind], str(problem), site.span, "no such site", help=_known(problem)) from None
        self._trusted(model, site, info)
        return info

    def _trusted(self, model: LoadedModel, site: Site, info: SiteInfo) -> None:
        """The site keeps the hook contract, as far as it is proven.

        Raises:
            DiagnosticError: CQ536.
        """
        if info.tensor in model.refused:
            raise error(
                "CQ536",
                f"`{render(site)}` does not keep the hook contract: {model.refused[info.tensor]}",
                site.span,
                "this site",
                help="its numbers could not be trusted; `cq sites` lists the sites of a model with their status",
            )

    def assigned(self, setups: Iterable[Setup | None]) -> None:
        """Prove every assignment that is not proven yet, before a number rests on it."""
        edits = [(s.model, e) for s in setups if s is not None for e in s.edits]
        for model in dict.fromkeys(m for m, _ in edits if not m.sketched):
            assure(model, dict.fromkeys(e.info.tensor for m, e in edits if m is model))
        for model, edit in edits:
            with self.problems.keep():
                self._trusted(model, edit.site, edit.info)

    def _edits(self, run: Run, model: LoadedModel) -> list[Edit]:
        edits: list[Edit] = []
        for target, value in zip(run.targets, run.values, strict=True):
            if isinstance(target, Site):
                with self.problems.keep():
                    info = self.info(model, target)
                    places = self.at(run).feeds.site_places(model, run, info, target.position, target.span)
                    self._fits(info, places, value, run, target)
                    if awaited(run) or all(p is not None for p in places):
                        edits.append(Edit(target, info, self._complete(places), value))
        return in_order(edits, self.problems)

    def _fits(self, info: SiteInfo, places: Places, value: Expr, run: Run, target: Site) -> None:
        """The value has the shape of its target, or is one number, or one vector for all positions."""
        shapes = self.shapes(run)
        if target.position.new:
            if info.stand != self.models[run.model].sites.readout_tower.name:
                raise error(
                    "CQ483",
                    f"`{render(target)}` has no generated positions: it stands on what the model reads",
                    target.span,
                    help="use `@ all` here",
                )
            check_lasting(value, target, info.width, shapes)
            return
        shape = shapes.of(value)
        here = Shape(info.width, self._counts(self.models[run.model], run, info, target))
        if shape.scalar:
            return
        if shape.width != info.width:
            raise error(
                "CQ353",
                f"`{render(target)}` has {info.width} components, its value `{render(value)}` has {shape.width}",
                value.span or target.span,
                help="assign a value of the same width, a number, or a mean of the same site",
            )
        if shape.counts is not None and here.counts is not None:
            shapes.aligned(here.counts, shape.counts, value if value.span is not None else target)

    def ends(self, run: Run, what: Site | Wire) -> Places | None:
        """The places of a site; of a wire, those where it ends, if they are comparable with those where it starts."""
        model = self.models[run.model]
        if isinstance(what, Site):
            return self.at(run).feeds.site_places(model, run, self.info(model, what), what.position, what.span)
        end = end_of(model.sites, what.target)
        if end.position is None or not stands(model.sites, what):
            return None
        if end.site is None:
            return self.at(run).feeds.places(model, run, end.position, model.sites.readout_tower, what.span)
        return self.at(run).feeds.site_places(model, run, end.site, end.position, what.span)

    def _positions(self, run: Run, model: LoadedModel, site: Site) -> Positions:
        info = self.info(model, site)
        return self._complete(self.at(run).feeds.site_places(model, run, info, site.position, site.span))

    def _site(self, run: Run, model: LoadedModel, site: Site) -> SiteRead | None:
        with self.problems.keep():
            info = self.info(model, site)
            check_read(site)
            places = self.at(run).feeds.site_places(model, run, info, site.position, site.span)
            if awaited(run) or all(p is not None for p in places):
                return SiteRead(site, info, self._complete(places))
        return None

    def _output(self, run: Run, model: LoadedModel, output: Output) -> OutputRead | None:
        """An output that is no answer; `None` for those, and where something is wrong."""
        if isinstance(output, Readout):
            return None
        if isinstance(output, ClassScore):
            return class_read(output, model, self.at(run).data, self.at(run).problems)
        if not isinstance(output, Distribution) or output.position is None:
            return OutputRead(output, (0,) * self.data.n)
        places = self._one_place(run, model, output, output.position)
        return None if places is None else OutputRead(output, places)

    def _readout(self, run: Run, model: LoadedModel, readout: Readout) -> ReadoutRead | None:
        found = unknown(self.data.n) if is_text(readout.answer) else self.at(run).answers.of(model, readout)
        places = self._one_place(run, model, readout, readout.position)
        return None if found is None or places is None else ReadoutRead(readout, places, found)

    def _one_place(self, run: Run, model: LoadedModel, readout: Output, at: Position) -> tuple[int, ...] | None:
        """The position of each row that is read from."""
        found = () if awaited(run) else one_place(self.at(run).feeds, run, model, readout, at)
        return None if found is None else self._places.setdefault(found, found)

    def _complete(self, found: Sequence[T | None]) -> tuple[T, ...]:
        """What all rows have; worlds that are fed, or stand, alike hold the same object."""
        if id(found) not in self._common:
            self._common[id(found)] = found, tuple(x for x in found if x is not None)
        return self._common[id(found)][1]


def _known(problem: AddressError) -> str:
    if problem.known:
        return f"the model has {', '.join(problem.known[:14])}"
    return "layers, heads and neurons count from 0"


def _spellings(plan: Plan, setups: tuple[Setup, ...], answers: Callable[[Run], Answers]) -> Iterator[Spelling]:
    """For each readout of the table, its least-assigned world, where another spelling of its answers exists."""
    where: dict[Expr, Any] = {}
    for formula in plan.formulas:
        if isinstance(formula, Counterfactual) and isinstance(formula.value, Readout) and said_in(formula) is None:
            run = plan.run_of(formula.value.model, formula.world)
            size = len(plan.runs[run].targets)
            if formula.value not in where or size < where[formula.value][0]:
                where[formula.value] = (size, run)
    for readout, (_, run) in where.items():
        setup = setups[run]
        read = next(r for r in setup.readouts if r.readout == readout)
        for answer, other in answers(setup.run).other_spellings(setup.model, read):
            yield Spelling(run, read, answer, other)
