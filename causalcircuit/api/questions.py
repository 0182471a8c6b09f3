"""Questions from Python: estimates, hypotheses, tests of them, and the power that a test would have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, overload

import causalcircuit.runs as rooms
from causalcircuit.api.diagrams import Drawing
from causalcircuit.api.families import Family
from causalcircuit.api.programs import answer, answers, checked_alone
from causalcircuit.api.quantities import Models, Quantity, claim_of, merge
from causalcircuit.api.regimes import Said, observations, wishes_of
from causalcircuit.api.rows import Data, column_of
from causalcircuit.api.stated import Hypothesis, Stated, tried
from causalcircuit.api.sweeps import Sweep, reached
from causalcircuit.check.families import check_family
from causalcircuit.check.sweeps import spread
from causalcircuit.diagnostics import Diagnostic, error
from causalcircuit.query import Estimation, ModelRef, Options, Query, Result, Testing, is_estimand, render
from causalcircuit.query.families import Correction
from causalcircuit.query.power import Power
from causalcircuit.query.until import Until
from causalcircuit.runs import Progress

_SETTINGS = "method, resamples, level, seed, per, population, until, progress, diagram, by, assume, bounds, sensitivity"


@overload
def hypothesis(name: str, expect: Quantity, *, title: str = "", because: str = "") -> Hypothesis: ...
@overload
def hypothesis(name: str, expect: Stated, *, title: str = "", because: str = "") -> Stated: ...
def hypothesis(name: str, expect: Quantity | Stated, *, title: str = "", because: str = "") -> Hypothesis | Stated:
    """A claim that an estimand lies in a region: `hypothesis("mover", ate < logit(-0.5))`.

    Raises:
        DiagnosticError: CQ214, CQ227, CQ311: the comparison claims nothing that can be tested.
    """
    if isinstance(expect, Stated):
        return expect.called(name, title, because)
    made = replace(claim_of(name, expect), title=title, because=because, named=True)
    return Hypothesis(made, expect.models)


def estimate(
    *estimands: Quantity | Sweep,
    on: Data,
    method: str = "default",
    resamples: int | None = None,
    level: float = 0.95,
    seed: int | None = None,
    per: Quantity | None = None,
    population: bool = False,
    until: Until | None = None,
    progress: Progress | None = None,
    diagram: Drawing | None = None,
    by: Said | Sequence[Said] = (),
    assume: Literal["linear"] | None = None,
    bounds: bool | str = False,
    sensitivity: bool = False,
    **named: Quantity | Sweep,
) -> Result:
    """Estimates with intervals; named arguments name their estimands: `estimate(total=total, on=scenes)`.

    Args:
        estimands, named: `E` and `P` and arithmetic of them. on: the data.
        method, resamples, level, seed: the estimator; the default is analytic and needs no seed.
        per: a column whose values are row groups. population: these rows exactly, no interval.
        until: `cq.Until(width=0.05, most=500)`: rows in random order, by `seed`, until intervals are so narrow.
        progress: hears how many rows × worlds are done.
        diagram: made by `graph`; the estimands are over its variables then, and regimes answer.
        by: regimes, `"adjustment"`, `["intervention", "iv(Z)"]`, a model of `cq.fit`; without them the first that is
            right.
        assume: `linear`, for an instrument. bounds: whether an effect that is not identified is bounded, or by which
            instrument. sensitivity: how strong an unmeasured cause would have to be.

    Raises:
        DiagnosticError: what is wrong with the question, before any forward pass; `AfterPass` after one.
    """
    check_asked(on, *estimands, **named)
    if diagram is not None:
        wishes = wishes_of(by, assume == "linear", bounds, sensitivity)
        options = Options(method, resamples, level, seed, population, until)
        single = [q for q in estimands if isinstance(q, Quantity)]
        called = {name: q for name, q in named.items() if isinstance(q, Quantity)}
        if per is not None or len(single) + len(called) < len(estimands) + len(named):
            way = "ask one by one, and for one group at a time: `E[Y | do({X: 1}), Z == 1]`"
            raise error("CQ863", "sweeps and groups are not answered by regimes", help=way)
        asked = [*((render(q.expr), q) for q in single), *called.items()]
        commands = observations(asked, diagram, on.ref, options, wishes)
        return answers(commands, merge(diagram.models, *(q.models for _, q in asked)), progress, diagram.remarks)
    if by or assume or bounds or sensitivity:
        raise error("CQ286", "this says not in which diagram", help="add `diagram=cq.graph(…)`")
    queries, models, _, notes = asked_of(estimands, named)
    options = Options(method, resamples, level, seed, population, until)
    return answer(Estimation(queries, on.ref, options, column_of(per)), models, progress, notes)


def asked_of(
    estimands: Sequence[Quantity | Sweep], named: Mapping[str, Quantity | Sweep]
) -> tuple[tuple[Query, ...], dict[str, ModelRef], tuple[str, ...], list[Diagnostic]]:
    """The queries of estimands and sweeps, their models, the members without a path, and a warning that names them."""
    queries: list[Query] = []
    asked = [*((q.name if isinstance(q, Sweep) else render(q.expr), q) for q in estimands), *named.items()]
    for name, q in asked:
        queries += q.queries(name) if isinstance(q, Sweep) else spread(_query(name, q))
    models = merge(*(q.models for _, q in asked))
    kept, left, notes = reached(queries, models)
    return kept, models, left, notes


def test(
    *claims: Hypothesis | Quantity | Sweep | Stated | Family,
    on: Data,
    correct: Correction | None = None,
    alpha: float | None = None,
    method: str = "default",
    resamples: int | None = None,
    seed: int | None = None,
    until: Until | None = None,
    name: str = "",
    under: str | Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Verdicts on claims: a family, hypotheses, or bare comparisons; several need a correction, `correct="holm"`.

    Claims about circuits (`cq.claim`, `cq.aligned`) are tested by themselves; `method` and `resamples` are not theirs.
    A family has its own correction and alpha, unless others are named. `under` names the lock that `cq.freeze` wrote.
    `until=cq.Until()` takes rows in random order, by `seed`, until every claim is decided.

    Raises:
        DiagnosticError: as `estimate`; CQ228, a family among other claims; CQ229, several claims without a correction;
            CQ272, claims of both kinds; CQ926, CQ928, a correction that is none of them; CQ932 to CQ936 and CQ938,
            what is tested is not what was frozen, or not on new rows.
    """
    check_asked(on)
    asked, name, correct, alpha = _opened(claims, name, correct, alpha)
    stated = [c for c in asked if isinstance(c, Stated)]
    if stated and until is not None:
        raise error("CQ951", "`until` ends no test of claims about circuits", help="leave `until` out")
    if stated:
        if under is not None:
            raise error("CQ938", "claims about circuits are not frozen", help="test them without `under`")
        others = [h.claim for c in asked if not isinstance(c, Stated) for h in _hypotheses(c)]
        check_family([*(s.claim for s in stated), *others], [None] * len(asked), "test", correct)
        return tried(stated, on.ref, correct, alpha, seed, name, progress)
    plain = [c for c in asked if not isinstance(c, Stated)]
    options = Options(method, resamples, seed=seed, until=until)
    command, models, notes = _testing(plain, on, correct, alpha, options, name)
    if under is not None:
        if not name and not (len(command.claims) == 1 and command.claims[0].named):
            way = "`cq.hypothesis`, or `cq.family`"
            raise error("CQ938", "only a family or a hypothesis is frozen, and this is neither", help=way)
        command = replace(command, under=Path(under).resolve())
    return answer(command, models, progress, notes)


