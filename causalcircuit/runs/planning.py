"""`cq plan`: what a program will cost, from config, tokenizer and data, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import causalcircuit.rows as rows
from causalcircuit.check import queries_of, sites
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, error, warning
from causalcircuit.query import Command, DataRef, Estimation, ModelRef, Program, Site, render, unit_of, walk
from causalcircuit.query.discovery import Discovering
from causalcircuit.query.forecast import Cost, DataForecast, Forecast, ModelForecast, Question
from causalcircuit.query.plan import Plan
from causalcircuit.query.regimes import Observing
from causalcircuit.runs.circuit_plans import planned_circuits
from causalcircuit.runs.observed_plans import discovery_question, observed_questions
from causalcircuit.runs.powers import check_power, unknown_power
from causalcircuit.runs.progress import Progress
from causalcircuit.runs.rewiring import split
from causalcircuit.runs.rewiring_plans import rewired_notes
from causalcircuit.runs.spread import spread
from causalcircuit.runs.symbols import symbols
from causalcircuit.runs.widths import GROUPED, REWIRED, UNKNOWN, Outlook
from causalcircuit.runs.worlds import worlds_of

if TYPE_CHECKING:
    from causalcircuit.engine import Prepared
    from causalcircuit.engine.cost.predict import PlanCost
    from causalcircuit.engine.cost.seconds import Rates
    from causalcircuit.engine.schedule import How
    from causalcircuit.models import LoadedModel

_WHY = "every world is run on the model itself, so that nothing has to be identified from observed data"
_REGIONS = ("image", "inside", "outside")


@dataclass(frozen=True, slots=True)
class PlanWishes:
    """How a plan is to be made.

    Attributes:
        how: whether passes share what they have in common. limit: bytes that weights and passes may take.
        pilot: so many rows are run for the width of intervals; 0 for none.
        analyze: everything is run, and what was predicted is held against it.
        power: the chance of a verdict for which units are counted; `None`: power is not asked for.
    """

    how: How = "full"
    limit: int | None = None
    pilot: int = 0
    analyze: bool = False
    power: float | None = None


@dataclass(slots=True, eq=False)
class Planned:
    """All that is asked of one data set: prepared on sketches of its models."""

    ref: DataRef
    asked: list[Command]
    data: rows.Dataset
    plan: Plan
    ready: Prepared


@dataclass(slots=True, eq=False)
class Sketches:
    """Models as far as a plan needs them: without weights, unless something is known only by running them."""

    known: dict[ModelRef, LoadedModel] = field(default_factory=dict)
    loaded: dict[ModelRef, LoadedModel] = field(default_factory=dict)
    remarks: list[Diagnostic] = field(default_factory=list)

    def of(self, ref: ModelRef, needed: str = "") -> LoadedModel:
        """A model; loaded where `needed` says what only its weights show."""
        if ref.net is not None or needed:
            return self.load(ref, needed)
        if ref not in self.known:
            from causalcircuit.models import sketch

            self.known[ref] = sketch(ref)
        return self.known[ref]

    def load(self, ref: ModelRef, needed: str = "") -> LoadedModel:
        """The model itself.

        Raises:
            DiagnosticError: CQ762, it is needed for the plan and does not load; else as of `load`.
        """
        if ref not in self.loaded:
            from causalcircuit.models import load

            try:
                self.loaded[ref] = load(ref)
            except DiagnosticError as problem:
                if not needed:
                    raise
                raise error(
                    "CQ762",
                    f"`{ref.name}` cannot be planned without its weights: {needed}",
                    ref.span,
                    "this model",
                    help=(problem.diagnostics[0].message, "leave such positions and modules out of what is planned"),
                ) from None
        return self.loaded[ref]


def plan_program(program: Program, wishes: PlanWishes, progress: Progress | None = None) -> Forecast:
    """Say what answering a program's questions will cost.

    Args:
        program: from `check`. wishes: how. progress: hears how far a pilot, or the run that is analysed, is.

    Raises:
        AfterPass: something went wrong in a pilot or a run.
        DiagnosticError: something is wrong with the program, its models or data; CQ761, the limit holds no row;
            CQ762, a plan that needs weights which are not there; CQ763, a pilot of too few rows; CQ945, a power that
            is none.
    """
    check_power(wishes.power)
    if wishes.pilot and wishes.pilot < 2:
        raise error(
            "CQ763", f"a pilot of {wishes.pilot} says nothing of how rows vary", help="`--pilot 20` runs 20 rows"
        )
    from causalcircuit.engine.cost.calibration import machine, threads
    from causalcircuit.engine.cost.limit import USUAL, positions_for
    from causalcircuit.engine.cost.predict import predict

    sketches = Sketches()
    commands, remarks = spread(program.commands, program, lambda name: sketches.of(program.models[name]))
    planned = _planned(commands, program, sketches)
    positions = USUAL if wishes.limit is None else positions_for([p.ready for p in planned], wishes.limit)
    circuits = planned_circuits(program, sketches.of, rates_of, wishes.limit)
    rates, models = _rates(planned, circuits.models)
    outlook = Outlook(program, sketches, wishes, positions)
    data: list[DataForecast] = []
    for each in planned:
        cost = predict(each.ready, positions, wishes.how, rates)
        data.append(_forecast(each, program, cost, outlook, progress, wishes))
    notes = [*program.warnings, *remarks, *(n for p in planned for n in p.ready.notes), *sketches.remarks]
    notes += circuits.notes
    notes += [_unplanned_maps(program)] if program.maps else []
    notes += rewired_notes(commands, program, sketches.of)
    return Forecast(
        models,
        tuple(data),
        wishes.how,
        positions,
        wishes.limit,
        machine(),
        threads(),
        tuple(dict.fromkeys(notes)),
        program.comments,
        tuple(circuits.found),
    )


def _unplanned_maps(program: Program) -> Diagnostic:
    """What is said of heat maps over images and texts."""
    first = program.maps[0]
    way = "each row takes a forward and a backward pass, and a second forward one in the signed form"
    return warning("CQ266", f"what it takes to draw `{first.name}` is not planned", first.span, help=way)


def _planned(commands: Iterable[Command], program: Program, sketches: Sketches) -> list[Planned]:
    """Every data set with its plan prepared; all problems are raised at once."""
    from causalcircuit.engine import prepare
    from causalcircuit.engine.plan import make_plan

    groups: dict[DataRef, list[Command]] = {}
    for command in commands:
        groups.setdefault(command.data, []).append(command)
    out: list[Planned] = []
    problems: list[Diagnostic] = []
    for ref, asked in groups.items():
        try:
            data = rows.load(ref)
            cells, _ = split([q.expr for c in asked for q in queries_of(c)])
            plan = make_plan(cells, data, {name: sites(ref) for name, ref in program.models.items()})
            needed = _needed(plan)
            models = {n: sketches.of(program.models[n], needed.get(n, "")) for n in plan.models}
            out.append(Planned(ref, asked, data, plan, prepare(plan, models, data)))
        except DiagnosticError as problem:
            problems.extend(d.at(asked[0].span) for d in problem.diagnostics)
    DiagnosticError.raise_if(problems)
    return out


def _needed(plan: Plan) -> dict[str, str]:
    """What of each model shows only when it runs."""
    out: dict[str, str] = {}
    for each in (plan, *plan.elsewhere):
        for run in each.runs:
            for part in (*run.targets, *run.values, *run.reads):
                for e in walk(part):
                    if isinstance(e, Site) and e.address.module is not None:
                        out.setdefault(e.address.model, f"where `{e.address}` stands shows in a pass only")
                    elif isinstance(e, Site) and e.position.kind in _REGIONS:
                        what = f"which patches are meant by `@ {e.position}` shows in a pass only"
                        out.setdefault(e.address.model, what)
    return out


def rates_of(model: LoadedModel) -> Rates:
    """How fast a model runs here."""
    from causalcircuit.engine.cost.calibration import calibrated

    return calibrated(model.ref.device, model.dtype)


def _rates(
    planned: Iterable[Planned], more: Mapping[str, LoadedModel]
) -> tuple[dict[str, Rates], tuple[ModelForecast, ...]]:
    """How fast each model runs here, and what is to be said of it."""
    from causalcircuit.engine.cost.dims import dims_of

    rates: dict[str, Rates] = {}
    models: list[ModelForecast] = []
    for name, model in {**{n: m for p in planned for n, m in p.ready.models.items()}, **more}.items():
        found = rates_of(model)
        rates[name] = found
        towers = tuple(
            f"{t.name or 'text'}: {t.layers} layers of {t.heads} heads, width {t.width}" for t in model.sites.towers
        )
        models.append(
            ModelForecast(
                name,
                model.ref.source,
                model.sites.family,
                model.ref.dtype,
                model.ref.device,
                towers,
                dims_of(model).weights,
                model.sketched,
                not found.guessed,
            )
        )
    return rates, tuple(models)


def _forecast(
    each: Planned,
    program: Program,
    cost: PlanCost,
    outlook: Outlook,
    progress: Progress | None,
    wishes: PlanWishes,
) -> DataForecast:
    """What is to be said of one data set."""
    from causalcircuit.engine.plan import make_plan

    found = outlook.of(each, progress)
    questions: list[Question] = []
    for command in each.asked:
        if isinstance(command, Observing):
            questions += observed_questions(command, program.names)
        if isinstance(command, Discovering):
            questions.append(discovery_question(command))
            continue
        of_models = command.interventions if isinstance(command, Observing) else queries_of(command)
        for number, query in enumerate(of_models):
            plain, others = split([query.expr])
            own = make_plan(plain, each.data, {n: sites(ref) for n, ref in program.models.items()})
            text, where = symbols(query.expr, program.names)
            key = (id(command), query)
            per = command.per if isinstance(command, Estimation) else None
            at = query.at if per is None else (*query.at, (render(per), f"per {render(per)}"))
            width = GROUPED if per is not None else REWIRED if others else found.widths.get(key, UNKNOWN)
            power = found.powers.get((id(command), number))
            if power is None and wishes.power is not None:
                power = unknown_power(command, number, query, each.data, wishes.power, width.why)
            questions.append(
                Question(
                    query.name,
                    text,
                    where,
                    render(query.expr),
                    at,
                    query.regime,
                    _WHY,
                    len(own.runs) + len({c.world for c in others}),
                    unit_of(query.expr),
                    command.options.level,
                    width,
                    found.actual.get(key),
                    power,
                )
            )
    labels = rows.clusters(each.data)
    clusters = None if labels is None else len(set(labels))
    return DataForecast(
        each.ref.label,
        each.data.n,
        clusters,
        found.stored,
        tuple(questions),
        tuple(worlds_of(each.ready, cost, program.names)),
        Cost(
            cost.passes,
            cost.row_passes,
            cost.flops.total,
            cost.flops.attention,
            cost.flops.unembedding,
            cost.seconds,
            cost.weights,
            cost.activations,
            cost.kept,
            cost.memory,
        ),
        cost.most,
        found.cost,
    )
