"""A second, different way to identify: fixing (Richardson, Evans, Robins and Shpitser 2017), on plain sets and numbers.

P(y | do(x)) is the sum over Y*∖y of the product over the districts D of G[Y*] of the kernel that is left when
everything outside D has been fixed, Y* being the ancestors of y in G[V∖x]. It is identified exactly if every D can be
reached so.
"""

from __future__ import annotations

import numpy as np

from tests.causal.models import Drawn


def closure(start: set[int], edges: list[tuple[int, int]]) -> set[int]:
    found = set(start)
    while True:
        more = {b for a, b in edges if a in found} - found
        if not more:
            return found
        found |= more


def identified(graph: Drawn, y: set[int], x: set[int], joint: np.ndarray | None = None) -> np.ndarray | bool:
    """The verdict; with the joint table of all variables, the effect itself or False."""
    everything = set(range(graph.n))
    free = everything - x
    back = [(b, a) for a, b in graph.directed if a in free and b in free]
    star = closure(y, back)
    pieces = []
    left = set(star)
    while left:
        district = closure({min(left)}, both_ways(graph, star))
        left -= district
        kernel = reach(graph, district, joint)
        if kernel is None:
            return False
        pieces.append(kernel)
    if joint is None:
        return True
    made = np.ones((1,) * graph.n)
    for kernel in pieces:
        made = made * kernel
    return made.sum(axis=tuple(star - y), keepdims=True)


def both_ways(graph: Drawn, within: set[int]) -> list[tuple[int, int]]:
    inside = [(a, b) for a, b in graph.bidirected if a in within and b in within]
    return inside + [(b, a) for a, b in inside]


def reach(graph: Drawn, goal: set[int], joint: np.ndarray | None) -> np.ndarray | None:
    """The kernel of `goal` after fixing all else one by one, or None where some vertex cannot be fixed."""
    random = set(range(graph.n))
    kernel = joint if joint is not None else np.ones((1,) * graph.n)
    while random != goal:
        for v in sorted(random - goal, reverse=True):
            below = closure({v}, [(a, b) for a, b in graph.directed if b in random])
            district = closure({v}, both_ways(graph, random))
            if below & district == {v}:
                break
        else:
            return None
        later = tuple((below - {v}) & random)
        seen = kernel.sum(axis=later, keepdims=True)
        kernel = kernel / (seen / seen.sum(axis=v, keepdims=True))
        # What is fixed stays an axis: the kernel is one distribution of the rest for each of its values.
        random.discard(v)
    return kernel
