"""Shapes of values, worked out before anything runs: width and number of positions in each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.engine.feeds import Places
from causalcircuit.engine.formulas import column_of
from causalcircuit.engine.problems import Problems
from causalcircuit.models.problem import RowError
from causalcircuit.query import (
    Applied,
    Binary,
    Call,
    Column,
    Component,
    Counterfactual,
    Expr,
    Mean,
    Negative,
    Noise,
    Number,
    Site,
    Statistic,
    Text,
    Truth,
    Vector,
    is_text,
    render,
    walk,
)
from causalcircuit.rows import Dataset

Counts = tuple[int | None, ...]
"""Positions a row; `None` for rows that have a problem already; below 0 where a text decides that is written while it
runs: equal for what stands at the same positions of the same text."""
SCALARS = frozenset({"abs", "log", "exp"})


@dataclass(frozen=True, slots=True)
class Shape:
    """A value's shape. `width` is `None` for one number a row; `counts` is `None` where it holds at all positions."""

    width: int | None = None
    counts: Counts | None = None

    @property
    def scalar(self) -> bool:
        """Whether it is one number a row."""
        return self.width is None


Look = Callable[[Site | Counterfactual], tuple[int, Counts] | None]
"""The width of a site and its positions in its world (`None` for a readout: one number a row)."""


