"""Expression trees to values: names replaced by what they stand for, calls of functions unfolded."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, cast

from lark import Token, Tree

from causalcircuit.check import addresses, calls, circuit_wires, sets, wires
from causalcircuit.check.assign import assignment, world
from causalcircuit.check.generation import mentions
from causalcircuit.check.scope import Scope
from causalcircuit.check.values import Function, Module, Path, Row, Value, kind_of
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Fix, Span, did_you_mean, error
from causalcircuit.query import (
    FACTUAL,
    Assignment,
    Binary,
    CircuitDecl,
    Column,
    Compare,
    Counterfactual,
    DataRef,
    Expect,
    Expr,
    Index,
    Items,
    Logic,
    ModelRef,
    Negative,
    Number,
    OwnRow,
    Probability,
    Split,
    Text,
    Truth,
    Wires,
    Within,
    World,
    is_estimand,
    unite,
)
from causalcircuit.query.expr import ArithmeticOp, ComparisonOp
from causalcircuit.query.units import WRITTEN
from causalcircuit.syntax.trees import Node, inner, operators, span_of, tree_of, unquote


class Poisoned(Exception):  # noqa: N818 - not an error of its own: the cause is reported where it stands
    """The expression uses a name whose declaration is in error; nothing more is said of it."""


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
        hint = {World: "a world stands after a bar: `E[Y | w]`", Row: "name a column: `row.gender`"}.get(
            type(value), ""
        )
        if isinstance(value, Function):
            hint = f"call it: `{value.name}({', '.join(value.parameters)})`"
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
        parts = inner(node)
        value, span = float(str(parts[0])), self.span(node)
        if not math.isfinite(value):
            raise error("CQ219", f"`{parts[0]}` is too large a number", span, help="1e308 is the largest")
        if len(parts) == 1:
            return Number(value, span=span)
        unit = str(parts[1])
        if unit not in WRITTEN:
            product = f"{parts[0]} * {unit}"
            raise error(
                "CQ210",
                f"`{unit}` is no unit",
                self.span(parts[1]),
                help=(
                    f"a product is written `{product}`",
                    "units: " + ", ".join(f"`{u}`" for u in WRITTEN if u != "%"),
                ),
            )
        if span.source.position(span.start)[0] != self.span(parts[1]).line:
            raise error(
                "CQ210",
                f"the unit `{unit}` stands on another line than its number",
                self.span(parts[1]),
                help=f"write `{parts[0]} {unit}` on one line",
            )
        return Number(value / 100 if unit == "pp" else value, "nat" if unit == "nats" else unit, span=span)

    def _percent(self, node: Tree[Token]) -> Number:
        return Number(float(str(node.children[0])[:-1]) / 100, "%", span=self.span(node))

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
        base_node, token = inner(node)
        base, name, span = self.value(base_node), str(token)[1:], self.span(node)
        match base:
            case Row():
                return Column(name, span=span)
            case ModelRef():
                return addresses.step(Path(base, (), span), name, span)
            case Path():
                return addresses.step(base, name, span)
            case Module(name=module, scope=scope):
                if name not in scope.names and name not in scope.failed:
                    raise error(
                        "CQ201", f"`{module}` has no name `{name}`", span, help=did_you_mean(name, list(scope.names))
                    )
                found = scope.find(name, span)
                if found is None:
                    raise Poisoned
                return found
            case DataRef(split=split):
                if name not in ("train", "test"):
                    raise error("CQ206", f"data has no part `{name}`", span, help="parts are `.train` and `.test`")
                if split is None:
                    raise error(
                        "CQ206",
                        f"`{base.name}` has no `split`",
                        span,
                        help="declare one on the data: `split 70/30 seed 7`",
                    )
                part: Literal["train", "test"] = "train" if name == "train" else "test"
                return replace(base, split=Split(split.train, split.seed, part))
            case _:
                what = kind_of(base)
                raise error(
                    "CQ206",
                    f"{what} has no part `{name}`",
                    span,
                    help="parts after a `.` belong to models, data, rows and files in use",
                )

    def _index(self, node: Tree[Token]) -> Value:
        base_node, indices = inner(node)
        base, span = self.value(base_node), self.span(node)
        if isinstance(base, ModelRef):
            base = Path(base, (), span)
        if not isinstance(base, Path) or not isinstance(indices, Tree):
            said = self.span(base_node).text
            raise error(
                "CQ206", f"`{said}` is {kind_of(base)} and takes no index", span, help="addresses do: `m.layer[0]`"
            )
        indices, word = self._behind(base, indices)
        return addresses.subscript(base, self._indices(indices), span, word)

    def _behind(self, base: Path, indices: Tree[Token]) -> tuple[Tree[Token], str | None]:
        """What is inside brackets, less the word behind an answer: `["toxic", softmax]`, `["a cat", per_token]`."""
        *before, last = inner(indices)
        words = addresses.behind(base)
        if before and isinstance(last, Tree) and last.data == "reference" and self.word(last.children[0]) in words:
            return Tree(indices.data, list(before), indices.meta), self.word(last.children[0])
        return indices, None

    def _indices(self, tree: Tree[Token]) -> Index | Expr:
        items: list[int | tuple[int, int]] = []
        for child in inner(tree):
            kind = str(child.data) if isinstance(child, Tree) else ""
            if kind == "every":
                if len(inner(tree)) > 1:
                    raise error("CQ506", "`*` stands alone in an index", self.span(tree), help="write `[*]`")
                return "*"
            if kind == "span_of":
                ends = [str(t) for t in inner(tree_of(child))]
                if not all(t.isdigit() for t in ends):
                    raise error("CQ506", f"`{'..'.join(ends)}` is no range", self.span(child), help="write `[4..9]`")
                low, high = map(int, ends)
                if low > high:
                    raise error(
                        "CQ506", f"the range {low}..{high} is empty", self.span(child), help=f"write `{high}..{low}`"
                    )
                items.append((low, high))
                continue
            value = self.expr(child)
            if not isinstance(value, Number) or value.value != int(value.value):
                if len(inner(tree)) == 1:
                    return value
                return Items(tuple(self.expr(c) for c in inner(tree)), span=self.span(tree))
            items.append(int(value.value))
        single = items[0]
        return single if len(items) == 1 and isinstance(single, int) else tuple(items)

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

    def _not(self, node: Tree[Token]) -> Expr:
        return Logic("not", (self.expr(inner(node)[0]),), span=self.span(node))

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
        return world(given, self.span(node))

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
        inside, condition = self._given(given[0]) if given else (FACTUAL, None)
        return Expect(self._row_value(value), inside, condition, span=self.span(node))

    def _probability_of(self, node: Tree[Token]) -> Expr:
        event, *given = inner(node)
        inside, condition = self._given(given[0]) if given else (FACTUAL, None)
        return Probability(self._row_value(event), inside, condition, span=self.span(node))

    def _given(self, node: Node) -> tuple[World, Expr | None]:
        """What stands after a bar: worlds, which unite, and conditions, which all hold."""
        worlds: list[World] = []
        conditions: list[Expr] = []
        for child in inner(node) if isinstance(node, Tree) and node.data == "given" else [node]:
            value = self.value(child)
            if isinstance(value, World):
                worlds.append(value)
            else:
                conditions.append(self.as_expr(value, child))
        joined = unite(*worlds) if len(worlds) != 1 else worlds[0]
        if not conditions:
            return joined, None
        return joined, conditions[0] if len(conditions) == 1 else Logic("and", tuple(conditions), span=self.span(node))


def _offset(left: Node, op: str, right: Expr) -> bool:
    """Whether `A @ last - 1` is written: a whole number beside a position that no parentheses close off."""
    placed = isinstance(left, Tree) and left.data == "at"
    return placed and op in "+-" and isinstance(right, Number) and right.unit is None and right.value.is_integer()
