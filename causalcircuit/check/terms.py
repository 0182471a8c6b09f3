"""An estimand over a diagram, cut into means that single effects answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from causalcircuit.check.effects import Reader
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import (
    Binary,
    Column,
    Compare,
    Expect,
    Expr,
    Graph,
    Items,
    Logic,
    Negative,
    Number,
    Probability,
    Statistic,
    Text,
    Truth,
    is_event,
    rebuild,
    walk,
)
from causalcircuit.query.expr import Term
from causalcircuit.query.identification import AnyValue, Variable
from causalcircuit.query.regimes import Wanted


@dataclass(frozen=True, slots=True)
class Terms:
    """An estimand as arithmetic over `Term(i)`; term i is mean `places[i]`, (number in `wanted`, number in it)."""

    combine: Expr
    wanted: tuple[Wanted, ...]
    places: tuple[tuple[int, int], ...]


def terms_of(estimand: Expr, graph: Graph, span: Span | None = None) -> Terms:
    """What has to be estimated for an estimand.

    Raises:
        DiagnosticError: CQ281, CQ282, what the diagram does not have or answer; CQ284, what nobody measures; CQ861, a
            value that is none for rows to have.
    """
    vertices = {value: name for name, value in graph.nodes}
    Reader(graph.name, vertices, span).effects(estimand)
    cutter = _Cutter(vertices, span)
    combine = cutter.cut(estimand)
    wanted = tuple(replace(w, settings=tuple(s)) for w, s in cutter.found.items())
    return Terms(combine, wanted, tuple(cutter.places))


@dataclass(slots=True)
class _Cutter:
    vertices: Mapping[Expr, str]
    span: Span | None
    found: dict[Wanted, list[tuple[Expr, ...]]] = field(default_factory=dict)
    places: list[tuple[int, int]] = field(default_factory=list)

    def cut(self, e: Expr) -> Expr:
        """`e` with each expectation replaced by arithmetic over terms."""
        if isinstance(e, Expect):
            return self._mean(e.value, e)
        if isinstance(e, Probability):
            return self._term(e.event, True, e)
        return rebuild(e, self.cut)

    def _mean(self, value: Expr, e: Expect) -> Expr:
        """The mean of a sum, part by part, as identification takes it."""
        match value:
            case _ if value in self.vertices:
                return self._term(value, is_event(value), e)
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
            case _:
                return self._term(value, is_event(value), e)

    def _term(self, value: Expr, event: bool, e: Expect | Probability) -> Expr:
        do = {self._vertex(a.target): self._fixed(a.value) for a in e.world.assignments}
        given = dict(self._given(e.condition))
        written = self._over_names(value)
        of = tuple(dict.fromkeys(x.name for x in walk(written) if isinstance(x, Column)))
        known = Wanted(of, tuple(sorted(do)), tuple(sorted(given)), written, event)
        setting = (*(do[v] for v in known.do), *(given[v] for v in known.given))
        settings = self.found.setdefault(known, [])
        if setting not in settings:
            settings.append(setting)
        place = (list(self.found).index(known), settings.index(setting))
        if place not in self.places:
            self.places.append(place)
        return Term(self.places.index(place))

    def _over_names(self, value: Expr) -> Expr:
        """A value of rows with each variable as a column of its name."""
        if value in self.vertices:
            return Column(self._vertex(value))
        return rebuild(value, self._over_names)

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
        if isinstance(e, Items) or not name:
            raise self._none(e, "a set of nodes has no one value on a row", "name a single node")
        return name

    def _fixed(self, value: Expr) -> Expr:
        """A value that a variable is set or held to, as a number, text or truth value."""
        if isinstance(value, AnyValue):
            raise error(
                "CQ284",
                "`*` is every value, and a number is of one",
                within(value.span, self.span),
                "at every value",
                help="name the value: `do(X = 1)`",
            )
        if isinstance(value, Statistic):
            raise self._none(value, "a regime compares values that are written down", "write the number")
        found = constant_of(value)
        if found is not None:
            return found
        raise self._none(value, "it is no number and no text", "set a number or a text: `do(X = 1)`")

    def _given(self, condition: Expr | None) -> list[tuple[str, Expr]]:
        match condition:
            case Logic(op="and", operands=operands):
                return [pair for part in operands for pair in self._given(part)]
            case Logic(op="not", operands=(part,)):
                return [(self._vertex(part), Number(0.0))]
            case Compare(op="=", left=left, right=right) if left in self.vertices:
                return [(self._vertex(left), self._fixed(right))]
            case Compare(op="=", left=left, right=right) if right in self.vertices:
                return [(self._vertex(right), self._fixed(left))]
            case None:
                return []
            case _:
                return [(self._vertex(condition), Number(1.0))]

    def _none(self, e: Expr, why: str, way: str) -> DiagnosticError:
        message = f"`{shown(e)}` is no value that a regime of observed rows can work with: {why}"
        return error("CQ861", message, within(e.span, self.span), help=way)


def constant_of(e: Expr) -> Expr | None:
    """A value that is written down, as a number or a text; None where it is another."""
    if isinstance(e, Text):
        return Text(e.value)
    number = _number(e)
    return None if number is None else Number(number)


def _number(e: Expr) -> float | None:
    """The number that a constant expression is."""
    match e:
        case Number(value=value):
            return value
        case Truth(value=truth):
            return float(truth)
        case Negative(operand=part):
            inside = _number(part)
            return None if inside is None else -inside
        case Binary(op=op, left=left, right=right):
            a, b = _number(left), _number(right)
            if a is None or b is None or (op == "/" and b == 0):
                return None
            return {"+": a + b, "-": a - b, "*": a * b}.get(op, a / b if op == "/" else None)
        case _:
            return None
