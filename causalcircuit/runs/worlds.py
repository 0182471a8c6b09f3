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
    roots: list[tuple[int | None, int | None]] = []  # (group, run) of what is run from the start
    for group in cost.bare:
        roots.append((group, None))
    for index, run in cost.runs.items():
        if run.records or run.base is None:
            roots.append((run.base if run.records else None, index))
    line = 0
    for group, index in roots:
        at = line
        if index is None:
            some = next(i for i, r in cost.runs.items() if r.base == group)
            own = plan.runs[some]
            yield _line(ready, own, cost.bare[group or 0], None, _fed(own, names), bare=True)
        else:
            own = plan.runs[index]
            yield _line(ready, own, cost.runs[index], None, _named(own, names), names)
        line += 1
        children = [i for i, r in cost.runs.items() if group is not None and r.base == group and not r.records]
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
    return text if run.said is None else f"{text}, {'writing' if run.said else ''} {render(run.said, names)}"


def _fed(run: Run, names: Mapping[Expr | World, str]) -> str:
    """What a world is fed, without its other assignments."""
    from causalcircuit.query import Input

    fed = World(tuple(a for a in run.world.assignments if isinstance(a.target, Input)))
    return names.get(fed) or render(fed, names)
