"""Circuits as sets of wires and of scored nodes: union, intersection, difference, the strongest.

Scores stay where they mean one thing. A part of a circuit keeps its scores and their origin. A union keeps them where
both sides come from one attribution; numbers of two methods, readouts or data have no common order: they are left out.
What was measured of the whole (its trust) holds for no part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from causalcircuit.diagnostics import error
from causalcircuit.query.address import Address
from causalcircuit.query.circuit import Circuit, CircuitEdge, CircuitNode, Score
from causalcircuit.query.expr import Site

Wiring = tuple[Site, Site | None]
_T = TypeVar("_T", CircuitEdge, CircuitNode)


def wiring_of(edge: CircuitEdge) -> Wiring:
    """A wire by its ends."""
    return edge.source, edge.target


def check_one_model(first: Circuit, second: Circuit) -> None:
    """Refuse circuits of two models.

    Raises:
        DiagnosticError: CQ257.
    """
    if first.model != second.model:
        raise error(
            "CQ257",
            f"`{first.name}` is a circuit of `{first.model}`, `{second.name}` one of `{second.model}`",
            help="wires of two models have nothing in common: compare circuits of one model",
        )


def union(first: Circuit, second: Circuit) -> Circuit:
    """All wires of both; a wire of both has the score of the first.

    Raises:
        DiagnosticError: CQ257, they are of two models.
    """
    check_one_model(first, second)
    own, other = {wiring_of(e) for e in first.edges}, {n.site for n in first.nodes}
    edges = (*first.edges, *(e for e in second.edges if wiring_of(e) not in own))
    nodes = (*first.nodes, *(n for n in second.nodes if n.site not in other))
    # Of one attribution are two circuits that differ only in which of its wires they kept.
    alike = first.origin == second.origin
    if not alike:
        edges = tuple(replace(e, score=None) for e in edges)
        nodes = tuple(replace(n, score=None) for n in nodes)
    made = replace(first, edges=ordered(edges), nodes=ordered(nodes), origin=first.origin if alike else None)
    made = made if made.edges == first.edges and made.nodes == first.nodes else replace(made, trust=None)
    over = tuple(dict.fromkeys((*first.over, *second.over))) if first.over and second.over else ()
    groups = {**second.groups, **first.groups}
    tokens = first.tokens or second.tokens
    return pruned(replace(made, over=over, groups=groups, tokens=tokens, shared={**second.shared, **first.shared}))


def intersection(first: Circuit, second: Circuit) -> Circuit:
    """The wires of the first that the second has too.

    Raises:
        DiagnosticError: CQ257, they are of two models.
    """
    check_one_model(first, second)
    wires, sites = {wiring_of(e) for e in second.edges}, {n.site for n in second.nodes}
    return part(first, lambda e: wiring_of(e) in wires, lambda n: n.site in sites)


def difference(first: Circuit, second: Circuit) -> Circuit:
    """The wires of the first that the second has not.

    Raises:
        DiagnosticError: CQ257, they are of two models.
    """
    check_one_model(first, second)
    wires, sites = {wiring_of(e) for e in second.edges}, {n.site for n in second.nodes}
    return part(first, lambda e: wiring_of(e) not in wires, lambda n: n.site not in sites)


def strongest(circuit: Circuit, k: int) -> Circuit:
    """The `k` wires with the largest absolute scores (of a circuit without wires: the nodes); all where it has fewer.

    Raises:
        DiagnosticError: CQ259, it has no scores.
    """
    check_scored(circuit, "score")
    edges, nodes = ordered(circuit.edges), ordered(circuit.nodes)
    kept = replace(circuit, edges=edges[:k], trust=None) if edges else replace(circuit, nodes=nodes[:k], trust=None)
    return pruned(kept)


def part(
    circuit: Circuit,
    wires: Callable[[CircuitEdge], bool],
    nodes: Callable[[CircuitNode], bool] = lambda _: True,
) -> Circuit:
    """The wires and nodes that are meant."""
    edges, scored = tuple(filter(wires, circuit.edges)), tuple(filter(nodes, circuit.nodes))
    same = len(edges) == len(circuit.edges) and len(scored) == len(circuit.nodes)
    return circuit if same else pruned(replace(circuit, edges=edges, nodes=scored, trust=None))


def pruned(circuit: Circuit) -> Circuit:
    """Without the groups' members that it no longer has."""
    kept = set(circuit.sites)
    groups = {name: tuple(s for s in sites if s in kept) for name, sites in circuit.groups.items()}
    return replace(circuit, groups={name: sites for name, sites in groups.items() if sites})


def ordered(items: Iterable[_T]) -> tuple[_T, ...]:
    """Strongest first; what has no score comes last, in its order."""
    return tuple(sorted(items, key=lambda x: (x.score is None, 0.0 if x.score is None else -abs(x.score.value))))


def check_scored(circuit: Circuit, what: str) -> None:
    """Refuse what needs numbers that a circuit has not (`score` or `selected`).

    Raises:
        DiagnosticError: CQ259.
    """

    def lacks(score: Score | None) -> bool:
        return score is None or (what == "selected" and score.selected is None)

    scores = [*(e.score for e in circuit.edges), *(n.score for n in circuit.nodes)]
    if not any(map(lacks, scores)):
        return
    scored = any(s is not None for s in scores)
    if what == "selected" and scored:
        said, way = "no selection frequencies", "they come with a bootstrap of rows: `attribute(…) seed 7`"
    else:
        said, way = "no scores", "scores come from `attribute(…)`; drawn by hand or joined from two, a circuit has none"
    raise error("CQ259", f"`{circuit.name}` has {said}", help=way)


def renamed(circuit: Circuit, model: str) -> Circuit:
    """The same circuit of a model that is declared under another name."""
    if model == circuit.model:
        return circuit

    def of(site: Site) -> Site:
        return Site(Address(model, site.address.path), site.position)

    edges = tuple(replace(e, source=of(e.source), target=e.target and of(e.target)) for e in circuit.edges)
    nodes = tuple(replace(n, site=of(n.site)) for n in circuit.nodes)
    groups: Mapping[str, tuple[Site, ...]] = {k: tuple(map(of, sites)) for k, sites in circuit.groups.items()}
    over = tuple(map(of, circuit.over))
    return replace(circuit, model=model, edges=edges, nodes=nodes, groups=groups, over=over)
