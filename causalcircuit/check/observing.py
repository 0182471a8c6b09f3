"""`estimate Q in G on d by …`: what a regime needs, and whether the diagram lets it answer. The same for Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from causalcircuit import causal
from causalcircuit.check.assign import assignable
from causalcircuit.check.identifying import diagram_of
from causalcircuit.check.modelled import modelled
from causalcircuit.check.terms import Terms, constant_of, terms_of
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Span, did_you_mean, error
from causalcircuit.query import (
    Applied,
    Assignment,
    Column,
    Counterfactual,
    DataRef,
    Draw,
    Expect,
    Expr,
    Generated,
    Graph,
    Input,
    Options,
    Output,
    Probability,
    Query,
    Site,
    Statistic,
    World,
    rebuild,
    unite,
    walk,
)
from causalcircuit.query.algebra import world_in
from causalcircuit.query.identification import Variable
from causalcircuit.query.regimes import INTERVENTION, OBSERVED, Observing, Regime, Wanted
from causalcircuit.query.structural import Fitted
from causalcircuit.rows import peek

_OF_MODELS = (Site, Output, Input, Generated, Applied, Statistic, Counterfactual)
METHODS = ("default", "basic")
"""How intervals of regimes are made: the jackknife's t, or a basic bootstrap of sampling units."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The options of a question that regimes answer; the spans are for messages, by option."""

    regimes: tuple[Regime, ...] = ()
    linear: bool = False
    bounds: str | None = None
    sensitivity: bool = False
    spans: Mapping[str, Span] | None = None

    def place(self, option: str, otherwise: Span | None) -> Span | None:
        """Where an option stands."""
        return (self.spans or {}).get(option, otherwise)


def observing(
    asked: Sequence[Query],
    graph: Graph,
    data: DataRef,
    options: Options,
    wishes: Wishes,
    comments: tuple[str, ...] = (),
    span: Span | None = None,
) -> Observing:
    """The command that answers estimands over a diagram by some regimes.

    Raises:
        DiagnosticError: CQ281, CQ282, CQ284 what the diagram lacks or nobody measures; CQ222 an unknown regime; CQ402
            a column that the data lack; CQ860 an effect that is not identified; CQ861 values that regimes cannot work
            with; CQ862 an instrument without `assume linear`; CQ863 a method that regimes do not have.
    """
    diagram = measured(graph)
    regimes, chosen = wishes.regimes, ""
    models = [r.model for r in regimes if r.model is not None]
    for model in models:
        fits(model, graph, data, options, [q.expr for q in asked], wishes.place("by", span))
    # A fitted model is asked more than the regimes of rows are: values of other worlds, conditions in several.
    cut = [] if models and len(models) == len(regimes) else [terms_of(q.expr, graph, q.span or span) for q in asked]
    if not regimes:
        regimes, chosen = _choice(asked, cut, graph, diagram)
    _sound(options, regimes, wishes, span)
    needed: dict[str, None] = dict.fromkeys(v for v in diagram.observed if models)
    for regime in (r for r in regimes if r.model is None):
        for query, terms in zip(asked, cut, strict=True):
            for w in terms.wanted:
                own = (*w.of, *w.do, *w.given)
                if regime.name == INTERVENTION:
                    continue
                needed.update(dict.fromkeys((*own, *_read_by(regime, w, query, graph, diagram, wishes))))
    interventions: tuple[Query, ...] = ()
    if any(r.name == INTERVENTION for r in regimes):
        interventions = tuple(replace(q, expr=run_in_model(q, graph)) for q in asked)
    nodes = tuple((name, value) for name, value in graph.nodes if name in needed)
    reads = tuple(name for name, value in nodes if of_model(value))
    demand_columns(nodes, data)
    factual = tuple(Query(name, Expect(value), span=span) for name, value in nodes if name in reads)
    return Observing(
        (*factual, *interventions),
        data,
        options,
        None,
        comments,
        span,
        tuple(asked),
        graph,
        regimes,
        chosen,
        nodes,
        reads,
        interventions,
        wishes.linear,
        wishes.bounds,
        wishes.sensitivity,
    )


def fits(
    model: Fitted, graph: Graph, data: DataRef, options: Options, asked: Sequence[Expr], span: Span | None
) -> None:
    """Whether a fitted model can be asked this.

    Raises:
        DiagnosticError: CQ281, CQ284, CQ888, what it is not asked; CQ887, resamples without a seed; CQ889, another
            diagram or other rows.
    """
    if model.graph != graph:
        way = f"ask `in {model.name}`, or fit a model of `{graph.name}`"
        raise error(
            "CQ889", f"`{model.name}` is a model of `{model.graph.name}`, not of `{graph.name}`", span, help=way
        )
    if model.data != data:
        way = f"ask `on {model.data.label}`, or fit another model to `{data.label}`"
        raise error(
            "CQ889", f"`{model.name}` was fitted to `{model.data.label}`, not to `{data.label}`", span, help=way
        )
    if model.mechanisms == "additive_noise" and model.seed is None and options.seed is None:
        raise error(
            "CQ887",
            "the interval of an additive-noise model comes from fitting it anew to resamples of rows",
            model.span or span,
            "without a seed",
            help="add `seed 7` to the fit",
        )
    for expr in asked:
        modelled(expr, graph, span)