def power(
    *claims: Hypothesis | Quantity | Sweep | Family,
    on: Data,
    pilot: int = 20,
    power: float = 0.8,
    correct: Correction | None = None,
    alpha: float | None = None,
    progress: Progress | None = None,
) -> tuple[Power, ...]:
    """How likely each claim is to be decided by these data, how many rows are enough, and what they could show.

    Args:
        claims, on, correct, alpha: as of `test`. pilot: so many rows are run, whole clusters of them.
        power: the chance of a verdict that is wanted. progress: hears how far the pilot is.

    Raises:
        DiagnosticError: as `test`; CQ763, a pilot of one row; CQ945, a power that is none.
    """
    check_asked(on)
    plain, _, correct, alpha = _opened(claims, "", correct, alpha)
    command, models, notes = _testing(plain, on, correct, alpha, Options(), "")
    made = checked_alone([command], models, notes)
    found = rooms.plan_program(made, rooms.PlanWishes(pilot=pilot, power=power), progress)
    return tuple(q.power for each in found.data for q in each.questions if q.power is not None)


Asked = Hypothesis | Quantity | Sweep | Stated


def _opened(
    claims: Sequence[Asked | Family], name: str, correct: Correction | None, alpha: float | None
) -> tuple[list[Asked], str, Correction | None, float]:
    """The claims of a family, or those that are not in one, with what holds them together.

    Raises:
        DiagnosticError: CQ228, a family among other claims.
    """
    families = [c for c in claims if isinstance(c, Family)]
    if families and len(claims) > 1:
        raise error("CQ228", "a family is tested alone", help="give it a `test` of its own")
    out = [c for c in claims if not isinstance(c, Family)]
    for whole in families:
        out, name = list(whole.claims), name or whole.name
        correct, alpha = correct or whole.correct, whole.alpha if alpha is None else alpha
    return out, name, correct, 0.05 if alpha is None else alpha


