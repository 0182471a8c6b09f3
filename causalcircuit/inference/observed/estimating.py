"""One question to a table: identified by the diagram, then estimated by the regime that identifies it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from causalcircuit.causal import Diagram, Estimand, Identification, Instrument, identify, instruments
from causalcircuit.diagnostics import Diagnostic, did_you_mean, error
from causalcircuit.inference.observed._contrast import Contrast
from causalcircuit.inference.observed._means import difference, settled
from causalcircuit.inference.observed._result import Asked, Observed, blank
from causalcircuit.inference.observed._table import Data, read
from causalcircuit.inference.observed.adjustment import adjusted, regressed, stratified
from causalcircuit.inference.observed.doubly_robust import Learners, doubly_robust
from causalcircuit.inference.observed.formula import Settings, plugged_in
from causalcircuit.inference.observed.frontdoor import through, through_arms, through_cells, through_lines
from causalcircuit.inference.observed.instrument import anderson_rubin, wald
from causalcircuit.inference.observed.lines import along_lines
from causalcircuit.inference.observed.weighting import weighted
from causalcircuit.query import Interval

HOW: Mapping[str, Mapping[str, Any]] = {
    "adjustment": {
        "auto": adjusted,
        "regression": regressed,
        "cells": stratified,
        "weighting": weighted,
        "doubly_robust": doubly_robust,
    },
    "frontdoor": {"auto": through, "arms": through_arms, "linear": through_lines, "cells": through_cells},
    "iv": {"auto": anderson_rubin, "anderson_rubin": anderson_rubin, "wald": wald},
    "id": {"auto": None, "cells": plugged_in, "linear": along_lines},
}


def estimate(
    table: Mapping[str, Any],
    diagram: Diagram | str,
    treatment: str,
    outcome: str,
    *,
    values: tuple[object, object] | None = None,
    by: str = "auto",
    how: str = "auto",
    using: str | tuple[str, ...] | None = None,
    instruments: tuple[str, ...] = (),
    cluster: object | None = None,
    weight: object | None = None,
    level: float = 0.95,
    resamples: int | None = None,
    seed: int | None = None,
    learners: Learners | None = None,
) -> Observed:
    """E[outcome | do(treatment = high)] − E[outcome | do(treatment = low)] from observed rows.

    Args:
        table: columns by name, each of one number or label a row.
        diagram: the diagram, or its text. Its variables that the table lacks are taken as unmeasured.
        treatment: what is set. outcome: what is read.
        values: (low, high); the two values of the treatment's column where it has two.
        by: `adjustment`, `frontdoor`, `iv`, `id`, or `auto`: the first of adjustment, frontdoor and id that
            identifies the effect.
        how: the estimator of the regime: `regression`, `cells`, `weighting`, `doubly_robust`; `linear`, `cells`;
            `anderson_rubin`, `wald`; `cells`, `linear`.
        using: with `by`, the adjustment set, the mediators, or the instrument and what it is one given.
        instruments: with `by="iv"`, several instruments that are valid under the same conditions, `using[1:]`.
        cluster: a column, or its name: rows of one value are one sampling unit.
        weight: a column, or its name: how much each row counts.
        level: of the interval. resamples, seed: a bootstrap of units in place of the analytic interval.
        learners: of `doubly_robust`.

    Raises:
        DiagnosticError: CQ830 to CQ842 the diagram or the question, CQ850 to CQ859 the table, or that the table cannot
            answer.
    """
    asked = Asked(level, resamples, seed)
    drawn = Diagram.read(diagram) if isinstance(diagram, str) else diagram
    _measured(drawn, table, treatment, outcome)
    missing = frozenset(v for v in drawn.observed if v not in table)
    drawn = replace(drawn, latents=drawn.latents | missing)
    found = identify(drawn, outcome, do=treatment, by=by, using=using)
    if treatment not in drawn.ancestors(outcome):
        return _nothing(read(table, (treatment, outcome), cluster, weight), treatment, outcome, values, asked)
    if not found.identified:
        raise refused(found, drawn, treatment, outcome)
    ways = HOW[found.by]
    if how not in ways:
        raise error("CQ859", f"`{found.by}` knows no estimator `{how}`", help=did_you_mean(how, list(ways)))
    if instruments and found.by != "iv":
        raise error("CQ859", f"`instruments` says nothing to `{found.by}`", help="write `by='iv'`")
    names, more = _columns(found, instruments, drawn)
    data = read(table, (treatment, outcome, *names, *more), cluster, weight)
    contrast = Contrast.of(data, treatment, outcome, values)
    first = [data[name] for name in names]
    if found.by == "iv":
        done: Observed = ways[how](data, contrast, first, [data[name] for name in more], asked)
    else:
        if found.by == "id":
            at = tuple({treatment: value} for value in contrast.arms.values)
            cells = how == "cells" or (how == "auto" and all(data[v].discrete for v in (treatment, outcome, *names)))
            settings = Settings(lambda levels: levels[outcome], at)
            assert isinstance(found.estimand, Estimand)  # noqa: S101  the complete algorithms give formulas
            means = plugged_in(data, found.estimand, settings) if cells else along_lines(data, found.estimand, at)
        elif how == "doubly_robust":
            means = doubly_robust(data, contrast.arms, first, learners)
        else:
            means = ways[how](data, contrast.arms, first)
        done = settled(means, difference, data, asked)
    return replace(
        done,
        by=found.by,
        estimand=f"{contrast.text}, {found.effect} = {found.estimand}" if isinstance(found.estimand, Estimand)
        else f"{contrast.text} = {contrast.step:g} × {_text(found)}",
        assumptions=(f"the diagram: {drawn}", *_unmeasured(missing), *done.assumptions),
    )  # fmt: skip


def _text(found: Identification) -> str:
    return found.estimand.text if found.estimand is not None else ""


def _unmeasured(missing: frozenset[str]) -> tuple[str, ...]:
    return (f"not in the table, taken as unmeasured: {', '.join(sorted(missing))}",) if missing else ()


def _measured(diagram: Diagram, table: Mapping[str, Any], treatment: str, outcome: str) -> None:
    """Demand that the table has what is asked about, and nothing that is said to be never measured."""
    for name in (treatment, outcome):
        if name in diagram.vertices and name not in diagram.latents and name not in table:
            raise error("CQ851", f"the table has no column `{name}`", help=did_you_mean(name, list(table)))
    both = sorted(diagram.latents & set(table))
    if both:
        raise error(
            "CQ851",
            f"`{both[0]}` is latent in the diagram, and the table has it",
            help="a measured variable is no latent: say so in the diagram, or leave the column out",
        )


def _columns(
    found: Identification, several: tuple[str, ...], drawn: Diagram
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns that the regime reads beside treatment and outcome; of an instrument, also its conditions."""
    if isinstance(found.estimand, Instrument):
        given = found.estimand.given
        names = several or (found.estimand.z,)
        for name in names:
            if not identify(drawn, found.effect.of, found.effect.do, by="iv", using=(name, *given)).identified:
                bar = f" given {', '.join(given)}" if given else ""
                raise error("CQ855", f"`{name}` is no instrument{bar} in this diagram", help="leave it out")
        return names, given
    return found.covariates, ()


