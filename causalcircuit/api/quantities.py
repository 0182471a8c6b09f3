"""Quantities and worlds as Python objects, whose operators build the language's own expressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from causalcircuit.check import claim as make_claim
from causalcircuit.check.generation import mentions as make_mention
from causalcircuit.check.measure import unit
from causalcircuit.diagnostics import error
from causalcircuit.query import (
    FACTUAL,
    ROW,
    Binary,
    Claim,
    Column,
    Compare,
    Counterfactual,
    Expr,
    Items,
    Logic,
    ModelRef,
    Negative,
    Number,
    Picture,
    Text,
    Truth,
    Within,
    World,
    render,
    unite,
)
from causalcircuit.query.dictionary import Dictionary
from causalcircuit.query.expr import ArithmeticOp, ComparisonOp

Models = Mapping[str, ModelRef]
Like = "Quantity | float | int | str | bool"


def merge(*several: Models) -> dict[str, ModelRef]:
    """The models of all parts of an expression.

    Raises:
        DiagnosticError: CQ202, two different models go by one name.
    """
    out: dict[str, ModelRef] = {}
    for models in several:
        for name, ref in models.items():
            known = out.setdefault(name, ref)
            out[name] = replace(known, dictionaries=_united(known.dictionaries, ref.dictionaries))
            if replace(known, dictionaries=()) != replace(ref, dictionaries=()):
                raise error(
                    "CQ202",
                    f"two models are called `{name}`: `{out[name].source}` and `{ref.source}`",
                    help='give one of them a name: `cq.model("…", name="other")`',
                )
    return out


def _united(some: tuple[Dictionary, ...], more: tuple[Dictionary, ...]) -> tuple[Dictionary, ...]:
    """The dictionaries of both."""
    for d in more:
        if any(d.name == k.name and d != k for k in some):
            way = 'give one of them a name: `cq.sae("…", at=…, name="other")`'
            raise error("CQ202", f"two dictionaries are called `{d.name}`", help=way)
    return (*some, *(d for d in more if d not in some))


@dataclass(frozen=True, eq=False)
class Quantity:
    """Anything with a value: a site, a readout, a column, arithmetic of them, an event, or an estimand.

    Operators build expressions: `+ - * / **`, comparisons (`==` too), `&`, `~` for events, and `Y | w` for the value
    in another world. `expr` is the noun that the language builds for the same text.
    """

    expr: Expr
    models: Models = field(default_factory=dict)
    drawn: ClassVar[bool] = False
    """Whether it is a vertex of a diagram, and may be set there whatever it is."""

    def __repr__(self) -> str:
        """The canonical text."""
        return render(self.expr)

    def __hash__(self) -> int:
        """By meaning, so that quantities can be the targets in `do({A: 0})`."""
        return hash(self.expr)

    def __bool__(self) -> bool:
        """Whether both sides of an `==` are the same expression; other quantities are neither true nor false."""
        if isinstance(self.expr, Compare) and self.expr.op == "=":
            return self.expr.left == self.expr.right
        raise TypeError(f"`{self}` has a value on each row, not one truth value; combine events with `&` and `~`")

    def __iter__(self) -> Iterator[Quantity]:
        """The members of a set of nodes."""
        if not isinstance(self.expr, Items):
            raise TypeError(f"`{self}` is a single quantity; a pattern such as `m.layer['*'].resid @ last` is a set")
        return (Quantity(item, self.models) for item in self.expr.items)

    def _with(self, op: ArithmeticOp, other: Any, swap: bool = False) -> Quantity:
        right = quantity(other)
        a, b = (right, self) if swap else (self, right)
        return measured(Quantity(Binary(op, a.expr, b.expr), merge(self.models, right.models)))

    def __add__(self, other: Any) -> Quantity:
        return self._with("+", other)

    def __radd__(self, other: Any) -> Quantity:
        return self._with("+", other, swap=True)

    def __sub__(self, other: Any) -> Quantity:
        return self._with("-", other)

    def __rsub__(self, other: Any) -> Quantity:
        return self._with("-", other, swap=True)

    def __mul__(self, other: Any) -> Quantity:
        return self._with("*", other)

    def __rmul__(self, other: Any) -> Quantity:
        return self._with("*", other, swap=True)

    def __truediv__(self, other: Any) -> Quantity:
        return self._with("/", other)

    def __rtruediv__(self, other: Any) -> Quantity:
        return self._with("/", other, swap=True)

    def __pow__(self, other: Any) -> Quantity:
        return self._with("^", other)

    def __neg__(self) -> Quantity:
        if isinstance(self.expr, Number):
            return Quantity(Number(-self.expr.value, self.expr.unit), self.models)
        return Quantity(Negative(self.expr), self.models)

    def _compare(self, op: ComparisonOp, other: Any) -> Quantity:
        right = quantity(other)
        return Quantity(Compare(op, self.expr, right.expr), merge(self.models, right.models))

    def __lt__(self, other: Any) -> Quantity:
        return self._compare("<", other)

    def __gt__(self, other: Any) -> Quantity:
        return self._compare(">", other)

    def __le__(self, other: Any) -> Quantity:
        return self._compare("<=", other)

    def __ge__(self, other: Any) -> Quantity:
        return self._compare(">=", other)

    def __eq__(self, other: object) -> Quantity:  # type: ignore[override]
        return self._compare("=", other)

    def __ne__(self, other: object) -> Quantity:  # type: ignore[override]
        return self._compare("!=", other)

    def within(self, low: Any, high: Any) -> Quantity:
        """The event, or claim, that this lies in `[low, high]`."""
        return Quantity(Within(self.expr, quantity(low).expr, quantity(high).expr), self.models)

    def outside(self, low: Any, high: Any) -> Quantity:
        """The event, or claim, that this lies outside `[low, high]`."""
        return Quantity(Within(self.expr, quantity(low).expr, quantity(high).expr, outside=True), self.models)

    def mentions(self, *words: Any) -> Quantity:
        """The event that a text mentions one of these words, as a whole word in any case: strings, columns, lists.

        Raises:
            DiagnosticError: CQ482, this is no text, or a word is none.
        """
        said = quantity(list(words)).expr
        only = said.items[0] if isinstance(said, Items) and len(said.items) == 1 else said
        return Quantity(make_mention(self.expr, only, None), self.models)

    def __and__(self, other: Any) -> Quantity:
        right = quantity(other)
        return Quantity(Logic("and", (self.expr, right.expr)), merge(self.models, right.models))

    def __invert__(self) -> Quantity:
        return Quantity(Logic("not", (self.expr,)), self.models)

    def __or__(self, other: Any) -> Given:
        """`Y | w`: the value in world `w`; `(Y | w) | condition` inside `E[…]`."""
        if isinstance(other, Do):
            inside = merge(self.models, other.models)
            return Given(Counterfactual(self.expr, other.world), inside, value=self.expr, world=other.world)
        right = quantity(other)
        return Given(self.expr, merge(self.models, right.models), value=self.expr, condition=right.expr)


@dataclass(frozen=True, eq=False, repr=False)
class Given(Quantity):
    """`Y | w` or `Y | condition`, before `E[…]` or `P(…)` reads it."""

    value: Expr = field(kw_only=True)
    world: World = field(default=FACTUAL, kw_only=True)
    condition: Expr | None = field(default=None, kw_only=True)

    def __or__(self, other: Any) -> Given:
        """A condition on `(Y | w)`; a second world is refused, since it could mean a union or a nested value."""
        if isinstance(other, Do):
            raise TypeError(f"`{self} | {other}` names two worlds: `E[Y | w1, w2]` and `w1 & w2` are their union")
        return super().__or__(other)


@dataclass(frozen=True, eq=False)
class Do:
    """A world; `w1 & w2` is their union, `E[Y | w1, w2]` too."""

    world: World
    models: Models = field(default_factory=dict)

    def __repr__(self) -> str:
        """The canonical text."""
        return render(self.world)

    def __and__(self, other: Do) -> Do:
        return Do(unite(self.world, other.world), merge(self.models, other.models))

    def __ror__(self, other: Any) -> Given:
        raise TypeError(f"`{other} | {self}`: put comparisons in parentheses: `P((Y > 0) | w)`")


def quantity(x: Any) -> Quantity:
    """A quantity from a number, a string, a truth value, or a list of quantities.

    Raises:
        TypeError: `x` is none of these; an address needs its position first.
    """
    if isinstance(x, Quantity):
        return x
    if isinstance(x, bool):
        return Quantity(Truth(x))
    if isinstance(x, int | float):
        return Quantity(Number(float(x)))
    if isinstance(x, str):
        return Quantity(Text(x))
    if isinstance(x, Row):
        return Quantity(ROW)
    if isinstance(x, list | tuple):
        items = [quantity(i) for i in x]
        flat = [e for i in items for e in (i.expr.items if isinstance(i.expr, Items) else (i.expr,))]
        return Quantity(Items(tuple(flat)), merge(*(i.models for i in items)))
    raise TypeError(f"`{x!r}` is no quantity; an address needs a position, such as `{x!r} @ cq.last`")


def claim_of(name: str, condition: Quantity) -> Claim:
    """A comparison of an estimand with a number as a claim."""
    return make_claim(condition.expr, name, None)


def measured(q: Quantity) -> Quantity:
    """The quantity, its units checked (CQ311)."""
    unit(q.expr, None)
    return q


class Row:
    """`row.name`, or `row["name"]`: a column of the data; `row` itself is what `do({row: u})` replaces by a donor."""

    def __getattr__(self, name: str) -> Quantity:
        if name.startswith("__"):
            raise AttributeError(name)
        return Quantity(Column(name))

    def __getitem__(self, name: str) -> Quantity:
        return Quantity(Column(name))


row = Row()
picture = Quantity(Picture())
"""Where the image that feeds the model stands in a turn of a chat."""
