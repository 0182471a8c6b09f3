"""From a table of outcomes to what `show` asks for: estimates that hold together, and where they lie on a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from causalcircuit.inference import Inferred, Sample, Together, holm, infer, sample_of, together
from causalcircuit.query import (
    Binary,
    Estimate,
    Expect,
    Expr,
    Negative,
    OutcomeTable,
    Query,
    Region,
    World,
    is_estimand,
)
from causalcircuit.query.showing import Showing, Shown, simultaneous
from causalcircuit.runs.answer import estimate_of, groups_of, located
from causalcircuit.runs.panels import panels

_ZERO = Region(0.0, 0.0, closed=True, outside=True)


def show(command: Showing, table: OutcomeTable, names: Mapping[Expr | World, str]) -> list[Shown]:
    """One noun for each head of the statement; the intervals and p-values of all of them hold together.

    Raises:
        DiagnosticError: the table has no answer to it (CQ7xx).
    """
    groups = groups_of(command, table)
    asked = [(q, at, mask) for q in command.queries for at, mask in groups]
    samples: list[Sample] = []
    for query, _, mask in asked:
        with located(query):
            samples.append(sample_of(query.expr, table, mask))
    joint = None
    level = simultaneous(command.options.level, len(asked))
    if command.correction == "max_t" and not command.options.population:
        joint = together(samples, [_ZERO] * len(samples), command.options.seed)
        level = 1 - joint.error(1 - command.options.level)
    options = replace(command.options, level=level)
    inferred: list[Inferred] = []
    for (query, _, _), sample in zip(asked, samples, strict=True):
        with located(query):
            inferred.append(infer(sample, options))
    estimates = [
        estimate_of(query, replace(command, options=options), table, names, at, found)
        for (query, at, _), found in zip(asked, inferred, strict=True)
    ]
    out = []
    for name in dict.fromkeys(q.name for q in command.queries):
        chosen = [i for i, (q, _, _) in enumerate(asked) if q.name == name]
        out.append(_shown(name, command, [asked[i][0] for i in chosen], [estimates[i] for i in chosen], len(asked)))
    return _with_p(out, command, inferred, [q for q, _, _ in asked], joint)


def contrasts(e: Expr) -> bool:
    """Whether 0 says that there is no effect: a difference, alone or on a scale."""
    match e:
        case Binary(op="-"):
            return True
        case Negative(operand=inside) | Expect(value=inside):
            return contrasts(inside)
        case Binary(op="*", left=left, right=right):
            return any(contrasts(side) for side in (left, right) if is_estimand(side))
        case Binary(op="/", left=left):
            return contrasts(left)
        case _:
            return False


def _shown(name: str, command: Showing, queries: list[Query], estimates: list[Estimate], family: int) -> Shown:
    return Shown(
        name=name,
        data=command.data.label,
        form=command.form,
        estimates=tuple(estimates),
        panels=panels(queries, estimates) if command.form == "heatmap" else (),
        level=command.options.level,
        family=family,
        correction=command.correction,
        left_out=command.left_out,
        comments=command.comments,
        diagnostics=tuple(dict.fromkeys(d for e in estimates for d in e.diagnostics)),
        cost=estimates[0].cost if estimates else {},
    )


def _with_p(
    found: list[Shown], command: Showing, inferred: list[Inferred], queries: list[Query], joint: Together | None
) -> list[Shown]:
    """The same with two-sided p-values against 0 where that means something, adjusted over all that have one."""
    if command.options.population:
        return found
    meant = [contrasts(q.expr) for q in queries]
    ps = [x.p_inside(_ZERO) if m else None for x, m in zip(inferred, meant, strict=True)]
    alone = [p for p, m in zip(ps, meant, strict=True) if m]
    places = [i for i, m in enumerate(meant) if m]
    adjusted = iter(holm(alone) if joint is None or not places else joint.of(places).adjusted(alone))
    every = [next(adjusted) if m else None for m in meant]
    out = []
    names = [q.name for q in queries]
    for shown in found:
        own = [i for i, name in enumerate(names) if name == shown.name]
        tested = any(meant[i] for i in own)
        of = [tuple(several[i] for i in own) if tested else () for several in (ps, every)]
        out.append(replace(shown, p=of[0], p_adjusted=of[1]))
    return out
