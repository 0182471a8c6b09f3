"""Tests of claims about circuits: from a program's words to the rooms that measure, and back to verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import causalcircuit.rows as rows
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference import Finding, Judgement, judge
from causalcircuit.query import Tested, render
from causalcircuit.query.circuits.formulas import circuit_from, model_of, named
from causalcircuit.query.circuits.wording import text_of
from causalcircuit.query.families import needs_of
from causalcircuit.query.trials import AGAINST, CircuitClaim, Trial
from causalcircuit.runs.answer import place_of
from causalcircuit.runs.circuits import check_weights

if TYPE_CHECKING:
    from causalcircuit.attribution.lab import Lab
    from causalcircuit.rows import Dataset
    from causalcircuit.runs.circuits import Circuits


def tried(trial: Trial, circuits: Circuits) -> list[Tested]:
    """The verdicts of a test of claims about circuits.

    Raises:
        DiagnosticError: CQ810 to CQ813, what cannot be tested; what is wrong with a circuit, its model or the rows.
    """
    data = rows.load(trial.data)
    labs: dict[object, Lab] = {}
    meter = _Meter(trial, circuits)
    found: list[Finding] = []
    for claim in trial.claims:
        try:
            found.append(_found(claim, trial, data, circuits, labs, meter))
        except DiagnosticError as problem:
            raise DiagnosticError(*(d.at(claim.span or trial.span) for d in problem.diagnostics)) from None
    stages, names = [c.stage for c in trial.claims], [c.name or c.kind for c in trial.claims]
    judged = judge(found, trial.correction, trial.alpha, stages, names)
    each = zip(trial.claims, found, judged, strict=True)
    return [_tested(c, f, j, trial, circuits, meter) for c, f, j in each]


class _Meter:
    """How many choices of wires are done, and how many there will be at most."""

    def __init__(self, trial: Trial, circuits: Circuits) -> None:
        self.circuits, self.label, self.done, self.passes = circuits, trial.data.label, 0, 0
        twice = {"minimal": 2, "sufficient": 1, "partially_necessary": 1}
        self.total = sum(4 + twice.get(c.kind, 0) * c.draws for c in trial.claims)

    def __call__(self, more: int) -> None:
        self.done += more
        self.total = max(self.total, self.done)
        if self.circuits.progress is not None:
            self.circuits.progress(self.done, self.total, self.label)


def _found(
    claim: CircuitClaim, trial: Trial, data: Dataset, circuits: Circuits, labs: dict[object, Lab], meter: _Meter
) -> Finding:
    if claim.alignment is not None:
        from causalcircuit.runs.interchanging import interchanged

        return interchanged(claim, trial, data, circuits)
    if claim.circuit is None or claim.readout is None:
        raise TypeError("a claim of no circuit")
    from causalcircuit.attribution.claims import found_of
    from causalcircuit.attribution.lab import Lab
    from causalcircuit.attribution.passes import Question

    question = Question(model_of(claim.circuit), claim.readout, claim.start, claim.end)
    key = (claim.circuit, question)
    if key not in labs:
        check_weights(claim.circuit, circuits.program, circuits.keeping, claim.span)
        circuit = named(circuit_from(claim.circuit, circuits.ask), claim.of)
        shelf = circuits.shelf(claim.readout, (claim.start, claim.end), data, question.model)
        labs[key] = Lab(circuits.model(question.model), data, question, circuit, circuits.limit, shelf)
        labs[key].heard = meter
    before = labs[key].passes
    found = found_of(claim, labs[key], trial.seed, trial.level)
    meter.passes += labs[key].passes - before
    return found


def _tested(
    claim: CircuitClaim, found: Finding, judged: Judgement, trial: Trial, circuits: Circuits, meter: _Meter
) -> Tested:
    names = circuits.program.names
    where: list[tuple[str, str]] = []
    if claim.circuit is not None and claim.readout is not None:
        where = [
            (claim.of, text_of(claim.circuit, names)),
            ("S", render(claim.readout, names)),
            ("from", render(claim.start, names)),
            ("to", render(claim.end, names)),
        ]
    elif claim.alignment is not None:
        where = claim.alignment.said(names)
    unit = "row" if trial.data.cluster is None else render(trial.data.cluster)
    sampled = f"the process that {trial.data.label} samples, sampling unit {unit}"
    units = "rows" if trial.data.cluster is None else f"clusters ({render(trial.data.cluster)})"
    independent = f"{units} are independent draws from the process"
    return Tested(
        name=claim.name or claim.kind,
        verdict=judged.verdict,
        value=found.value,
        interval=judged.interval,
        p=found.p,
        p_adjusted=judged.p_adjusted,
        p_refute=found.p_refute,
        p_refute_adjusted=judged.p_refute_adjusted,
        region=claim.region,
        unit="",
        n=found.n,
        clusters=found.clusters,
        named=claim.named,
        level=judged.level,
        title=claim.title,
        because=claim.because,
        reason=found.reason,
        family=trial.name,
        correction=trial.correction,
        alpha=trial.alpha,
        estimand=claim.number,
        symbols=claim.number,
        where=tuple(where),
        data=trial.data.label,
        target=sampled,
        method=found.method,
        note="; ".join(n for n in (judged.note, *found.notes) if n),
        at=claim.at,
        assumptions=(
            *([] if claim.kind in AGAINST else [independent]),
            *found.assumptions,
            *needs_of(trial.correction),
        ),
        diagnostics=tuple(d.at(claim.span) for d in found.warnings),
        cost={"row_passes": meter.passes} if meter.passes else {},
        comments=trial.comments,
        span=place_of(claim.span, trial.span),
    )