class Shapes:
    """Works out shapes; raises `RowError` and keeps row problems."""

    def __init__(self, data: Dataset, problems: Problems, look: Look, elsewhere: Mapping[Statistic, Shape]) -> None:
        """Look sites up with `look`, and references over other data in `elsewhere`."""
        self._data, self._problems, self._look, self._elsewhere = data, problems, look, elsewhere

    def of(self, e: Expr) -> Shape:
        """The shape of a formula.

        Raises:
            DiagnosticError: CQ353 widths that do not fit, CQ527 a mean over rows that do not align, CQ454 a column
                that holds no numbers.
        """
        match e:
            case Number():
                return Shape()
            case Column(name=name) | Counterfactual(value=Column(name=name)):
                return self._column(name, e)
            case Vector(values=values):
                return Shape(len(values))
            case Noise(site=Site() as site):
                return self.of(site)
            case Site() | Counterfactual():
                found = self._look(e)
                return Shape() if found is None else Shape(*found)
            case Statistic():
                return self._known(e) if e.elsewhere(self._data.ref) else self._statistic(e)
            case Negative(operand=operand):
                return self.of(operand)
            case Binary(left=left, right=right):
                return self.together(self.of(left), self.of(right), e)
            case Applied(arguments=arguments):
                for argument in arguments:
                    if not (column_of(argument) or isinstance(argument, Text | Truth) or is_text(argument)):
                        self.of(argument)
                return Shape()
            case Call(function=function, arguments=arguments):
                return self._call(function, [self.of(a) for a in arguments], e)
            case _:
                raise error(
                    "CQ352", f"`{render(e)}` cannot be calculated with here", e.span, help="use numbers and sites"
                )

    def together(self, a: Shape, b: Shape, e: Expr) -> Shape:
        """The shape of two values combined entry by entry."""
        if a.scalar or b.scalar:
            return b if a.scalar else a
        if a.width != b.width:
            raise error(
                "CQ353",
                f"`{render(e)}` combines {a.width} components with {b.width}",
                e.span,
                help="both sides need one width: a head has head_dim components, the stream hidden_size",
            )
        if a.counts is None or b.counts is None:
            return a if b.counts is None else b
        self.aligned(a.counts, b.counts, e)
        return a

    def aligned(self, a: Counts, b: Counts, e: Expr) -> None:
        """Positions of two values agree in number, in every row.

        Raises:
            DiagnosticError: CQ580, of one of them nobody knows before it runs.
        """
        if any(min(x or 0, y or 0) < 0 and x != y for x, y in zip(a, b, strict=True)):
            raise unwritten(e)
        pooled = (
            ", or `mean(A, pooled)`, one value for all"
            if any(isinstance(x, Mean) for x in walk(e, worlds=False))
            else ""
        )
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            if x is not None and y is not None and x != y:
                problem = RowError(
                    "CQ526",
                    f"positions differ in number in `{render(e)}`",
                    f"{x} and {y}",
                    "several positions must agree in number, nothing is padded or cut: "
                    f"write a position that every prompt has once, such as `@ last` or `@ token(row.word)`{pooled}",
                )
                self._problems.row(problem, i, e.span)

    def _column(self, name: str, e: Expr) -> Shape:
        values = self._data.column(name, e.span)
        widths = {len(v) if isinstance(v, list) else None for v in values}
        flat = [x for v in values for x in (v if isinstance(v, list) else [v])]
        if len(widths) > 1 or not all(isinstance(x, int | float) for x in flat):
            raise error(
                "CQ454",
                f"`row.{name}` is calculated with, but not all of its values are numbers",
                e.span,
                help="use a column of numbers, or of lists of numbers of one length",
            )
        width = widths.pop() if widths else None
        return Shape() if width is None else Shape(width, (1,) * self._data.n)

    def _known(self, e: Statistic) -> Shape:
        """The shape of a reference over other data, on these rows: their rows have one number of positions."""
        if e not in self._elsewhere:
            raise DiagnosticError()  # what is wrong with it was found on the other data
        found = self._elsewhere[e]
        return Shape(found.width, None if found.counts is None else found.counts[:1] * self._data.n)

    def _statistic(self, e: Statistic) -> Shape:
        first, *others = (self.of(part) for part in e.parts)
        inner = first if e.pooled else reduce(lambda a, b: self.together(a, b, e), others, first)
        if isinstance(e, Component):
            self._observed(inner, e)
        if inner.scalar:
            return inner
        if e.pooled or inner.counts is None:
            return Shape(inner.width)
        lengths = {c for c in inner.counts if c is not None}
        if any(c < 0 for c in lengths):
            raise unwritten(e)
        if len(lengths) > 1:
            raise error(
                "CQ527",
                f"`{render(e)}` has no value at each position: rows have {min(lengths)} to {max(lengths)} positions",
                e.span,
                help=(
                    f"one value over rows and positions: `{render(replace(e, of=_site(e.of), pooled=True))}`",
                    "or a position that every row has once: `@ last`, `@ token(row.word)`",
                ),
            )
        return Shape(inner.width, inner.counts)

    def _observed(self, inner: Shape, e: Component) -> None:
        """A component has something to vary over.

        Raises:
            DiagnosticError: CQ355 fewer than two rows, CQ356 several positions that are not pooled, CQ353 a number.
        """
        weight = self._data.ref.weight
        weights = [1.0] * self._data.n if weight is None else self._data.column(weight.name)
        if sum(w > 0 for w in weights) < 2:
            raise error(
                "CQ355",
                f"`{render(e)}` needs two rows that differ, and the data `{self._data.ref.label}` have fewer",
                e.span,
                help="widen the selection, or take the component over other data: `pc1(A, on = d)`",
            )
        if inner.scalar:
            raise error("CQ353", f"`{render(e)}` is of one number a row", e.span, help="name a site: a vector")
        if not e.pooled and inner.counts is not None and any(c not in (None, 1) for c in inner.counts):
            raise error(
                "CQ356",
                f"`{render(e)}` is one direction, and its site has several positions a row",
                e.span,
                "several positions",
                help=(
                    f"every position an observation, rows weighing the same: `{render(replace(e, pooled=True))}`",
                    "or a position that every row has once: `@ last`, `@ token(row.word)`",
                ),
            )

    def _call(self, function: str, shapes: Sequence[Shape], e: Expr) -> Shape:
        if function in SCALARS and len(shapes) == 1:
            return shapes[0]
        if function == "unit" and len(shapes) == 1 and not shapes[0].scalar:
            return shapes[0]
        if function == "project_out" and len(shapes) == 2 and not any(s.scalar for s in shapes):
            return self.together(shapes[0], shapes[1], e)
        if function == "dot" and len(shapes) == 2 and not any(s.scalar for s in shapes):
            self._flat(shapes[0], shapes[1], e)
            return Shape()
        if function in ("cosine", "kl") and len(shapes) == 2 and not any(s.scalar for s in shapes):
            if function == "cosine":  # each side is averaged over its own positions
                self.together(replace(shapes[0], counts=None), replace(shapes[1], counts=None), e)
            return Shape()
        if function in ("norm", "avg", "max") and len(shapes) == 1 and not shapes[0].scalar:
            if function != "norm" and shapes[0].width != 1:
                raise error(
                    "CQ353",
                    f"`{render(e)}` is taken over positions of one number each, and its site has {shapes[0].width}",
                    e.span,
                    help="take a neuron, or `norm` and `dot` of a whole site",
                )
            return Shape()
        raise error(
            "CQ352",
            f"`{render(e)}` cannot be calculated",
            e.span,
            help=(
                "`norm`, `dot`, `cosine`, `avg` and `max` take sites; `abs`, `log` and `exp` one value",
                "`unit` and `project_out` take vectors: sites, references, columns of lists",
            ),
        )

    def _flat(self, a: Shape, b: Shape, e: Expr) -> None:
        """Both sides of a `dot` have equally many numbers in a row."""
        if a.width == b.width:
            self.together(a, b, e)
            return
        if any(c is not None and c < 0 for s in (a, b) for c in s.counts or ()):
            raise unwritten(e)
        for i in range(self._data.n):
            x, y = _size(a, i), _size(b, i)
            if x is not None and y is not None and x != y:
                problem = RowError(
                    "CQ526", f"`{render(e)}` multiplies unequally many numbers", f"{x} and {y}", "give both one shape"
                )
                self._problems.row(problem, i, e.span)


def unwritten(e: Expr) -> DiagnosticError:
    """Positions whose number nobody knows before a text is written, where it must be known."""
    return error(
        "CQ580",
        f"`{render(e)}` needs as many positions as a text has that is written while it runs",
        e.span,
        "a text of unknown length",
        help=(
            "one position holds in any text: `@ last`, `@ first`",
            "`norm`, `avg`, `max` and `mean(A, pooled)` make one of many",
        ),
    )


def counted(places: Places) -> Counts:
    """Positions a row."""
    return tuple(None if p is None else len(p) for p in places)


def _size(shape: Shape, row: int) -> int | None:
    count = 1 if shape.counts is None else shape.counts[row]
    return None if count is None or shape.width is None else count * shape.width


def _site(e: Expr) -> Expr:
    return e.value if isinstance(e, Counterfactual) and e.world.factual else e
