"""Expression trees to values: names replaced by what they stand for, calls of functions unfolded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from lark import Token, Tree

from causalcircuit.check import addresses, calls, circuit_wires, parts, sets, wires
from causalcircuit.check.assign import assignment, world
from causalcircuit.check.generation import mentions
from causalcircuit.check.scope import Poisoned, Scope
from causalcircuit.check.values import Function, Path, Row, Value, kind_of
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Fix, Span, error
from causalcircuit.query import (
    FACTUAL,
    Assignment,
    Binary,
    CircuitDecl,
    Compare,
    Counterfactual,
    Expect,
    Expr,
    Items,
    Logic,
    ModelRef,
    Negative,
    Number,
    OwnRow,
    Probability,
    Text,
    Truth,
    Wires,
    Within,
    World,
    is_estimand,
    unite,
)
from causalcircuit.query.expr import ArithmeticOp, ComparisonOp
from causalcircuit.query.identification import AnyValue
from causalcircuit.query.trials import CircuitClaim
from causalcircuit.syntax.trees import Node, inner, operators, span_of, tree_of, unquote


@dataclass(frozen=True, slots=True)
class Lowering:
    """Reads the trees of one statement in a scope."""

    statement: Span
    scope: Scope
    depth: int = 0

    def span(self, node: Node) -> Span:
        """Where a node stands."""
        return span_of(node, self.statement)

    def expr(self, node: Node) -> Expr:
        """An expression that is a row value or an estimand.

        Raises:
            DiagnosticError: CQ205, it is something else (a world, an address without a position).
        """
        return self.as_expr(self.value(node), node)

    def as_expr(self, value: Value, node: Node) -> Expr:
        """`value`, which must be an expression."""
        if isinstance(value, Expr):
            return value
        if isinstance(value, Path):
            raise addresses.unplaced(value)
        if isinstance(value, ModelRef):
            raise addresses.unplaced(Path(value, (), self.span(node)))
        if isinstance(value, CircuitDecl):
            raise sets.no_value(value.name, self.span(node))
        hint = {
            World: "a world stands after a bar: `E[Y | w]`",
            Row: "name a column: `row.gender`",
            CircuitClaim: "claims stand in `test` and `hypothesis`: `test equivalent(C) on d`",
        }.get(type(value), "")
        if isinstance(value, Function):
            hint = f"call it: `{value.usage}`"
        raise error("CQ205", f"`{self.span(node).text}` is {kind_of(value)}, not a value", self.span(node), help=hint)

    def world(self, node: Node) -> World:
        """An expression that is a world."""
        value = self.value(node)
        if not isinstance(value, World):
            raise error(
                "CQ205",
                f"`{self.span(node).text}` is {kind_of(value)}, not a world",
                self.span(node),
                help="a world is `do(…)` or the name of one",
            )
        return value

    def value(self, node: Node) -> Value:
        """Whatever an expression stands for."""
        if isinstance(node, Token):
            return self._find(str(node), self.span(node))
        read = getattr(self, f"_{str(node.data).rstrip('_')}", None)
        if read is None:
            raise error(
                "CQ105",
                f"`{self.span(node).text}` is not available in this version",
                self.span(node),
                help="leave it out",
            )
        return cast(Value, read(node))

    # ---- leaves

    def _number(self, node: Tree[Token]) -> Number:
        return parts.number(self, node)

    def _percent(self, node: Tree[Token]) -> Number:
        return Number(float(str(node.children[0])[:-1]) / 100, "%", span=self.span(node))

    def _any_value(self, node: Tree[Token]) -> Expr:
        return AnyValue(span=self.span(node))

    def _string(self, node: Tree[Token]) -> Text:
        return Text(unquote(str(node.children[0])), span=self.span(node))

    def _reference(self, node: Tree[Token]) -> Value:
        name = node.children[0]
        return self._find(self.word(name), self.span(node))

    def _name(self, node: Tree[Token]) -> Value:
        return self._find(str(node.children[0]), self.span(node))

    def word(self, node: Node) -> str:
        """A name, as written."""
        return str(node.children[0]) if isinstance(node, Tree) else str(node)

    def _find(self, name: str, span: Span) -> Value:
        if name in ("true", "false"):
            return Truth(name == "true", span=span)
        found = self.scope.find(name, span)
        if found is None:
            raise Poisoned
        # the place of use, so that later messages point there
        return replace(found, span=span) if isinstance(found, Expr | World) and not self._in_call else found

    @property
    def _in_call(self) -> bool:
        return self.depth > 0

    # ---- after a primary

    def _field(self, node: Tree[Token]) -> Value:
        return parts.field(self, node)

    def _index(self, node: Tree[Token]) -> Value:
        return parts.index(self, node)

    def _at(self, node: Tree[Token]) -> Value:
        base_node, place = inner(node)
        base, span = self.value(base_node), self.span(node)
        if isinstance(base, ModelRef):
            raise addresses.unplaced(Path(base, (), self.span(base_node)))
        if not isinstance(base, Path):
            raise error(
                "CQ211",
                f"`{self.span(base_node).text}` is {kind_of(base)} and takes no position",
                span,
                help="positions stand after addresses: `m.layer[0].resid @ last`",
            )
        position = addresses.position_of(tree_of(place), self.statement, self.value)
        return addresses.place(base, position, span, self.span(place))

    def _call(self, node: Tree[Token]) -> Value:
        return calls.call(self, node)

    # ---- arithmetic and events

    def _group(self, node: Tree[Token]) -> Value:
        return self.value(inner(node)[0])

    def _items(self, node: Tree[Token]) -> Items:
        flat: list[Expr] = []
        for child in inner(node):
            item = self.expr(child)
            flat.extend(item.items if isinstance(item, Items) else [item])
        return Items(sets.union(flat), span=self.span(node))

    def _except(self, node: Tree[Token]) -> Items:
        left, right = (self.expr(n) for n in inner(node))
        return sets.difference(left, right, self.scope.sites, self.span(node))

    def _complement(self, node: Tree[Token]) -> Items:
        return sets.outside(self.expr(inner(node)[0]), self.scope.sites, self.span(node))

    def _binary(self, node: Tree[Token]) -> Expr:
        left, right = inner(node)
        a, b = self.expr(left), self.expr(right)
        if _offset(left, operators(node)[0], b):
            place = tree_of(tree_of(left).children[-1])
            meant = f"({self.span(place).text} {operators(node)[0]} {self.span(right).text})"
            raise error(
                "CQ113",
                f"an offset of a position stands in parentheses: `@ {meant}`",
                self.span(place).to(self.span(right)),
                "outside the position",
                help=f"to shift the value itself, write `({self.span(left).text}) {operators(node)[0]} …`",
                fix=Fix(self.span(place).to(self.span(right)), meant),
            )
        return Binary(cast(ArithmeticOp, operators(node)[0]), a, b, span=self.span(node))

    def _power(self, node: Tree[Token]) -> Expr:
        base, exponent = inner(node)
        return Binary("^", self.expr(base), self.expr(exponent), span=self.span(node))

    def _negative(self, node: Tree[Token]) -> Expr:
        operand = self.expr(inner(node)[0])
        if isinstance(operand, Number):
            return Number(-operand.value, operand.unit, span=self.span(node))
        return Negative(operand, span=self.span(node))

    def _compare(self, node: Tree[Token]) -> Expr:
        left, right = inner(node)
        op = cast(ComparisonOp, operators(node)[0])
        return Compare(op, self.expr(left), self.expr(right), span=self.span(node))

    def _within(self, node: Tree[Token], outside: bool = False) -> Expr:
        value, bounds = inner(node)
        low, high = (self.expr(b) for b in inner(tree_of(bounds)))
        return Within(self.expr(value), low, high, outside, span=self.span(node))

    def _outside(self, node: Tree[Token]) -> Expr:
        return self._within(node, outside=True)

    def _mentions(self, node: Tree[Token]) -> Expr:
        value, words = inner(node)
        return mentions(self.expr(value), self.expr(words), self.span(node))

    def _not(self, node: Tree[Token]) -> Value:
        value = self.value(inner(node)[0])
        if isinstance(value, CircuitClaim):
            return replace(value, negated=not value.negated, span=self.span(node))
        return Logic("not", (self.as_expr(value, inner(node)[0]),), span=self.span(node))

    def _conjunction(self, node: Tree[Token]) -> Expr:
        return Logic("and", tuple(self.expr(c) for c in inner(node)), span=self.span(node))

    def _disjunction(self, node: Tree[Token]) -> Expr:
        return Logic("or", tuple(self.expr(c) for c in inner(node)), span=self.span(node))

    # ---- worlds

    def _do(self, node: Tree[Token]) -> World:
        given: list[Assignment] = []
        for child in inner(node):
            target, value = inner(tree_of(child))
            to = self._target(target)
            if isinstance(to, Wires):
                of = circuit_wires.wires_elsewhere(self, to, value, self._given)
            else:
                of = self.expr(value)
            given.append(assignment(to, of, self.span(child), self.scope))
        return world(given, self.span(node), self.scope.in_diagram)

    def _target(self, node: Node) -> Expr:
        """What is assigned: a wire is one, and no value."""
        if isinstance(node, Tree) and node.data == "wire":
            return wires.wire(self, node)
        circuit = circuit_wires.wires_at(self, node)
        if circuit is not None:
            return circuit
        value = self.value(node)
        return OwnRow(span=value.span) if isinstance(value, Row) else self.as_expr(value, node)

    def _wire(self, node: Tree[Token]) -> Value:
        raise wires.misplaced(self.span(node).text, self.span(node))

    def _counterfactual(self, node: Tree[Token]) -> Expr:
        value, given = inner(node)
        inside, condition = self._given(given)
        if condition is not None:
            raise error(
                "CQ213",
                f"after the bar of a counterfactual value stands a world, and `{shown(condition)}` is none",
                within(condition.span, self.span(given)),
                "a condition",
                help=("a world is `do(…)` or the name of one", "conditions select rows, in `E[Y | w, condition]`"),
            )
        return Counterfactual(self._row_value(value), inside, span=self.span(node))

    def _row_value(self, node: Node) -> Expr:
        value = self.expr(node)
        if is_estimand(value):
            raise error(
                "CQ214",
                f"`{self.span(node).text}` speaks of all rows, and a row's value is needed here",
                self.span(node),
                help="`E` and `P` stand outermost",
            )
        return value

    def _expect_of(self, node: Tree[Token]) -> Expr:
        value, *given = inner(node)
        inside, condition = self._given(given[0], bare=False) if given else (FACTUAL, None)
        return Expect(self._row_value(value), inside, condition, span=self.span(node))

    def _probability_of(self, node: Tree[Token]) -> Expr:
        event, *given = inner(node)
        inside, condition = self._given(given[0], bare=False) if given else (FACTUAL, None)
        return Probability(self._row_value(event), inside, condition, span=self.span(node))

    def _given(self, node: Node, bare: bool = True) -> tuple[World, Expr | None]:
        """What stands after a bar: worlds, which unite, and conditions, which all hold.

        Without `bare` the constant `true` is no condition: it is what a function's argument is that was left out.
        """
        worlds: list[World] = []
        conditions: list[Expr] = []
        for child in inner(node) if isinstance(node, Tree) and node.data == "given" else [node]:
            value = self.value(child)
            if isinstance(value, World):
                worlds.append(value)
            elif bare or not (isinstance(value, Truth) and value.value):
                conditions.append(self.as_expr(value, child))
        joined = unite(*worlds) if len(worlds) != 1 else worlds[0]
        if not conditions:
            return joined, None
        return joined, conditions[0] if len(conditions) == 1 else Logic("and", tuple(conditions), span=self.span(node))


def _offset(left: Node, op: str, right: Expr) -> bool:
    """Whether `A @ last - 1` is written: a whole number beside a position that no parentheses close off."""
    placed = isinstance(left, Tree) and left.data == "at"
    return placed and op in "+-" and isinstance(right, Number) and right.unit is None and right.value.is_integer()
