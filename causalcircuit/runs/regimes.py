"""`estimate Q in G on d by …`: from a table of rows to an estimate for each regime, and their differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from causalcircuit.check.observing import bounding, identified, measured
from causalcircuit.check.terms import Terms, terms_of
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Estimate, Expr, OutcomeTable, Query, World, render, unit_of
from causalcircuit.query.regimes import BY, INTERVENTION, OBSERVED, Observing, Regime
from causalcircuit.query.structural import Fitted
from causalcircuit.runs.node_tables import node_table
from causalcircuit.runs.symbols import symbols

if TYPE_CHECKING:
    from causalcircuit.inference.observed import Observed
    from causalcircuit.inference.observed._means import Combine, Means
    from causalcircuit.inference.observed._table import Data
    from causalcircuit.inference.observed.regimes import ByDiagram, Part

Names = Mapping[Expr | World, str]
ByModel = Callable[[Query, tuple[tuple[str, str], ...]], Estimate]


def by_regimes(command: Observing, table: OutcomeTable, names: Names, by_model: ByModel) -> list[Estimate]:
    """The estimates of all regimes, query by query, each followed by the differences from the first regime.

    Args:
        command: the question. table: rows, with what a model gave. names: declared ones.
        by_model: makes the estimate of an intervention.

    Raises:
        DiagnosticError: CQ712, CQ713, CQ850 to CQ859, CQ865, what the rows do not give.
    """
    shown: dict[Expr | World, str] = dict(names)
    shown.update({value: name for name, value in command.graph.nodes})
    answer = _Answer(command, table, shown, by_model, variables(command, table))
    return [made for i, query in enumerate(command.asked) for made in answer.of(i, query)]


@dataclass(slots=True)
class _Answer:
    command: Observing
    table: OutcomeTable
    names: Names
    by_model: ByModel
    data: Data

    def of(self, number: int, query: Query) -> list[Estimate]:
        out: list[Estimate] = []
        with _located(query):
            alone = all(r.model is not None for r in self.command.regimes)
            terms = None if alone else terms_of(query.expr, self.command.graph, query.span)
            several = len(self.command.regimes) > 1
            found: list[tuple[str, tuple[Means, Combine]]] = []
            for regime in self.command.regimes:
                at = ((BY, str(regime)),) if several else ()
                if regime.name == INTERVENTION:
                    made = self.by_model(self.command.interventions[number], at)
                    out.append(self._told(made, query))
                    found += [(str(regime), self._of_model(number))] if several else []
                elif regime.model is not None:
                    estimate, both = self._modelled(query, regime, regime.model, at)
                    out.append(estimate)
                    found.append((str(regime), both))
                else:
                    assert terms is not None  # noqa: S101  cut wherever a regime of rows answers
                    estimate, how = self._observed(query, terms, regime, at)
                    if self.command.against:
                        from causalcircuit.runs.refuting import refuted  # most questions are not

                        estimate = refuted(estimate, self.command, query, terms, regime, self.data)
                    out.append(estimate)
                    found += [(str(regime), how)] if how is not None else []
            if several and not self.command.options.population:
                out += [self._difference(query, other, found[0]) for other in found[1:]]
        return out

    def _observed(
        self, query: Query, terms: Terms, regime: Regime, at: tuple[tuple[str, str], ...]
    ) -> tuple[Estimate, tuple[Means, Combine] | None]:
        from causalcircuit.inference.observed.estimands import answered, part_of
        from causalcircuit.inference.observed.regimes import Slope, joined
        from causalcircuit.runs.bounding import doubts

        data = self.data
        part = part_of(terms.combine, terms.wanted, terms.places, data)
        way = by_diagram(regime, self.command)
        asked = _asked(self.command)
        if not all(identified(regime, w, way.diagram).identified for w in terms.wanted):
            return self._bounded(query, terms, part, data), None
        if regime.name == "iv":
            slope = Slope.of(data, way, part)
            made = self._estimate(query, terms, regime, at, slope.answered(data, asked))
            return made, (slope.means(data), lambda means: means[..., 0])
        means = joined(way, data, part)
        found = answered(terms.combine, means, data, asked, self.command.options.population)
        if self.command.sensitivity:
            figures, said = doubts(part, means, data, way, asked)
            found = replace(found, diagnostics=(*found.diagnostics, *figures), warnings=(*found.warnings, *said))
        return self._estimate(query, terms, regime, at, found), (means, part.combine)

    def _modelled(
        self, query: Query, regime: Regime, model: Fitted, at: tuple[tuple[str, str], ...]
    ) -> tuple[Estimate, tuple[Means, Combine]]:
        """The answer of a fitted structural model."""
        from causalcircuit.runs.structural import answered

        found, how = answered(model, query, self.data, _asked(self.command))
        return self._estimate(query, None, regime, at, found), how

    def _of_model(self, number: int) -> tuple[Means, Combine]:
        """What interventions gave, on the rows of the other regimes."""
        from causalcircuit.inference import sample_of, value_of
        from causalcircuit.inference.observed.regimes import averaged

        sample = sample_of(self.command.interventions[number].expr, self.table)
        kept = self.data.row - 1
        means = averaged(self.data, sample.values[kept], sample.mask[kept].astype(float), "mean", ())
        return means, lambda at: value_of(sample.combine, at)

    def _difference(
        self, query: Query, other: tuple[str, tuple[Means, Combine]], first: tuple[str, tuple[Means, Combine]]
    ) -> Estimate:
        """How far a regime lies from the first one, with a test that they agree."""
        from causalcircuit.inference.observed.regimes import compared
        from causalcircuit.query import Region

        found = compared(other[1], first[1], self.data, _asked(self.command))
        options = self.command.options
        text, where = symbols(query.expr, self.names)
        return Estimate(
            name=query.name,
            value=found.value,
            interval=found.interval,
            level=options.level,
            unit=unit_of(query.expr),
            n=found.n,
            clusters=found.clusters,
            regime=f"{other[0]} - {first[0]}",
            estimand=render(query.expr),
            method=found.method,
            reason=found.reason,
            symbols=text,
            where=where,
            data=self.command.data.label,
            graph=self.command.graph.name,
            target=target(self.command),
            at=(*query.at, (BY, f"{other[0]} - {first[0]}")),
            comments=self.command.comments,
            p=found.p_inside(Region(0.0, 0.0, closed=True, outside=True)),
        )

    def _bounded(self, query: Query, terms: Terms, part: Part, data: Data) -> Estimate:
        """The range of an effect that is not identified."""
        from causalcircuit.runs.bounding import bounded

        graph = self.command.graph
        drawn = measured(graph)
        z = bounding(self.command.bounds or "", terms.wanted[0], drawn, query.span, graph.name)
        found = bounded(part, data, drawn, z, self.command.options.level)
        text, where = symbols(query.expr, self.names)
        population = self.command.options.population
        return Estimate(
            name=query.name,
            value=None,
            interval=None if population else found.interval,
            level=self.command.options.level,
            unit=unit_of(query.expr),
            n=found.n,
            clusters=found.clusters,
            regime=f"bounds({z})",
            estimand=render(query.expr),
            method=found.method,
            reason=found.reason,
            symbols=text,
            where=where,
            data=self.command.data.label,
            graph=self.command.graph.name,
            target=target(self.command),
            at=query.at,
            assumptions=(f"the diagram {graph.name}: {drawn}", *found.assumptions),
            comments=self.command.comments,
            diagnostics=tuple(d.at(query.span) for d in found.warnings),
            bounds=found.bounds,
        )

    def _estimate(
        self, query: Query, terms: Terms | None, regime: Regime, at: tuple[tuple[str, str], ...], found: Observed
    ) -> Estimate:
        text, where = symbols(query.expr, self.names)
        population = self.command.options.population
        told = {d.message: d for d in found.warnings if not (population and d.code == "CQ609")}
        return Estimate(
            name=query.name,
            value=found.value,
            interval=None if population else found.interval,
            level=self.command.options.level,
            unit=unit_of(query.expr),
            n=found.n,
            clusters=found.clusters,
            regime=str(regime),
            estimand=render(query.expr),
            method=found.method.partition(";")[0] if population else found.method,
            reason="" if population and found.value is not None else found.reason,
            symbols=text,
            where=where,
            data=self.command.data.label,
            graph=self.command.graph.name,
            target=target(self.command),
            at=(*query.at, *at),
            assumptions=self._assumptions(found),
            comments=self.command.comments,
            diagnostics=tuple(d.at(query.span) for d in told.values()),
            cost=self.table.cost if self.command.reads else {},
            formula="" if terms is None else formulas(terms, regime, self.command),
            figures=found.diagnostics,
            region=() if population or found.interval is not None else found.region,
        )

    def _assumptions(self, found: Observed) -> tuple[str, ...]:
        graph = self.command.graph
        said = [f"the diagram {graph.name}: {measured(graph)}"]
        said += [graph.assume] if graph.assume else []
        said += [self.command.chosen] if self.command.chosen else []
        if not self.command.options.population:
            cluster = self.command.data.cluster
            unit = "rows" if cluster is None else f"clusters ({render(cluster)})"
            said.append(f"{unit} are independent draws from the process")
        return (*said, *found.assumptions)

    def _told(self, made: Estimate, query: Query) -> Estimate:
        """An intervention's estimate under the question's own name and symbols."""
        text, where = symbols(query.expr, self.names)
        chosen = (self.command.chosen,) if self.command.chosen else ()
        return replace(
            made, graph=self.command.graph.name, symbols=text, where=where, assumptions=(*made.assumptions, *chosen)
        )


def variables(command: Observing, table: OutcomeTable) -> Data:
    """The variables that are read, as columns.

    Raises:
        DiagnosticError: CQ712, CQ713, CQ850, CQ865, a row without a value.
    """
    from causalcircuit.inference import codes
    from causalcircuit.inference.observed._table import read

    names = [name for name, _ in command.nodes]
    arrays: dict[str, Any] = node_table(command.nodes, table)
    if not names:  # interventions alone: no variable is read
        names, arrays = ["row"], {"row": table.rows}
    return read(arrays, names, None if table.cluster is None else codes(table.cluster), table.weight)


def by_diagram(regime: Regime, command: Observing) -> ByDiagram:
    """The estimator that a word names."""
    from causalcircuit.inference.observed.regimes import ByDiagram

    by, how = OBSERVED[regime.name]
    return ByDiagram(measured(command.graph), by, how, regime.using)


def formulas(terms: Terms, regime: Regime, command: Observing) -> str:
    """What the effects of an estimand are in terms of the rows."""
    out = []
    for wanted in terms.wanted:
        found = identified(regime, wanted, measured(command.graph))
        if found.estimand is not None:
            slope = regime.name == "iv"
            out.append(found.estimand.text if slope else f"{found.effect} = {found.estimand.text}")
    return "; ".join(dict.fromkeys(out))


def target(command: Observing) -> str:
    """Whom the answer is about."""
    if command.options.population:
        return f"these rows of {command.data.label}, exactly"
    unit = "row" if command.data.cluster is None else render(command.data.cluster)
    return f"the process that {command.data.label} samples, sampling unit {unit}"


def _asked(command: Observing) -> Any:
    from causalcircuit.inference.observed._result import Asked

    options = command.options
    resamples = (options.resamples or 1999) if options.method == "basic" else None
    return Asked(options.level, resamples, options.seed)


@contextmanager
def _located(query: Query) -> Iterator[None]:
    try:
        yield
    except DiagnosticError as problem:
        raise DiagnosticError(*(d.at(query.span) for d in problem.diagnostics)) from None
