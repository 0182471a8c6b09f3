"""Estimands from Python, `E[Y | w, condition]` and `P(event | w, condition)`, and the worlds `w` made by `do`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from causalcircuit.api.quantities import Do, Given, Quantity, measured, merge, quantity
from causalcircuit.check.assign import world as make_world
from causalcircuit.diagnostics import error
from causalcircuit.query import FACTUAL, Assignment, Expect, Expr, Logic, Probability, is_estimand, render, unite


class _Outer:
    """`E[Y | w, condition]` and `P(event | w, condition)`; both take square or round brackets."""

    def __init__(self, event: bool) -> None:
        self._event = event

    def __call__(self, *parts: Any) -> Quantity:
        return self[parts if len(parts) != 1 else parts[0]]

    def __getitem__(self, item: Any) -> Quantity:
        first, *rest = item if isinstance(item, tuple) else (item,)
        head = quantity(first)
        value, world = head.expr, FACTUAL
        conditions: list[Expr] = []
        if isinstance(head, Given):
            value, world = head.value, head.world
            conditions += [] if head.condition is None else [head.condition]
        models = [head.models]
        for part in rest:
            if isinstance(part, Do):
                world = unite(world, part.world) if not world.factual else part.world
            else:
                conditions.append(quantity(part).expr)
            models.append(part.models if isinstance(part, Do | Quantity) else {})
        for inside in (value, *conditions):
            if is_estimand(inside):
                raise error("CQ214", f"`{render(inside)}` speaks of all rows", help="`E` and `P` stand outermost")
        condition = conditions[0] if len(conditions) == 1 else Logic("and", tuple(conditions)) if conditions else None
        made = (Probability if self._event else Expect)(value, world, condition)
        return measured(Quantity(made, merge(*models)))


E = _Outer(event=False)
P = _Outer(event=True)


def do(assignments: Any = (), *more: tuple[Any, Any]) -> Do:
    """The world of these assignments: `do({A: 0, B: mean(B)})`, `do((m.image, row.office))`; `do()` is the factual one.

    Raises:
        DiagnosticError: CQ215, a target that cannot be set; CQ216, a value that cannot be given to it.
    """
    pairs: list[tuple[Any, Any]]
    if isinstance(assignments, Mapping):
        pairs = [*assignments.items(), *more]
    elif isinstance(assignments, tuple) and len(assignments) == 2 and isinstance(assignments[0], Quantity):
        pairs = [(assignments[0], assignments[1]), *more]
    else:
        pairs = [*assignments, *more]
    targets = [(quantity(t), quantity(v)) for t, v in pairs]
    free = {t.expr for t, _ in pairs if isinstance(t, Quantity) and t.drawn}
    made = make_world((Assignment(t.expr, v.expr) for t, v in targets), drawn=free.__contains__)
    return Do(made, merge(*(q.models for pair in targets for q in pair)))