def _testing(
    claims: Sequence[Asked],
    on: Data,
    correct: Correction | None,
    alpha: float,
    options: Options,
    name: str,
) -> tuple[Testing, Models, list[Diagnostic]]:
    """The command that tests claims about estimands, its models, and what is to be said of members left out.

    Raises:
        DiagnosticError: CQ229, several claims without a correction; CQ926, a correction that is none of them.
    """
    made = [h for c in claims if not isinstance(c, Stated) for h in _hypotheses(c)]
    check_family([h.claim for h in made], [None] * len(made), "test", correct)
    models = merge(*(h.models for h in made))
    kept, _, notes = reached([h.claim.query for h in made], models)
    meant = set(map(id, kept))
    made = [h for h in made if id(h.claim.query) in meant]
    if len(made) > 1 and correct is None:
        raise error("CQ229", f"{len(made)} claims are tested together without a correction", help='`correct="holm"`')
    testing = Testing(tuple(h.claim for h in made), on.ref, name, correct or "none", alpha, options)
    return testing, models, notes


def _hypotheses(claim: Hypothesis | Quantity | Sweep) -> list[Hypothesis]:
    if isinstance(claim, Sweep):
        return [Hypothesis(c, claim.models) for c in claim.claims()]
    return [claim if isinstance(claim, Hypothesis) else Hypothesis(claim_of(repr(claim), claim), claim.models)]


def check_asked(on: object, *estimands: object, **named: object) -> None:
    """Tell a value of the wrong type, above all a setting that `estimate` does not know."""
    for name, q in (*(("an estimand", q) for q in estimands), *((f"`{n}`", q) for n, q in named.items())):
        if not isinstance(q, Quantity | Sweep):
            raise TypeError(f"{name} is {q!r}, and estimands are made of `E[…]` and `P(…)`; settings: {_SETTINGS}")
    if not isinstance(on, Data):
        raise TypeError(f"`on` takes data, made by `cq.data(…)`, not {on!r}")


def _query(name: str, q: Quantity) -> Query:
    if not is_estimand(q.expr):
        raise error("CQ214", f"`{q}` has a value on each row", help=f"write `E[{q}]` for its mean")
    return Query(name, q.expr)
