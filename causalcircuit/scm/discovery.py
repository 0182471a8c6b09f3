"""The adapter to causal-learn: diagrams out of data by PC and GES, with shares of resamples. Its import takes seconds.

Sources: PC-stable, Colombo and Maathuis 2014; GES, Chickering 2002; bootstrapped edges, Friedman et al. 1999.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from causalcircuit.causal.patterns import oriented
from causalcircuit.diagnostics import error
from causalcircuit.inference.observed._linear import varied
from causalcircuit.inference.observed._table import Data, Floats
from causalcircuit.query.discovery import FoundEdge, Method

_LEAST = 20
"""Sampling units, whatever the number of variables."""
_PER_VARIABLE = 5
_DETERMINED = 1e-8
"""A column whose rest after the others is below this share of its variance is determined by them."""
_TRIES = 10
Pattern = tuple[frozenset[tuple[int, int]], frozenset[tuple[int, int]], frozenset[tuple[int, int]]]
"""Arrows, lines and contradictions between the numbers of variables."""


def discover(
    data: Data,
    names: Sequence[str],
    method: Method,
    alpha: float,
    resamples: int,
    seed: int,
    forbidden: frozenset[tuple[str, str]] = frozenset(),
) -> tuple[tuple[FoundEdge, ...], tuple[tuple[str, str, float], ...], tuple[str, ...]]:
    """The pattern of some columns, in how many resamples each edge is found, and what is to be said of it.

    Args:
        data: columns. names: of the variables. method, alpha: how, and the level of each test of `pc`.
        resamples, seed: of the bootstrap over sampling units. forbidden: arrows that cannot be.

    Raises:
        DiagnosticError: CQ846 a variable that others determine, CQ847 too few sampling units, CQ848 numbers beside
            labels, CQ849 weights, CQ852 a constant column.
    """
    for name in names:
        varied(data[name])
    if len(np.unique(data.weight)) > 1:
        way = "leave the weights out, or draw rows in proportion to them"
        raise error("CQ849", "tests of independence take rows that weigh the same", help=way)
    needed = max(_LEAST, _PER_VARIABLE * len(names))
    if data.units < needed:
        what = f"{data.units} {data.word} are too few for {len(names)} variables: at least {needed} are needed"
        raise error("CQ847", what, help="give more rows, or look at fewer variables")
    values = np.stack([data[name].values for name in names], axis=1)
    discrete = _kind(data, names)
    _determined(values, names, discrete)
    barred = frozenset((names.index(a), names.index(b)) for a, b in forbidden)
    search = _searcher(method, alpha, discrete, barred, len(names))
    edges = search(values)
    counts, again = _resampled(data, values, resamples, seed, search)
    found = tuple(_edge(names, a, b, kind, counts, barred) for a, b, kind in _listed(edges))
    there = counts[0] + counts[0].T + counts[1] + counts[2]
    shown = {frozenset((a, b)) for a, b, _ in _listed(edges)}
    missed = tuple(
        (names[i], names[j], float(there[i, j]))
        for i, j in combinations(range(len(names)), 2)
        if there[i, j] >= 0.05 and frozenset((i, j)) not in shown
    )
    notes = ["no unmeasured causes in common are assumed, and that independences are no coincidence"]
    if data.clustered:
        notes.append("tests take rows as independent: within clusters they are not; the shares are over clusters")
    two = [n for n in names if not discrete and len(data[n].levels) == 2]
    if two:
        notes.append(f"{', '.join(two)}: two values among numbers, taken as numbers")
    if again:
        notes.append(f"{again} resamples with a constant or determined column were drawn anew")
    if any(e.against for e in found):
        notes.append("marked edges are not in the wiring: what both ends have in common is a likely reason")
    return found, missed, tuple(notes)


def _kind(data: Data, names: Sequence[str]) -> bool:
    """Whether the variables are all of few levels; labels beside numbers are refused.

    Raises:
        DiagnosticError: CQ848.
    """
    columns = [data[n] for n in names]
    if all(c.discrete for c in columns):
        return True
    labels = [c.name for c in columns if c.labels is not None and len(c.labels) > 2]
    if labels:
        way = "give numbers to what has an order, or cut numbers into few whole levels"
        raise error("CQ848", f"`{labels[0]}` holds labels, beside numbers: no one test fits both", help=way)
    return False


def _determined(values: Floats, names: Sequence[str], discrete: bool) -> None:
    """Refuse a variable that others determine: then independences hold and fail by arithmetic alone (meaning 15).

    Raises:
        DiagnosticError: CQ846.
    """
    for k, name in enumerate(names):
        others = [j for j in range(len(names)) if j != k]
        by: Sequence[int] = ()
        if discrete:
            sets = [c for size in (1, 2) for c in combinations(others, size)]
            by = next((c for c in sets if _function(values[:, list(c)], values[:, k])), ())
        elif _left(values[:, others], values[:, k]) < _DETERMINED:
            by = others
        if len(by):
            from_ = ", ".join(f"`{names[j]}`" for j in by)
            way = "leave one of them out; of a model's nodes, ask by intervention what does not matter"
            raise error("CQ846", f"`{name}` is determined by {from_}: tests of independence say nothing", help=way)


def _left(x: Floats, y: Floats) -> float:
    """The share of a column's variance that is left after a regression on others."""
    design = np.column_stack([np.ones(len(y)), (x - x.mean(axis=0)) / x.std(axis=0)])
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float((rest**2).sum() / ((y - y.mean()) ** 2).sum())


