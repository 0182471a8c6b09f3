"""m-separation: which independences a diagram implies (d-separation where nothing is bidirected)."""

from __future__ import annotations

from causalcircuit.causal.bits import bits
from causalcircuit.causal.mixed import Mixed


def blankets(graph: Mixed, within: int) -> list[int]:
    """The cliques of the augmented graph on `within`: each district with its parents.

    In the augmented graph two vertices are neighbours when a path joins them on which all others are colliders; two
    sets are m-separated by a third exactly if it cuts them apart there (Richardson 2003), `within` being all their
    ancestors.
    """
    return [one | (graph.parents(one) & within) for one in graph.districts(within)]


def reached(cliques: list[int], start: int, closed: int) -> int:
    """What is reached from `start` in a graph of cliques without going through `closed`, whose members are met."""
    seen = start
    todo = start & ~closed
    left = cliques
    while todo:
        new = 0
        rest = []
        for clique in left:
            if clique & todo:
                new |= clique
            else:
                rest.append(clique)
        left = rest
        todo = new & ~seen & ~closed
        seen |= new
    return seen


def separated(graph: Mixed, a: int, b: int, given: int = 0) -> bool:
    """Whether `given` m-separates two sets of vertices; members of `given` are left out of both."""
    a &= ~given
    b &= ~given
    if a & b:
        return False
    if not a or not b:
        return True
    within = graph.ancestors(a | b | given, graph.all)
    return not reached(blankets(graph, within), a, given) & b


def connected(graph: Mixed, start: int, given: int = 0) -> int:
    """Every vertex outside `given` that `given` does not m-separate from `start`, in one walk over open paths."""
    colliders = graph.ancestors(given, graph.all)
    by_tail, by_head = start & ~given, 0  # how a vertex was reached: by an arrow that leaves it, or by one that enters
    tails, heads = by_tail, 0
    while tails or heads:
        up = into = 0
        for v in bits(tails):
            up |= graph.pa[v]
            into |= graph.sp[v] | graph.ch[v]
        for v in bits(heads & ~given):
            into |= graph.ch[v]
        for v in bits(heads & colliders):
            up |= graph.pa[v]
            into |= graph.sp[v]
        tails, heads = up & ~given & ~by_tail, into & ~by_head
        by_tail |= tails
        by_head |= heads
    return (by_tail | by_head) & ~given
