"""What the circuits of a program will take, from config, tokenizer and data alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import causalcircuit.rows as rows
from causalcircuit.diagnostics import Diagnostic, Span, warning
from causalcircuit.query import ModelRef, Program
from causalcircuit.query.circuits.formulas import Attributed, Formula, Smallest, asked_in
from causalcircuit.query.forecast import CircuitForecast

if TYPE_CHECKING:
    from causalcircuit.engine.cost.seconds import Rates
    from causalcircuit.models import LoadedModel


@dataclass(slots=True)
class PlannedCircuits:
    """Forecasts, each attribution once; remarks on what is left out; the models that are used, with their rates."""

    found: list[CircuitForecast] = field(default_factory=list)
    notes: list[Diagnostic] = field(default_factory=list)
    models: dict[str, LoadedModel] = field(default_factory=dict)


def planned_circuits(
    program: Program,
    model: Callable[[ModelRef], LoadedModel],
    rates: Callable[[LoadedModel], Rates],
    limit: int | None = None,
) -> PlannedCircuits:
    """What is shown, saved and tested of circuits.

    Args:
        program: from `check`. model: a declared one, as a sketch. rates: how fast it is. limit: bytes.

    Raises:
        DiagnosticError: CQ820, the limit holds no row; what is wrong with an attribution on its rows.
    """
    out = PlannedCircuits()
    done: set[object] = set()
    for name, formula, span in _asked(program):
        for asked in asked_in(formula):
            if asked in done:
                continue
            done.add(asked)
            if isinstance(asked, Smallest):
                out.notes.append(_left_out(f"the search for `{name}`", span))
                continue
            made = _planned(name, asked, program, model, rates, limit, out)
            if made is None:
                out.notes.append(_left_out(f"what it takes to score the nodes of `{name}`", span))
            else:
                out.found.append(made)
    return out


def _planned(
    name: str,
    asked: Attributed,
    program: Program,
    model: Callable[[ModelRef], LoadedModel],
    rates: Callable[[LoadedModel], Rates],
    limit: int | None,
    out: PlannedCircuits,
) -> CircuitForecast | None:
    from causalcircuit.attribution import METHODS, Question
    from causalcircuit.attribution.forecast import predicted
    from causalcircuit.runs.attributing import aligned

    if asked.method.name not in METHODS:
        return None
    sketch = model(program.models[asked.model])
    data = rows.load(asked.data)
    turned = asked.baseline is not None and asked.baseline.side == "from"
    question = Question(asked.model, asked.readout, asked.start, asked.end, turned).stood
    own = rates(sketch)
    with aligned(asked):
        found = predicted(sketch, data, question, asked.method, asked.over, asked.seed, own, limit)
    if found is None:
        return None
    out.models[asked.model] = sketch
    return CircuitForecast(
        name,
        str(asked.method),
        asked.model,
        asked.data.label,
        data.n,
        found.wires,
        found.considered,
        found.row_passes,
        found.flops,
        found.seconds,
        found.memory,
        found.weights,
        found.row,
        found.scores,
        {"none": 0, "quick": found.unasked}.get(asked.trust.name),
    )


def _asked(program: Program) -> Iterator[tuple[str, Formula, Span | None]]:
    declared = [c for view in program.views for c in view.circuits] + [s.circuit for s in program.savings]
    yield from ((c.name, c.formula, c.span) for c in declared)
    for trial in program.trials:
        for claim in trial.claims:
            if claim.circuit is not None:
                yield claim.of, claim.circuit, claim.span


def _left_out(what: str, span: Span | None) -> Diagnostic:
    return warning(
        "CQ266",
        f"{what} is not planned",
        span,
        help="run it on a sample first: `sample 20 seed 1` on the data; the report says what it took",
    )


__all__ = ["PlannedCircuits", "planned_circuits"]