def measured(graph: Graph) -> causal.Diagram:
    """The diagram with all that nothing measures as latent."""
    unbound = frozenset(name for name, value in graph.nodes if isinstance(value, Variable))
    drawn = diagram_of(graph)
    return replace(drawn, latents=drawn.latents | unbound)


def of_model(value: Expr) -> bool:
    """Whether a model must run for a value of rows."""
    return any(isinstance(e, _OF_MODELS) for e in walk(value))


def identified(regime: Regime, wanted: Wanted, diagram: causal.Diagram) -> causal.Identification:
    """What a regime of observed rows makes of an effect."""
    by = OBSERVED[regime.name][0]
    return causal.identify(diagram, wanted.of, wanted.do, wanted.given, by=by, using=regime.using)


# ---- whether a regime answers


def _read_by(
    regime: Regime, wanted: Wanted, query: Query, graph: Graph, diagram: causal.Diagram, wishes: Wishes
) -> tuple[str, ...]:
    """The variables that a regime reads besides those of the effect."""
    place = wishes.place("by", query.span)
    if regime.name not in OBSERVED:
        known = [INTERVENTION, *OBSERVED]
        raise error("CQ222", f"there is no regime `{regime.name}`", place, help=did_you_mean(regime.name, known))
    for name in regime.using or ():
        if name not in diagram.vertices or name in diagram.latents:
            what = "nothing measures it" if name in diagram.vertices else f"it is no variable of `{graph.name}`"
            known = [v for v in diagram.vertices if v not in diagram.latents]
            raise error("CQ861", f"`{name}` cannot be used: {what}", place, help=did_you_mean(name, known))
    if regime.name == "iv" and not wishes.linear:
        raise error(
            "CQ862",
            "an instrument gives a slope, and the effect only where all is linear with one slope for all rows",
            place,
            help="add `assume linear` where that is believed; or bound the effect without it: `with bounds`",
        )
    if regime.name == "iv" and (len(wanted.of), len(wanted.do), len(wanted.given)) != (1, 1, 0):
        way = "ask of one pair at a time, without conditions"
        raise error("CQ861", "an instrument is for one treatment and one outcome", query.span, help=way)
    found = identified(regime, wanted, diagram)
    if found.identified:
        return found.covariates
    if wishes.bounds is not None:
        return (bounding(wishes.bounds, wanted, diagram, query.span, graph.name),)
    raise not_identified(found, graph.name, diagram, query.span)


def not_identified(
    found: causal.Identification, name: str, diagram: causal.Diagram, span: Span | None
) -> DiagnosticError:
    """CQ860: no regime of observed rows gives the number; why, and what would."""
    helps = [f"hedge: {found.hedge}"] if found.hedge is not None else []
    helps += [*found.notes, *(f"would help: {one}" for one in found.advice[:3])]
    effect = found.effect
    others = causal.identify(diagram, effect.of, effect.do, effect.given)
    if others.identified:
        helps.append(f"`by {others.by}` identifies it")
    if len(effect.of) == len(effect.do) == 1 and not effect.given:
        near = causal.instruments(diagram, effect.of[0], effect.do[0])
        if near and found.by != "iv":
            helps.append(f"`by iv({near[0].z}) assume linear` gives it, where all is linear")
            if any(not one.given for one in near):
                helps.append("`with bounds` says between which numbers it lies, where values are few")
    verdict = "is not identified" if found.proven else "was not identified"
    by = "" if found.by == "id" else f" by {found.by}"
    unbound = sorted(diagram.latents)
    seen = f", with {', '.join(f'`{u}`' for u in unbound)} unmeasured" if unbound else ""
    return error("CQ860", f"`{effect}` {verdict}{by} in `{name}`{seen}", span, help=helps)


def bounding(word: str, wanted: Wanted, diagram: causal.Diagram, span: Span | None, name: str) -> str:
    """The instrument that bounds an effect: the one that is named, or the first without conditions.

    Raises:
        DiagnosticError: CQ860, there is none.
    """
    if (len(wanted.of), len(wanted.do), len(wanted.given)) == (1, 1, 0):
        y, x = wanted.of[0], wanted.do[0]
        if word:
            if causal.identify(diagram, y, x, by="iv", using=(word,)).identified:
                return word
        else:
            free = [one.z for one in causal.instruments(diagram, y, x) if not one.given]
            if free:
                return free[0]
    what = f"`{word}` is no instrument" if word else "no variable is an instrument without conditions"
    way = "bounds need one that reaches the outcome only through the treatment and shares no cause with it"
    raise error("CQ860", f"nothing bounds the effect in `{name}`: {what}", span, help=way)


