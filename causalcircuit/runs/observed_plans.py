"""What a plan says of questions that rows answer under a diagram: the regime and why, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping

from causalcircuit.check.observing import measured
from causalcircuit.query import Expr, World, render, unit_of
from causalcircuit.query.discovery import Discovering
from causalcircuit.query.forecast import Question, Width
from causalcircuit.query.regimes import BY, INTERVENTION, Observing, Regime
from causalcircuit.query.structural import Fitted
from causalcircuit.runs.symbols import symbols

_WIDTH = Width(None, "unknown", "intervals of observed rows are not forecast")


def observed_questions(command: Observing, names: Mapping[Expr | World, str]) -> list[Question]:
    """A line for each estimand and regime of observed rows; those of interventions are planned as worlds."""
    shown: dict[Expr | World, str] = dict(names)
    shown.update({value: name for name, value in command.graph.nodes})
    several = len(command.regimes) > 1
    out = [] if command.examined is None else [_examination(command, command.examined)]
    for query in command.asked:
        text, where = symbols(query.expr, shown)
        for regime in command.regimes:
            if regime.name == INTERVENTION:
                continue
            out.append(
                Question(
                    query.name,
                    text,
                    where,
                    render(query.expr),
                    ((BY, str(regime)),) if several else (),
                    str(regime),
                    command.chosen or _why(command, regime),
                    1 if command.reads else 0,
                    unit_of(query.expr),
                    command.options.level,
                    _WIDTH,
                )
            )
    return out


def _why(command: Observing, regime: Regime) -> str:
    if regime.model is not None:
        return (
            f"a model ({regime.model.mechanisms}) of {command.graph.name}, fitted to {command.data.label}, answers it"
        )
    return f"the diagram {command.graph.name} identifies it: {measured(command.graph)}"


def _examination(command: Observing, model: Fitted) -> Question:
    """The line of a model that is held against rows."""
    text = f"check {model.name}"
    why = f"a model ({model.mechanisms}) of {command.graph.name}, fitted to {command.data.label}"
    worlds = 1 if command.reads else 0
    return Question(
        model.name, text, (), text, (), "independences and arrows", why, worlds, "", command.options.level, _WIDTH
    )


def discovery_question(command: Discovering) -> Question:
    """The line of a diagram that is looked for."""
    over = ", ".join(name for name, _ in command.nodes)
    ruled = f"; {len(command.forbidden)} arrows are ruled out by the wiring" if command.forbidden else ""
    why = f"{command.resamples} resamples, seed {command.seed}{ruled}"
    text = f"discover {command.name} over [{over}]"
    worlds = 1 if command.reads else 0
    return Question(command.name, text, (), text, (), command.method, why, worlds, "", command.options.level, _WIDTH)
