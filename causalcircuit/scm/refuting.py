"""Attempts to refute an estimate from a plain table: `refute(table, "Z -> X, Z -> Y, X -> Y", "X", "Y", seed=7)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from causalcircuit.causal import Diagram, Instrument, identify
from causalcircuit.diagnostics import DiagnosticError, did_you_mean, error
from causalcircuit.inference.observed import Observed, estimate
from causalcircuit.inference.observed._linear import features
from causalcircuit.inference.observed._table import Data, read
from causalcircuit.query.refutation import ADJUSTING, REFUTERS, Refutation
from causalcircuit.scm.refutation import REPEATS, Change, Subject, common_cause, placebo, subset
from causalcircuit.scm.simulated import confounder

_BY_DOWHY = {"placebo": placebo, "common_cause": common_cause, "subset": subset}


def refute(
    table: Mapping[str, Any],
    diagram: Diagram | str,
    treatment: str,
    outcome: str,
    *,
    seed: int,
    against: Sequence[str] = (),
    repeats: int = REPEATS,
    by: str = "auto",
    how: str = "auto",
    using: str | Sequence[str] | None = None,
    values: tuple[object, object] | None = None,
    cluster: object | None = None,
    weight: object | None = None,
    level: float = 0.95,
) -> tuple[Observed, tuple[Refutation, ...]]:
    """The estimate of `inference.observed.estimate`, and what attempts to refute it found.

    Args:
        table, diagram, treatment, outcome, by, how, using, values, cluster, weight, level: as of the estimate.
        seed: of shuffles, random causes and subsets. repeats: how many of each.
        against: names of refuters; all that apply, where none are named.

    Returns:
        The estimate, and a `Refutation` for each refuter.

    Raises:
        DiagnosticError: what estimation raises; CQ902 an unknown refuter or too few repeats, CQ903 one that does not
            apply.
    """
    drawn = Diagram.read(diagram) if isinstance(diagram, str) else diagram
    fixed = (using,) if isinstance(using, str) else None if using is None else tuple(using)
    ways: dict[str, Any] = {"how": how, "values": values, "level": level}
    found = estimate(table, drawn, treatment, outcome, by=by, using=fixed, cluster=cluster, weight=weight, **ways)
    chosen = applicable(found.by, against)
    if repeats < 20:
        raise error("CQ902", f"{repeats} repeats say little", help="give at least 20")
    if found.value is None or found.by == "diagram":
        return found, ()
    hidden = drawn.latents | {v for v in drawn.observed if v not in table}
    drawn = replace(drawn, latents=frozenset(hidden))
    known = identify(drawn, outcome, do=treatment, by=found.by, using=fixed)
    covariates = known.covariates if found.by == "adjustment" else fixed or ()
    columns = [v for v in table if v in drawn.vertices and v not in hidden]
    data = read(table, columns, cluster, weight)
    subject = _subject(
        data, drawn, treatment, outcome, found, covariates, ways | {"values": _values(data, treatment, values)}
    )
    out = []
    for name in chosen:
        if name == "confounder":
            others = {v: features([data[v]])[0] for v in covariates}
            out.append(confounder(subject, data[outcome].values, others, data.weight, seed))
        else:
            out.append(_BY_DOWHY[name](subject, seed, repeats))
    return found, tuple(out)


def applicable(by: str, against: Sequence[str]) -> tuple[str, ...]:
    """The refuters that are to be asked of a regime.

    Raises:
        DiagnosticError: CQ902 an unknown one, or one twice; CQ903, one that does not apply.
    """
    for name in against:
        if name not in REFUTERS:
            raise error("CQ902", f"there is no refuter `{name}`", help=did_you_mean(name, REFUTERS))
        if against.count(name) > 1:
            raise error("CQ902", f"the refuter `{name}` stands twice", help="once is enough")
        if name in ADJUSTING and by != "adjustment":
            raise error(
                "CQ903",
                f"`{name}` adds a cause to what is adjusted for, and `{by}` adjusts for nothing",
                help="leave it out: `placebo` and `subset` ask every regime",
            )
    return tuple(against) or tuple(r for r in REFUTERS if r not in ADJUSTING or by == "adjustment")


def _instruments(drawn: Diagram, treatment: str, outcome: str, by: str, using: tuple[str, ...]) -> tuple[str, ...]:
    """The instrument goes with the treatment that it moves: what is shuffled is both."""
    found = identify(drawn, outcome, do=treatment, by=by, using=using or None).estimand if by == "iv" else None
    return (found.z,) if isinstance(found, Instrument) else ()


def _values(data: Data, treatment: str, values: tuple[object, object] | None) -> tuple[object, object]:
    """The values that are compared, said outright: changed rows may lack one."""
    if values is not None:
        return values
    column = data[treatment]
    low, high = column.levels
    return (column.shown(low), column.shown(high)) if column.labels is not None else (float(low), float(high))


def _subject(
    data: Data,
    drawn: Diagram,
    treatment: str,
    outcome: str,
    found: Observed,
    covariates: tuple[str, ...],
    ways: Mapping[str, Any],
) -> Subject:
    """The estimate as something that can be made anew from changed rows."""
    plain = {name: _shown(data, name) for name in data.columns}
    moved = (treatment, *_instruments(drawn, treatment, outcome, found.by, covariates))
    cause = next(f"cause{k}" for k in range(len(drawn.vertices) + 1) if f"cause{k}" not in drawn.vertices)
    both = ((cause, treatment), (cause, outcome))
    wider = replace(drawn, vertices=(*drawn.vertices, cause), directed=(*drawn.directed, *both))
    by = found.by

    def refit(change: Change) -> float:
        now = dict(plain)
        if change.donors is not None:
            now |= {name: plain[name][change.donors] for name in moved}
        if change.cause is not None:
            now[cause] = change.cause
        cut = {name: values[change.rows] for name, values in now.items()}
        using = (*covariates, *([cause] if change.cause is not None else [])) or (() if by == "adjustment" else None)
        where = wider if change.cause is not None else drawn
        unit = data.unit[change.rows] if data.clustered else None
        try:
            made = estimate(
                cut,
                where,
                treatment,
                outcome,
                by=by,
                using=using,
                cluster=unit,
                weight=data.weight[change.rows],
                **ways,
            )
        except DiagnosticError:  # a stratum without rows, a column that has become constant: this table gives no number
            return np.nan
        return np.nan if made.value is None else made.value

    interval = None if found.interval is None else (found.interval.low, found.interval.high)
    x = data[treatment].values[:, None]
    assert found.value is not None  # noqa: S101  asked for only where there is one
    return Subject(found.value, interval, data.unit, data.clustered, x, refit)


def _shown(data: Data, name: str) -> Any:
    column = data[name]
    return column.values if column.labels is None else np.array(column.labels)[column.values.astype(np.intp)]
