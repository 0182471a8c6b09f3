"""Worlds of a structural model, and what of them a question needs.

A variable in a world is the same thing as in another one where all that enters it is the same. So variables are told
apart by what enters them: two worlds share every part that their assignments do not reach, without being compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Op = Literal["=", "<", ">", "<=", ">="]


@dataclass(frozen=True, slots=True)
class Inner:
    """The value that a variable takes on the same row in another world."""

    name: str
    world: World

    def __str__(self) -> str:
        """The value as `(H | do(B = 1))`."""
        return f"({self.name} | {self.world})"


@dataclass(frozen=True, slots=True)
class World:
    """Assignments to variables, and to arrows: what one effect reads of one cause.

    Attributes:
        sets: (variable, value). wires: ((cause, effect), value). A value is a number, or that of a variable in another
            world, which inherits nothing from this one.
    """

    sets: tuple[tuple[str, float | Inner], ...] = ()
    wires: tuple[tuple[tuple[str, str], float | Inner], ...] = ()

    @classmethod
    def of(cls, do: Mapping[str, float | Inner]) -> World:
        """The world that sets some variables."""
        return cls(tuple(do.items()))

    def __str__(self) -> str:
        """The world as `do(X = 1, (A -> B) = 2)`."""
        parts = [(v, x) for v, x in self.sets] + [(f"({a} -> {b})", x) for (a, b), x in self.wires]
        return f"do({', '.join(f'{v} = {_shown(x)}' for v, x in parts)})"

    def values(self) -> Iterator[float | Inner]:
        """What is assigned."""
        yield from (v for _, v in self.sets)
        yield from (v for _, v in self.wires)

    def names(self) -> Iterator[str]:
        """The variables that it speaks of, those of inner worlds too."""
        yield from (v for v, _ in self.sets)
        for edge, _ in self.wires:
            yield from edge
        for value in self.values():
            if isinstance(value, Inner):
                yield value.name
                yield from value.world.names()

    @property
    def wired(self) -> bool:
        """Whether it assigns an arrow, itself or in an inner world."""
        return bool(self.wires) or any(isinstance(v, Inner) and v.world.wired for v in self.values())


@dataclass(frozen=True, slots=True)
class Condition:
    """A variable of a world stands in a relation to a number."""

    name: str
    op: Op
    value: float
    world: World = field(default_factory=World)


@dataclass(frozen=True, slots=True)
class Moment:
    """The mean of a variable in a world, or the probability of an event of it, where conditions hold.

    Attributes:
        outcome: a variable. world: where it is read. given: all of them hold. event: asks for its probability instead
            of the mean.
    """

    outcome: str
    world: World = field(default_factory=World)
    given: tuple[Condition, ...] = ()
    event: tuple[Op, float] | None = None

    def names(self) -> Iterator[str]:
        """The variables that it speaks of."""
        yield self.outcome
        yield from self.world.names()
        for one in self.given:
            yield one.name
            yield from one.world.names()

    @property
    def bar(self) -> str:
        """World and conditions as text, with their bar; empty without any."""
        parts = [str(self.world)] if self.world != World() else []
        parts += [f"{c.name} {c.op} {c.value:g}" for c in self.given]
        return f" | {', '.join(parts)}" if parts else ""

    @property
    def wired(self) -> bool:
        """Whether it speaks of single arrows."""
        return self.world.wired or any(c.world.wired for c in self.given)


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


def _shown(value: float | Inner) -> str:
    return str(value) if isinstance(value, Inner) else f"{value:g}"


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

    def _valued(self, value: float | Inner) -> int:
        return self.at(value.name, value.world) if isinstance(value, Inner) else self._number(Node("", (), value))

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


def holds(value: float, op: Op, limit: float) -> bool:
    """Whether a value stands in a relation to a limit."""
    tests = {"=": value == limit, "<": value < limit, ">": value > limit, "<=": value <= limit, ">=": value >= limit}
    return tests[op]
