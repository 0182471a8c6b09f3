"""The worlds of a plan as a tree: what each shares with the pass that it resumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from causalcircuit.query import Expr, World, render
from causalcircuit.query.forecast import WorldCost

if TYPE_CHECKING:
    from causalcircuit.engine import Prepared
    from causalcircuit.engine.cost.predict import PlanCost, RunCost
    from causalcircuit.query.plan import Run


def worlds_of(ready: Prepared, cost: PlanCost, names: Mapping[Expr | World, str]) -> Iterator[WorldCost]:
    """Every world with what it costs: roots first, each followed by those that resume it."""
    plan = ready.plan
    roots: list[tuple[int | None, int | None]] = [(group, None) for group in cost.bare]  # (group, run) from the start
    for number, found in cost.runs.items():
        if found.records or found.base is None:
            roots.append((found.base if found.records else None, number))
    hung: set[int] = set()
    line = 0
    for group, index in roots:
        at = line
        if index is not None:
            own = plan.runs[index]
            yield _line(ready, own, cost.runs[index], None, _named(own, names), names)
        elif group is not None:  # a group has the number of the first world that is fed so
            own = plan.runs[group]
            yield _line(ready, own, cost.bare[group], None, _fed(own, names), bare=True)
        line += 1
        children = [
            i for i, r in cost.runs.items() if group is not None and r.base == group and not r.records and i not in hung
        ]
        hung.update(children)
        for i in sorted(children, key=lambda i: (cost.runs[i].tower, cost.runs[i].layer, cost.runs[i].first, i)):
            yield _line(ready, plan.runs[i], cost.runs[i], at, _named(plan.runs[i], names), names)
            line += 1


def _line(
    ready: Prepared,
    run: Run,
    cost: RunCost,
    base: int | None,
    world: str,
    names: Mapping[Expr | World, str] | None = None,
    *,
    bare: bool = False,
) -> WorldCost:
    model = ready.models[run.model]
    towers = model.sites.towers
    blocks = sum(t.layers for t in towers)
    before = sum(t.layers for t in towers[: cost.tower]) + cost.layer
    tower = towers[min(cost.tower, len(towers) - 1)]
    reads = () if names is None else tuple(render(r, names) for r in run.reads)
    values = () if names is None else tuple(_named(ready.plan.runs[i], names) for i in run.needs)
    return WorldCost(
        run.model,
        world,
        base,
        tower.name,
        cost.layer,
        blocks - before,
        blocks,
        cost.first,
        cost.columns,
        cost.passes,
        cost.flops,
        reads,
        values,
        bare,
    )


def _named(run: Run, names: Mapping[Expr | World, str]) -> str:
    """A world by its name, or by its assignments with declared names in them."""
    text = names.get(run.world) or render(run.world, names)
    return text if run.said is None else f"{text}, saying {render(run.said, names)}"


def _fed(run: Run, names: Mapping[Expr | World, str]) -> str:
    """What a world is fed, without its other assignments."""
    from causalcircuit.query import Input

    fed = World(tuple(a for a in run.world.assignments if isinstance(a.target, Input)))
    return names.get(fed) or render(fed, names)
