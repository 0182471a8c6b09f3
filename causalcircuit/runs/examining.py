"""`check S`: from the rows of a table to what they say of a model's diagram and of its arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalcircuit.check.observing import measured
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import OutcomeTable
from causalcircuit.query.examination import Arrow, Examined, Figure, Implied
from causalcircuit.query.regimes import Observing
from causalcircuit.query.structural import Fitted
from causalcircuit.runs.regimes import variables
from causalcircuit.runs.structural import structure

if TYPE_CHECKING:
    from causalcircuit.inference.observed import Observed
    from causalcircuit.scm import StructuralModel

_SHARED = (
    "nodes of a model are functions of the row: what two of them share of it, and no variable here stands for, "
    "makes them dependent, unless the diagram says `<->`"
)


def examined(command: Observing, model: Fitted, table: OutcomeTable) -> Examined:
    """The tests of the diagram, and the strengths of the arrows.

    Args:
        command: the question, whose nodes are all measured variables. model: what is asked of. table: the rows.

    Raises:
        DiagnosticError: CQ712, CQ713, CQ850 to CQ859, CQ865 what is wrong with the columns; CQ881 mechanisms that are
            unfit for them.
    """
    from causalcircuit.inference.observed._result import Asked, few
    from causalcircuit.scm.falsifying import falsified

    level = command.options.level
    drawn = measured(command.graph)
    try:
        data = variables(command, table)
        made = structure(model, data, Asked(level, None, command.options.seed))
        found = falsified(data, drawn.projected(drawn.observed), command.alpha)
        arrows, unweighed, told = _arrows(made)
    except DiagnosticError as problem:
        raise DiagnosticError(*(d.at(command.span) for d in problem.diagnostics)) from None
    said = dict.fromkeys(d.at(command.span) for d in (*few(data), *told))
    return Examined(
        name=model.name,
        graph=command.graph.name,
        data=command.data.label,
        mechanisms=model.mechanisms,
        n=data.n,
        clusters=data.units if data.clustered else None,
        level=level,
        alpha=found.alpha,
        verdict=found.verdict,
        contradicted=bool(found.contradicted),
        tests=tuple(
            Implied(t.statement.a, t.statement.b, t.statement.given, t.p, t.p_adjusted, t.correlation, t.reason)
            for t in found.tests
        ),
        arrows=arrows,
        unweighed=unweighed,
        skipped=command.skipped,
        notes=(_SHARED,) if len(command.reads) > 1 else (),
        comments=command.comments,
        diagnostics=tuple(said),
    )


def _arrows(made: StructuralModel) -> tuple[tuple[Arrow, ...], str, list[Diagnostic]]:
    """The arrows with their strengths; why there are none; warnings of the estimator."""
    from causalcircuit.scm.linear import Linear
    from causalcircuit.scm.strength import strengths

    if not isinstance(made.mechanisms, Linear):
        words = made.mechanisms.words
        return (), f"arrows of a {words} have no one strength: ask for an effect along one arrow", []
    out, told = [], list[Diagnostic]()
    for each in strengths(made):
        told += [d for one in (each.slope, each.share) if one is not None for d in one.warnings]
        out.append(Arrow(each.cause, each.effect, _figure(each.slope), _figure(each.share), each.reason))
    return tuple(out), "", told


def _figure(found: Observed | None) -> Figure | None:
    return None if found is None else Figure(found.value, found.interval, found.reason)