def _choice(
    asked: Sequence[Query], cut: Sequence[Terms], graph: Graph, diagram: causal.Diagram
) -> tuple[tuple[Regime, ...], str]:
    """The first regime that is right, and why."""
    try:
        for query in asked:
            run_in_model(query, graph)
    except DiagnosticError as problem:
        why_not = problem.diagnostics[0].message
    else:
        return (Regime(INTERVENTION),), "chosen: the model can be given what is set, so nothing has to be identified"
    for word in ("adjustment", "frontdoor", "id"):
        found = [identified(Regime(word), w, diagram) for terms in cut for w in terms.wanted]
        if all(f.identified for f in found):
            return (Regime(word),), f"chosen: {_reason(word, found)}; no intervention, as {why_not}"
    return (Regime("id"),), ""


def _reason(word: str, found: Sequence[causal.Identification]) -> str:
    sets = dict.fromkeys(f"{{{', '.join(f.covariates)}}}" for f in found)
    match word:
        case "adjustment":
            return f"{' and '.join(sets)} closes every back door"
        case "frontdoor":
            return f"no set closes the back doors, and {' and '.join(sets)} is a front door"
        case _:
            return "no adjustment set and no front door exist, and the ID algorithm gives a formula"


# ---- by intervention


def run_in_model(query: Query, graph: Graph) -> Expr:
    """An estimand with what it sets put in the words of a model: worlds that stand for the values of variables.

    Raises:
        DiagnosticError: CQ864, a variable that no model can be given, or an outcome that no model gives.
    """
    names = {value: name for name, value in graph.nodes}
    worlds = {name: dict(pairs) for name, pairs in graph.realized}

    def turned(world: World, span: Span | None) -> World:
        parts: list[World] = []
        for a in world.assignments:
            name = names.get(a.target, "")
            if name in worlds:
                parts.append(_realized(name, worlds[name], a, span))
                continue
            try:
                assignable(a.target, a)
            except DiagnosticError:
                what = f"`{name or shown(a.target)}`"
                raise error(
                    "CQ864",
                    f"{what} belongs to the rows: nothing says which worlds of a model stand for its values",
                    within(a.span, span),
                    help=f"say it: `node {name or 'X'} = … realize 1 -> some_world, 0 -> other_world`",
                ) from None
            parts.append(World((a,), a.span))
        return unite(*parts) if parts else world

    def visit(e: Expr) -> Expr:
        world = world_in(e)
        if world is not None and isinstance(e, Expect | Probability) and not world.factual:
            _moved(e.event if isinstance(e, Probability) else e.value, query, names)
        return rebuild(e, visit, lambda w: turned(w, query.span))

    return visit(query.expr)


def _realized(name: str, worlds: Mapping[Expr, World], a: Assignment, span: Span | None) -> World:
    value = constant_of(a.value)
    if value is not None and value in worlds:
        return worlds[value]
    known = ", ".join(shown(v) for v in worlds)
    raise error(
        "CQ864",
        f"`{name} = {shown(a.value)}` has no world that stands for it",
        within(a.span, span),
        help=f"`{name}` is realized at {known}",
    )


def _moved(value: Expr, query: Query, names: Mapping[Expr, str]) -> None:
    """Demand an outcome that a model gives: a column stays what it is, whatever a model is given."""
    for e in walk(value, worlds=False):
        if e in names and not of_model(e):
            raise error(
                "CQ864",
                f"`{names[e]}` belongs to the rows and stays what it is, whatever a model is given",
                within(value.span, query.span),
                help="by intervention outcomes are values of a model; leave `intervention` out",
            )


# ---- options and columns


def _sound(options: Options, regimes: Sequence[Regime], wishes: Wishes, span: Span | None) -> None:
    if options.method not in METHODS and any(r.name != INTERVENTION for r in regimes):
        raise error(
            "CQ863",
            f"`{options.method}` is no method for regimes of observed rows",
            wishes.place("with", span),
            help="leave it out: the default leaves each sampling unit out in turn; or `with basic(1999)` and a `seed`",
        )
    if wishes.sensitivity and any(OBSERVED.get(r.name, ("",))[0] != "adjustment" for r in regimes):
        raise error(
            "CQ863",
            "how strong an unmeasured cause would have to be is known for adjustment only",
            wishes.place("with", span),
            help="write `by adjustment with sensitivity`, or leave `sensitivity` out",
        )
    names = [str(r) for r in regimes]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise error("CQ863", f"the regime `{twice}` stands twice", wishes.place("by", span), help="once is enough")


def demand_columns(nodes: Sequence[tuple[str, Expr]], data: DataRef) -> None:
    """Demand the columns that nodes of rows are made of, and no donors.

    Raises:
        DiagnosticError: CQ402, CQ861.
    """
    rows = peek(data)
    found: list[Diagnostic] = []
    for name, value in nodes:
        for e in walk(value):
            if isinstance(e, Draw):
                way = "a variable of a diagram is a value of the row itself"
                found += error("CQ861", f"`{name}` is drawn at random", e.span, help=way).diagnostics
            elif isinstance(e, Column) and not of_model(value):
                try:
                    rows.column(e.name, e.span)
                except DiagnosticError as problem:
                    found += problem.diagnostics
    DiagnosticError.raise_if(list(dict.fromkeys(found)))
