"""The variables that a question about worlds of a structural model needs.

A variable in a world is the same thing as in another one where all that enters it is the same. So variables are told
apart by what enters them: two worlds share every part that their assignments do not reach, without being compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from causalcircuit.query.structural import Condition, Inner, Moment, Op, World, holds

__all__ = ["Condition", "Inner", "Moment", "Node", "Op", "World", "Worlds", "along", "holds"]


@dataclass(frozen=True, slots=True)
class Node:
    """A variable with all that enters it, or a number that was set.

    Attributes:
        name: of the variable; empty for a number. inputs: numbers of the nodes that enter, in the order of its causes.
        value: the number.
    """

    name: str
    inputs: tuple[int, ...] = ()
    value: float = 0.0


class Worlds:
    """The variables of several worlds, each once; nodes are numbered, causes first.

    Args:
        parents: of each variable, its causes in a fixed order.
    """

    def __init__(self, parents: Mapping[str, tuple[str, ...]]) -> None:
        self.parents = parents
        self.nodes: list[Node] = []
        self._numbers: dict[Node, int] = {}
        self._known: dict[tuple[str, World], int] = {}

    def _number(self, node: Node) -> int:
        if node not in self._numbers:
            self._numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return self._numbers[node]

    def _valued(self, value: float | str | Inner) -> int:
        if isinstance(value, Inner):
            return self.at(value.name, value.world)
        return self._number(Node("", (), float(value)))

    def at(self, name: str, world: World) -> int:
        """The number of a variable in a world."""
        if (name, world) not in self._known:
            sets, wires = dict(world.sets), dict(world.wires)
            if name in sets:
                found = self._valued(sets[name])
            else:
                inputs = (
                    self._valued(wires[p, name]) if (p, name) in wires else self.at(p, world)
                    for p in self.parents[name]
                )
                found = self._number(Node(name, tuple(inputs)))
            self._known[name, world] = found
        return self._known[name, world]

    def factual(self, name: str) -> int:
        """The number of a variable where nothing is assigned."""
        return self.at(name, World())

    def behind(self, numbers: Iterable[int]) -> list[int]:
        """Some nodes and all that enters them, causes first."""
        seen: set[int] = set()
        todo = list(numbers)
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo.extend(self.nodes[one].inputs)
        return sorted(seen)


def along(
    edges: Iterable[tuple[str, str]],
    active: Iterable[tuple[str, str]],
    cause: str,
    low: float,
    high: float,
    moved: Callable[[str], bool],
) -> World:
    """The world in which only some arrows hand on that `cause` is `high`; all others read what is with `low`.

    Args:
        edges: of the diagram. active: those that hand it on. moved: whether a variable descends from the cause.
    """
    base = World(((cause, low),))
    chosen = set(active)
    kept = tuple((edge, Inner(edge[0], base)) for edge in edges if edge not in chosen and moved(edge[0]))
    return World(((cause, high),), kept)
