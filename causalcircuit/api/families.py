"""Families of claims from Python: `cq.family("heads", mover, idle, then=[[backup]])`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from causalcircuit.api.stated import Hypothesis, Stated
from causalcircuit.check.families import check_family, empty_family
from causalcircuit.diagnostics import error
from causalcircuit.query.families import Correction

Named = Hypothesis | Stated


@dataclass(frozen=True, eq=False)
class Family:
    """Named claims under one correction, each in its stage: what `family` declares in the language."""

    name: str
    claims: tuple[Named, ...]
    correct: Correction
    alpha: float


def family(
    name: str,
    *claims: Named,
    then: Sequence[Named | Sequence[Named]] = (),
    correct: Correction = "holm",
    alpha: float = 0.05,
) -> Family:
    """Claims that are held together, to be tested by `cq.test(f, on=d)`.

    Args:
        name: how results call it. claims: hypotheses, of the first stage.
        then: further stages, each a list of hypotheses (bare ones are one stage): a stage is tested only where every
            claim of the stages before it is supported.
        correct: `holm`, `hochberg`, `max_t`; `bh` and `by` keep the false discovery rate. alpha: of the whole family.

    Raises:
        DiagnosticError: CQ202 a hypothesis twice; CQ272, CQ926 to CQ928, claims that cannot be held together.
    """
    listed = [x for x in then if isinstance(x, Named)]
    more = [list(x) for x in then if not isinstance(x, Named)]
    stages = [list(claims), *([listed] if listed else []), *more]
    if listed and more:
        raise TypeError("`then` is one stage, or a list of stages: `then=[[b, c], [d]]`")
    if not all(stages):
        raise empty_family(name)
    made = [_staged(c, k) for k, stage in enumerate(stages) for c in stage]
    names = [c.claim.name for c in made]
    twice = next((n for i, n in enumerate(names) if n in names[:i]), None)
    if twice is not None:
        raise error("CQ202", f"`{twice}` stands twice in the family", help="once is enough")
    check_family([c.claim for c in made], [None] * len(made), name, correct)
    return Family(name, tuple(made), correct, alpha)


def _staged(claim: Named, stage: int) -> Named:
    if isinstance(claim, Hypothesis):
        return replace(claim, claim=replace(claim.claim, stage=stage, named=True))
    return replace(claim, claim=replace(claim.claim, stage=stage, named=True))