def _function(x: Floats, y: Floats) -> bool:
    """Whether a column of levels is a function of others that repeat often enough for that to be no chance."""
    both = np.unique(np.column_stack([x, y]), axis=0)
    alone = np.unique(x, axis=0)
    return len(both) == len(alone) and len(alone) <= len(y) / 5


def _searcher(
    method: Method, alpha: float, discrete: bool, barred: frozenset[tuple[int, int]], count: int
) -> Callable[[Floats], Pattern]:
    """The algorithm of causal-learn with its test or score, and the arrows that follow from what is forbidden."""
    apart = [(i, j) for i, j in combinations(range(count), 2) if {(i, j), (j, i)} <= barred]

    def search(values: Floats) -> Pattern:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = _pc(values, alpha, discrete, apart) if method == "pc" else _ges(values, discrete)
        arrows, lines, both = set(), set(), set()
        for i, j in combinations(range(count), 2):
            ends = int(graph[i, j]), int(graph[j, i])  # -1 a tail, 1 a head: graph[j, i] is the mark at j
            if ends == (-1, 1):
                arrows.add((i, j))
            elif ends == (1, -1):
                arrows.add((j, i))
            elif ends == (-1, -1):
                lines.add((i, j))
            elif ends == (1, 1):
                both.add((i, j))
        directed, left = oriented(arrows, lines, barred)
        return frozenset(directed), frozenset(left), frozenset(both)

    return search


def _pc(values: Floats, alpha: float, discrete: bool, apart: Sequence[tuple[int, int]]) -> Any:
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.search.ConstraintBased.PC import pc
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    names = [f"X{i + 1}" for i in range(values.shape[1])]
    knowledge = BackgroundKnowledge()
    for i, j in apart:
        for a, b in ((i, j), (j, i)):
            knowledge.add_forbidden_by_node(GraphNode(names[a]), GraphNode(names[b]))
    test = "gsq" if discrete else "fisherz"
    found = pc(values, alpha, test, node_names=names, background_knowledge=knowledge if apart else None,
               show_progress=False, verbose=False)  # fmt: skip
    return found.G.graph


def _ges(values: Floats, discrete: bool) -> Any:
    from causallearn.search.ScoreBased.GES import ges

    return ges(values, score_func="local_score_BDeu" if discrete else "local_score_BIC")["G"].graph


def _resampled(
    data: Data, values: Floats, resamples: int, seed: int, search: Callable[[Floats], Pattern]
) -> tuple[Floats, int]:
    """[3, p, p] the share of resamples with an arrow, a line (both ways), a contradiction; how many were drawn anew."""
    rng = np.random.default_rng(seed)
    rows_of = np.split(np.argsort(data.unit, kind="stable"), np.cumsum(np.bincount(data.unit))[:-1])
    counts = np.zeros((3, values.shape[1], values.shape[1]))
    again = 0
    for _ in range(resamples):
        for _ in range(_TRIES):
            drawn = values[np.concatenate([rows_of[u] for u in rng.integers(0, data.units, data.units)])]
            if np.linalg.matrix_rank(np.column_stack([np.ones(len(drawn)), drawn])) > values.shape[1]:
                break
            again += 1
        else:
            what = "nearly every resample has a column that is constant or determined by others"
            raise error("CQ847", what, help="give more rows: some values are too rare")
        arrows, lines, both = search(drawn)
        for a, b in arrows:
            counts[0, a, b] += 1
        for layer, pairs in ((1, lines), (2, both)):
            for a, b in pairs:
                counts[layer, a, b] += 1
                counts[layer, b, a] += 1
    return counts / max(resamples, 1), again


def _listed(pattern: Pattern) -> list[tuple[int, int, str]]:
    arrows, lines, both = pattern
    found = [*((a, b, "->") for a, b in arrows), *((a, b, "--") for a, b in lines), *((a, b, "<->") for a, b in both)]
    return sorted(found)


def _edge(
    names: Sequence[str], a: int, b: int, kind: Any, counts: Floats, barred: frozenset[tuple[int, int]]
) -> FoundEdge:
    there = counts[0, a, b] + counts[0, b, a] + counts[1, a, b] + counts[2, a, b]
    against = (a, b) in barred if kind == "->" else {(a, b), (b, a)} <= barred
    shares = float(there), float(counts[0, a, b]), float(counts[0, b, a])
    return FoundEdge(names[a], names[b], kind, *shares, against)
