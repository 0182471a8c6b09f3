"""How faithful the strongest nodes are: what they alone bring about, all others being what they are in `from`.

Nodes are sites, so a choice of them is a world: `to` with `do(outside(N) = (outside(N) | from))`, which the engine runs
for heads and MLPs as for single positions, neurons, experts and features.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from causalcircuit.attribution.node_circuits import NodeScores
from causalcircuit.attribution.nodes import NodeBench
from causalcircuit.attribution.parts import part
from causalcircuit.attribution.passes import Question
from causalcircuit.attribution.scoring import Heard, weights_of
from causalcircuit.attribution.summary import means, units
from causalcircuit.attribution.trust import FAITHFUL, FEWEST, FLOOR, MOST
from causalcircuit.attribution.trust_curve import SHARES, curve_of, integrals
from causalcircuit.attribution.trust_sample import even
from causalcircuit.attribution.trust_subject import work_of
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.engine.cost.limit import USUAL, positions_for
from causalcircuit.models import LoadedModel
from causalcircuit.query import Assignment, Cell, Counterfactual, Site, Statistic, World, render, world_of
from causalcircuit.query.circuit import Circuit, Trust
from causalcircuit.rows import Dataset, clusters

_NODES = 2000
"""Nodes that are assigned at once: a plan of more takes longer than its passes."""


def trusted_nodes(
    made: Circuit,
    found: NodeScores,
    model: LoadedModel,
    data: Dataset,
    question: Question,
    limit: int | None = None,
    heard: Heard | None = None,
) -> Circuit:
    """A circuit of nodes with how faithful it is, over sizes.

    Unasked, it takes no more passes than the scores did, or than about a second of a core makes.

    Args:
        made: it, with its stability. found: the scores of all nodes. model, data, question: of what.
        limit: bytes that passes may take. heard: hears of rows and worlds.
    """
    trust, began = made.trust or Trust(), time.perf_counter()
    try:
        trust = _measured(made, trust, found, model, data, question, limit, heard)
    except DiagnosticError as problem:
        trust = _noted(trust, f"faithfulness: not measured, {problem.diagnostics[0].message}")
    return replace(made, trust=replace(trust, seconds=time.perf_counter() - began))


def _measured(
    made: Circuit,
    trust: Trust,
    found: NodeScores,
    model: LoadedModel,
    data: Dataset,
    question: Question,
    limit: int | None,
    heard: Heard | None,
) -> Trust:
    if not made.nodes:
        return _noted(trust, "faithfulness: not measured of a circuit without nodes")
    if len(found.sites) > _NODES:
        return _noted(trust, f"faithfulness: not measured, more than {_NODES:,} nodes are considered")
    number = {Site(s.address, s.position): i for i, s in enumerate(found.sites)}
    kept = [number[n.site] for n in made.nodes]
    value = means(found.table, units(clusters(data), data.n), weights_of(data))[0]
    order = np.argsort(-np.abs(value), kind="stable").tolist()
    # The strongest of scores that are alike may be others than those kept.
    own = (*kept, *(i for i in order if i not in set(kept)))
    sizes = tuple(sorted({0, len(kept), len(own), *(max(1, round(s * len(own))) for s in SHARES)}))
    left = max(found.passes, FLOOR / work_of(model, data, question))
    least = min(FEWEST, data.n)
    if left < least * (2 + len(sizes)):
        sizes = tuple(sorted({0, len(kept), len(own)}))
    most = min(MOST, data.n, max(int(left / (2 + len(sizes))), 0))
    if most < least:
        need = least * (2 + len(sizes))
        return _noted(trust, f"faithfulness: not measured, {need:,} passes are too many to do unasked")
    rows = even(data.n, most)
    asked, some = part(question, data, rows)
    _check_apart(NodeBench(model, some, asked.stood, found.sites), found.sites)
    worlds = [_keeping({found.sites[i] for i in own[:size]}, found.sites, asked) for size in sizes]
    cells = [Cell(asked.readout, w) for w in worlds]
    plan = make_plan(cells, some, {asked.model: model.sites})
    ready = prepare(plan, {asked.model: model}, some)
    places = USUAL if limit is None else positions_for([ready], limit)
    outcomes = execute(ready, heard, places)
    if not outcomes.complete:
        raise KeyboardInterrupt
    table = np.stack([np.asarray(outcomes.cells[c], dtype=np.float64) for c in cells])
    curve = curve_of(table, sizes, len(own), units(clusters(some), some.n), weights_of(some))
    trust = replace(trust, passes=trust.passes + int(outcomes.cost["row_passes"]))
    if len(rows) < data.n:
        trust = _noted(trust, f"faithfulness: on {len(rows)} of the {data.n} rows, evenly spaced")
    if curve is None:
        return _noted(trust, "faithfulness: undefined, all nodes together change nothing for sure")
    trust = replace(trust, curve=curve)
    if len(sizes) > len({0, len(kept), len(own)}):
        cpr, cmd = integrals(curve)
        trust = replace(trust, cpr=cpr, cmd=cmd)
    point = curve[sizes.index(len(kept))]
    if point.faithful < FAITHFUL:
        said = f"its {len(kept)} nodes alone bring about {point.faithful:.0%} of the effect"
        trust = replace(trust, failures=(*trust.failures, said))
    return _noted(trust, "faithfulness is that on the rows by which the nodes were chosen: on others it is lower")


def _noted(trust: Trust, text: str) -> Trust:
    return replace(trust, notes=(*trust.notes, text))


def _keeping(kept: set[Site], every: Sequence[Site], question: Question) -> World:
    """The world `to` in which all nodes but some are what they are in `from`."""
    others = [s for s in every if s not in kept]
    own = [a for a in question.end.assignments if a.target not in set(others)]
    return world_of([*own, *(Assignment(s, _there(s, question.start)) for s in others)])


def _there(site: Site, world: World) -> Counterfactual | Statistic:
    known = world.value_of(site)
    return known if isinstance(known, Statistic) else Counterfactual(site, world)


def _check_apart(bench: NodeBench, sites: Sequence[Site]) -> None:
    """Nodes that overlap are no choice: keeping one and not the other would say two things of what they share.

    Raises:
        DiagnosticError: CQ795, two do.
    """
    by_tensor: dict[str, list[int]] = {}
    for i, info in enumerate(bench.infos):
        by_tensor.setdefault(info.tensor, []).append(i)
    for numbers in by_tensor.values():
        positions = {sites[i].position: i for i in numbers}
        apart = {(a, b): not _meet(bench, positions[a], positions[b], sites) for a, b in combinations(positions, 2)}
        ordered = sorted(numbers, key=lambda i: bench.infos[i].start)
        for k, i in enumerate(ordered):
            for j in ordered[k + 1 :]:
                if bench.infos[j].start >= bench.infos[i].stop:
                    break
                a, b = sites[i].position, sites[j].position
                if a == b or not apart.get((a, b), apart.get((b, a), False)):
                    raise error(
                        "CQ795",
                        f"`{render(sites[i])}` and `{render(sites[j])}` overlap: neither is kept without the other",
                        help="leave one of them out of `over`",
                    )


def _meet(bench: NodeBench, i: int, j: int, sites: Sequence[Site]) -> bool:
    """Whether two nodes of one tensor share a place in some row."""
    start = bench.rows.question.start
    one, other = (bench.places(start, bench.infos[k], sites[k].position) for k in (i, j))
    return any(not set(a or ()).isdisjoint(b or ()) for a, b in zip(one, other, strict=True))


__all__ = ["trusted_nodes"]
