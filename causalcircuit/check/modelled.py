"""An estimand as a fitted structural model is asked it: means over worlds of the diagram's variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from causalcircuit.check.terms import constant_of
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import (
    Binary,
    Compare,
    Counterfactual,
    Expect,
    Expr,
    Graph,
    Logic,
    Negative,
    Number,
    Probability,
    Text,
    is_event,
    rebuild,
)
from causalcircuit.query import World as Assigned
from causalcircuit.query.expr import Term
from causalcircuit.query.identification import Variable
from causalcircuit.query.structural import Condition, Inner, Moment, Op, World

_TURNED: Mapping[str, Op] = {"=": "=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Modelled:
    """An estimand as arithmetic over `Term(i)`; term i is moment i."""

    combine: Expr
    moments: tuple[Moment, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that it speaks of."""
        return tuple(dict.fromkeys(name for m in self.moments for name in m.names()))


def modelled(estimand: Expr, graph: Graph, span: Span | None = None) -> Modelled:
    """What a structural model over a diagram is asked.

    Raises:
        DiagnosticError: CQ281, a value that is no variable of the diagram; CQ284, one that nobody measures; CQ888,
            what such a model is not asked.
    """
    reader = _Reader({value: name for name, value in graph.nodes}, graph.name, span)
    combine = reader.cut(estimand)
    return Modelled(combine, tuple(reader.moments))


@dataclass(slots=True)
class _Reader:
    vertices: Mapping[Expr, str]
    graph: str
    span: Span | None
    moments: list[Moment] = field(default_factory=list)

    def cut(self, e: Expr) -> Expr:
        """`e` with each expectation replaced by arithmetic over terms."""
        if isinstance(e, Expect):
            return self._mean(e.value, e)
        if isinstance(e, Probability):
            return self._event(e.event, e)
        return rebuild(e, self.cut)

    def _mean(self, value: Expr, e: Expect) -> Expr:
        """The mean of a sum, part by part."""
        match value:
            case _ if value in self.vertices or isinstance(value, Counterfactual):
                return self._term(*self._read(value, e.world), e)
            case Number():
                return value
            case Binary(op="+" | "-" as op, left=left, right=right):
                return Binary(op, self._mean(left, e), self._mean(right, e))
            case Negative(operand=part):
                return Negative(self._mean(part, e))
            case Binary(op="*", left=Number() as k, right=part):
                return Binary("*", k, self._mean(part, e))
            case Binary(op="*" | "/" as op, left=part, right=Number() as k):
                return Binary(op, self._mean(part, e), k)
            case _ if is_event(value):
                return self._event(value, e)
            case _:
                raise self._none(value, "it is no variable and no sum of variables", "ask of `E[Y | …]`, Y a variable")

    def _event(self, value: Expr, e: Expect | Probability) -> Expr:
        match value:
            case Logic(op="not", operands=(part,)):
                return Binary("-", Number(1.0), self._event(part, e))
            case Compare():
                one = self._compared(value, e.world)
                return self._term(one.name, one.world, e, (one.op, one.value))
            case _:
                return self._term(*self._read(value, e.world), e)

    def _term(
        self, name: str, world: World, e: Expect | Probability, event: tuple[Op, float | str] | None = None
    ) -> Expr:
        moment = Moment(name, world, tuple(self._given(e.condition, e.world)), event)
        if moment not in self.moments:
            self.moments.append(moment)
        return Term(self.moments.index(moment))

    def _read(self, value: Expr, world: Assigned) -> tuple[str, World]:
        """A variable, and the world in which it is read."""
        if isinstance(value, Counterfactual):
            return self._read(value.value, value.world)
        return self._vertex(value), self._world(world)

    def _given(self, condition: Expr | None, world: Assigned) -> Iterator[Condition]:
        match condition:
            case None:
                return
            case Logic(op="and", operands=operands):
                for part in operands:
                    yield from self._given(part, world)
            case Logic(op="not", operands=(part,)):
                name, where = self._read(part, world)
                yield Condition(name, "=", 0.0, where)
            case Compare():
                yield self._compared(condition, world)
            case _:
                name, where = self._read(condition, world)
                yield Condition(name, "=", 1.0, where)

    def _compared(self, e: Compare, world: Assigned) -> Condition:
        left, right = constant_of(e.left), constant_of(e.right)
        if e.op in _TURNED and (left is None) != (right is None):
            op: Op = _TURNED[e.op] if right is None else e.op  # type: ignore[assignment]
            name, where = self._read(e.left if right is not None else e.right, world)
            return Condition(name, op, self._value(left if right is None else right), where)
        raise self._none(e, "a variable is compared with a value that is written down", "write `Y > 0` or `Z = 1`")

    def _world(self, world: Assigned) -> World:
        sets: list[tuple[str, float | str | Inner]] = []
        for a in world.assignments:
            name = self._vertex(a.target)
            if isinstance(a.value, Counterfactual):
                inner, where = self._read(a.value, world)
                sets.append((name, Inner(inner, where)))
                continue
            found = constant_of(a.value)
            if found is None:
                way = "set a number, or a variable's value in another world: `do(M = (M | do(X = 0)))`"
                raise self._none(a.value, "no such value is set", way)
            sets.append((name, self._value(found)))
        return World(tuple(sorted(sets, key=lambda pair: pair[0])))

    def _value(self, e: Expr | None) -> float | str:
        return e.value if isinstance(e, Number | Text) else 0.0

    def _vertex(self, e: Expr) -> str:
        name = self.vertices.get(e, "")
        if isinstance(e, Variable):
            raise error(
                "CQ284",
                f"`{e.name}` is in a diagram and nowhere else: no row has a value of it",
                within(e.span, self.span),
                "bound to nothing",
                help=(f"bind it above the graph: `node {e.name} = row.column`", "ask with `identify … in G`"),
            )
        if not name:
            known = ", ".join(f"`{n}`" for n in self.vertices.values())
            raise error(
                "CQ281", f"`{shown(e)}` is no variable of `{self.graph}`", within(e.span, self.span),
                help=f"its variables: {known}",
            )  # fmt: skip
        return name

    def _none(self, e: Expr, why: str, way: str) -> DiagnosticError:
        message = f"`{shown(e)}` is nothing that a structural model is asked: {why}"
        return error("CQ888", message, within(e.span, self.span), help=way)