def _nothing(data: Data, treatment: str, outcome: str, values: tuple[object, object] | None, asked: Asked) -> Observed:
    """The effect on what does not descend from the treatment."""
    contrast = Contrast.of(data, treatment, outcome, values)
    note = Diagnostic(
        "CQ858",
        f"no path leads from `{treatment}` to `{outcome}`: the effect is 0 by the diagram, whatever the rows are",
        severity="note",
    )
    found = blank(data, asked, "known from the diagram", ("the diagram",))
    zero = Interval(0.0, 0.0)
    return replace(
        found, value=0.0, interval=zero, region=(zero,), by="diagram", estimand=contrast.text,
        warnings=(*found.warnings, note), _ends=lambda a: (0.0, 0.0),
    )  # fmt: skip


def refused(found: Identification, diagram: Diagram, treatment: str, outcome: str) -> Exception:
    """CQ855: the regime does not identify the effect; what would help."""
    helps = [str(found.hedge)] if found.hedge is not None else []
    helps += [*found.notes, *(f"would help: {one}" for one in found.advice[:3])]
    near = instruments(diagram, outcome, treatment)
    if near and found.by != "iv":
        free = [one for one in near if not one.given]
        helps.append(f"`by='iv'` estimates a slope with `{near[0].z}`, where all is linear")
        if free:
            helps.append(f"`bounds(…, instrument='{free[0].z}')` bounds it, where columns are discrete")
    verdict = "is not identified" if found.proven else "was not identified"
    return error("CQ855", f"the effect of {treatment} on {outcome} {verdict} by {found.by} in this diagram", help=helps)
