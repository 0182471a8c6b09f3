"""Fitted structural models, and questions to one: worlds, conditions, moments over the variables of a diagram."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from causalcircuit.diagnostics import Span
from causalcircuit.query.program import DataRef, Graph

Op = Literal["=", "<", ">", "<=", ">="]


@dataclass(frozen=True, slots=True)
class Fitted:
    """`fit S = scm(G) on d with linear_gaussian`: it is fitted where something asks it.

    Attributes:
        mechanisms: their kind. settings: numbers that it is given, such as (("bins", 4.0),).
        level, seed: of intervals, where the question names none.
    """

    name: str
    graph: Graph
    data: DataRef
    mechanisms: str
    settings: tuple[tuple[str, float], ...] = ()
    level: float | None = None
    seed: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


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
        sets: (variable, value). wires: ((cause, effect), value). A value is a number or a label, or that of a variable
            in another world, which inherits nothing from this one.
    """

    sets: tuple[tuple[str, float | str | Inner], ...] = ()
    wires: tuple[tuple[tuple[str, str], float | str | Inner], ...] = ()

    @classmethod
    def of(cls, do: Mapping[str, float | str | Inner]) -> World:
        """The world that sets some variables."""
        return cls(tuple(do.items()))

    def __str__(self) -> str:
        """The world as `do(X = 1, (A -> B) = 2)`."""
        parts = [(v, x) for v, x in self.sets] + [(f"({a} -> {b})", x) for (a, b), x in self.wires]
        return f"do({', '.join(f'{v} = {_shown(x)}' for v, x in parts)})"

    def values(self) -> Iterator[float | str | Inner]:
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
    value: float | str
    world: World = field(default_factory=World)

    @property
    def number(self) -> float:
        """The value, once a table has said which number a label is."""
        return float(self.value)


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
    event: tuple[Op, float | str] | None = None

    @property
    def asked(self) -> tuple[Op, float] | None:
        """The event, once a table has said which number a label is."""
        return None if self.event is None else (self.event[0], float(self.event[1]))

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
        parts += [f"{c.name} {c.op} {_shown(c.value)}" for c in self.given]
        return f" | {', '.join(parts)}" if parts else ""

    @property
    def wired(self) -> bool:
        """Whether it speaks of single arrows."""
        return self.world.wired or any(c.world.wired for c in self.given)


def _shown(value: float | str | Inner) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def holds(value: float, op: Op, limit: float) -> bool:
    """Whether a value stands in a relation to a limit."""
    tests = {"=": value == limit, "<": value < limit, ">": value > limit, "<=": value <= limit, ">=": value >= limit}
    return tests[op]
