"""The effects that an estimand is made of: what has to be identified for it to follow from a diagram."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from causalcircuit.causal import Effect
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import DiagnosticError, Span, did_you_mean, error
from causalcircuit.query import (
    Binary,
    Column,
    Compare,
    Counterfactual,
    Draw,
    Expect,
    Expr,
    Generated,
    Input,
    Items,
    Logic,
    Negative,
    Number,
    Output,
    OwnRow,
    Probability,
    Site,
    Statistic,
    Text,
    Truth,
    World,
    children,
    walk,
)
from causalcircuit.query.identification import AnyValue, Variable
from causalcircuit.query.summaries import Summary

_FIXED = (Number, Text, Truth, AnyValue, Statistic)
_OF_ROWS = (Column, Site, Output, Input, Generated, Draw, OwnRow, Variable)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads estimands over the vertices of a diagram.

    Attributes:
        graph: the diagram's name. vertices: what stands for each vertex. span: of the question.
    """

    graph: str
    vertices: Mapping[Expr, str]
    span: Span | None

    def effects(self, estimand: Expr) -> tuple[Effect, ...]:
        """Each effect once, in the order of the text.

        Raises:
            DiagnosticError: CQ281, something that the diagram does not have; CQ282, something that no effect of it is.
        """
        found: dict[Effect, None] = {}
        for e in walk(estimand, worlds=False):
            if isinstance(e, Summary):
                way = "ask for a mean or a probability: `E[Y | do(X = 1)]`, `P(Y > 2 | do(X = 1))`"
                raise self._no_effect("diagrams answer for means and probabilities", e, way)
            if isinstance(e, Expect | Probability):
                do, given = self._set(e.world), tuple(dict.fromkeys(self._given(e.condition)))
                for of in self._outcomes(e):
                    found[Effect(of, do, given)] = None
        return tuple(found)

    def _outcomes(self, e: Expect | Probability) -> Iterator[tuple[str, ...]]:
        """The outcomes that have to be known together: all of an event, the parts of a sum each by itself."""
        values = self._addends(e.value) if isinstance(e, Expect) else (e.event,)
        parts = dict.fromkeys(map(self._named, values))
        outcomes = [p for p in parts if p]
        if not outcomes:
            raise self._no_effect("it has no outcome", e, "name what is read: `E[Y | do(X = 1)]`")
        yield from outcomes

    def _addends(self, value: Expr) -> Iterator[Expr]:
        """The parts of a mean that can be taken by themselves: `E[a + 2 * b] = E[a] + 2 * E[b]`."""
        match value:
            case _ if value in self.vertices:
                yield value
            case Binary(op="+" | "-", left=left, right=right):
                yield from self._addends(left)
                yield from self._addends(right)
            case Negative(operand=part):
                yield from self._addends(part)
            case Binary(op="*", left=Number(), right=part) | Binary(op="*" | "/", left=part, right=Number()):
                yield from self._addends(part)
            case _:
                yield value

    def _named(self, e: Expr) -> tuple[str, ...]:
        """The vertices that a value is made of."""
        return tuple(dict.fromkeys(self._walk(e)))

    def _walk(self, e: Expr) -> Iterator[str]:
        if e in self.vertices:
            yield self.vertices[e]
        elif isinstance(e, Counterfactual):
            way = "ask of one world: `E[Y | do(X = 1)]`"
            raise self._no_effect("it is the value of a row in another world", e, way)
        elif isinstance(e, _OF_ROWS):
            raise self._unknown(e)
        elif not isinstance(e, Statistic):
            for child in children(e):
                yield from self._walk(child)

    def _set(self, world: World) -> tuple[str, ...]:
        """The vertices that a world sets, each to a value that is the same for all rows."""
        sets = {whole: v for whole, v in self.vertices.items() if isinstance(whole, Items)}
        targets = [a.target for a in world.assignments]
        out: list[str] = []
        for i, a in enumerate(world.assignments):
            # A set of nodes is assigned member by member.
            names = [self.vertices[a.target]] if a.target in self.vertices else []
            names += [v for whole, v in sets.items() if a.target in whole.items and set(whole.items) <= set(targets)]
            if not names:
                raise self._unknown(a.target)
            if a.target in targets[:i]:
                way = "assignments are simultaneous: keep one, or make two worlds"
                said = f"`{names[0]}` is assigned twice in one world"
                raise error("CQ301", said, within(a.span, self.span), "again here", help=way)
            if not _fixed(a.value):
                way = "set one value for all rows, `do(X = 1)`, or every value, `do(X = *)`"
                raise self._no_effect("it differs from row to row", a.value, way)
            out += names
        return tuple(dict.fromkeys(out))

    def _given(self, condition: Expr | None) -> Iterator[str]:
        """The vertices that a condition fixes."""
        match condition:
            case None:
                return
            case Logic(op="and", operands=operands):
                for part in operands:
                    yield from self._given(part)
            case Logic(op="not", operands=(part,)) if part in self.vertices:
                yield self.vertices[part]
            case Compare(op="=", left=left, right=right) if left in self.vertices and _fixed(right):
                yield self.vertices[left]
            case Compare(op="=", left=left, right=right) if right in self.vertices and _fixed(left):
                yield self.vertices[right]
            case _ if condition in self.vertices:
                yield self.vertices[condition]
            case _:
                self._named(condition)  # what is unknown is told first
                way = "a condition fixes variables: `E[Y | do(X = 1), Z = 2]`"
                raise self._no_effect("it is a range of values", condition, way)

    def _unknown(self, e: Expr) -> DiagnosticError:
        names = list(dict.fromkeys(self.vertices.values()))
        near = did_you_mean(e.name, names) if isinstance(e, Variable) else ""
        return error(
            "CQ281",
            f"`{shown(e)}` is no variable of `{self.graph}`",
            within(e.span, self.span),
            help=(near, f"its variables: {', '.join(f'`{n}`' for n in names)}"),
        )

    def _no_effect(self, why: str, e: Expr, way: str) -> DiagnosticError:
        return error(
            "CQ282",
            f"`{shown(e)}` is nothing that identification answers: {why}",
            within(e.span, self.span),
            help=way,
        )


def _fixed(value: Expr) -> bool:
    """Whether a value is the same for all rows."""
    if isinstance(value, Binary | Negative):
        return all(map(_fixed, children(value)))
    return isinstance(value, _FIXED)
