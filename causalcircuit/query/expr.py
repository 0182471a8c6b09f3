"""The one algebra of the language: values on a row, and estimands over rows.

Every node is a small frozen dataclass that compares and hashes by meaning: where it stood in a text
(`span`) is carried along and never compared, so a query built in Python equals the one read from a file.
A *row value* has one value (a vector at each position, or a scalar) for each row in a world; an
*estimand* is arithmetic over `Expect` and `Probability` nodes, the only bridge from rows to numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from causalcircuit.diagnostics import Span
from causalcircuit.query.address import Address, Position
from causalcircuit.query.remembered import Remembers, remember

if TYPE_CHECKING:
    from causalcircuit.query.circuits.formulas import Formula
    from causalcircuit.query.program import DataRef

ReadoutKind = Literal["logit", "logprob", "prob"]
Scale = Literal["logit", "softmax", "sigmoid", "score"]
Channel = Literal["input", "image", "audio", "prefix"]
ArithmeticOp = Literal["+", "-", "*", "/", "^"]
ComparisonOp = Literal["<", ">", "<=", ">=", "=", "!="]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expr(Remembers):
    """Any expression."""

    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number(Expr):
    """A number, with its unit if one was written (`0.1 logit`, `-2 pp`)."""

    value: float
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Text(Expr):
    """A string."""

    value: str


@dataclass(frozen=True, slots=True)
class Truth(Expr):
    """`true` or `false`."""

    value: bool


@dataclass(frozen=True, slots=True)
class Items(Expr):
    """A list: a set of answers, or of nodes."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Column(Expr):
    """`row.name`: a column of the data."""

    name: str


@dataclass(frozen=True, slots=True)
class OwnRow(Expr):
    """`row` itself: the target in `do(row = u)`."""


ROW = OwnRow()


@dataclass(frozen=True, slots=True)
class Draw(Expr):
    """`draw u per row.io seed 3`: for each row another row of the data, its donor.

    A donor is fixed by (seed, name, row): any other row, of the same value of `per` and another of `outside` where
    they are given, in proportion to the data's weights.

    Attributes:
        times: how many donors a row has. number: which of them is meant, once a plan is made; `None` where it has one.
    """

    name: str
    seed: int
    per: Column | None = None
    outside: Column | None = None
    times: int = 1
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Site(Expr):
    """A tensor inside a model, at positions: `m.layer[1].head[3].out @ last`."""

    address: Address
    position: Position


@dataclass(frozen=True, slots=True)
class Input(Expr):
    """What feeds a model: its text (`input`), `image`, or the decoder's `prefix`."""

    model: str
    channel: Channel


@dataclass(frozen=True, slots=True)
class Output(Expr):
    """What comes out at a model's end: it is read, never assigned."""

    model: str


@dataclass(frozen=True, slots=True)
class Readout(Output):
    """A scalar read off the output distribution: `m.logit[" Mary"] @ last`.

    `answer` is a `Text`, a `Column`, or `Items` of them (a set of answers); or one generated text, which is then
    scored token by token: a `Generated` of this world, or a `Counterfactual` of one. With `per_token`, a
    log-probability is divided by the answer's number of tokens.
    """

    kind: ReadoutKind
    answer: Expr
    position: Position
    per_token: bool = False


@dataclass(frozen=True, slots=True)
class ClassScore(Output):
    """The score that a classifier gives a class: `m.class["toxic", sigmoid]`.

    `label` is a `Text` or a `Column` of labels or numbers, or a `Number`. `scale`: its `logit`, the probability by
    `softmax` over all classes or by `sigmoid` of its own, or the bare `score` of a regression.
    """

    label: Expr
    scale: Scale


@dataclass(frozen=True, slots=True)
class Similarity(Output):
    """`m.similarity`: the score that a model of two towers gives its image with its text."""


@dataclass(frozen=True, slots=True)
class Distribution(Output):
    """`m.logits @ last`: the logits of all tokens at a position, or of all classes (no position)."""

    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Applied(Expr):
    """`toxicity(A)`: a function in Python of values of one row, which gives a number.

    `file` is the module that registers it; `None` where it is registered in this process.
    """

    function: str
    arguments: tuple[Expr, ...]
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Generated(Output):
    """`m.text(tokens = 20)`: what a model writes after its prompt, stripped, up to its end token.

    Greedy where `temperature` is `None`; else drawn at this temperature, with noise of `seed` that belongs to the row.
    """

    tokens: int
    temperature: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Mentions(Expr):
    """`T mentions ["woman", "lady"]`: the event that a text holds one of some words, as a whole word in any case.

    `words` is a `Text`, a `Column`, or `Items` of them.
    """

    value: Expr
    words: Expr


@dataclass(frozen=True, slots=True)
class Statistic(Expr):
    """A reference: computed once over all rows of the data, and held fixed.

    One value a position where rows align; with `pooled` one value over rows and positions: rows weigh the same (or by
    the data's weight), however long they are. The data are the question's own unless `on` names others; references
    inside `of` are then those data's too.
    """

    of: Expr
    pooled: bool = False
    on: DataRef | None = None

    @property
    def parts(self) -> tuple[Expr, ...]:
        """What it is computed from, row by row."""
        return (self.of,)

    def elsewhere(self, data: DataRef) -> bool:
        """Whether it is computed over other rows than those of `data`, on which it is used."""
        return self.on is not None and self.on != data


@dataclass(frozen=True, slots=True)
class Mean(Statistic):
    """`mean(A)`: the mean of a site; pooled, of each row's average over its positions."""


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A function of row values: `norm`, `dot`, `avg`, `max`, `abs`, `log`, `exp`."""

    function: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """Arithmetic."""

    op: ArithmeticOp
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Negative(Expr):
    """`-x`."""

    operand: Expr


@dataclass(frozen=True, slots=True)
class Compare(Expr):
    """A comparison: an event on a row, or the region of a claim."""

    op: ComparisonOp
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Within(Expr):
    """`x within [low, high]` (both ends belong), or `outside` it."""

    value: Expr
    low: Expr
    high: Expr
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Logic(Expr):
    """`and`, `or` over two or more events; `not` over one."""

    op: Literal["and", "or", "not"]
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Wire(Expr):
    """`(A -> B)`: what `target` reads of `source`'s own write. It is assigned, never read.

    The source is a `Site`; the target a `Site` that is a read, an `Output`, or arithmetic over outputs.
    """

    source: Expr
    target: Expr


@dataclass(frozen=True, slots=True)
class Wires(Expr):
    """All wires of a circuit, as one target: `do(C = (C | w))`. Its value is `Counterfactual` of itself, and no other.

    With `complement`, `outside(C)`: the wires of its model between the nodes considered that are not in it.
    """

    model: str
    circuit: Formula
    complement: bool = False


@dataclass(frozen=True, slots=True)
class Assignment(Remembers):
    """`target = value` inside `do(…)`; the target is a `Site`, an `Input`, a `Wire` or `Wires`."""

    target: Expr
    value: Expr
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class World(Remembers):
    """A set of simultaneous assignments; the empty one is the factual world.

    Assignments are kept in canonical order (see `world_of`), so that two spellings of the same world are equal.
    """

    assignments: tuple[Assignment, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def factual(self) -> bool:
        """Whether nothing is assigned."""
        return not self.assignments

    @property
    def donor(self) -> Draw | None:
        """The draw whose rows this world runs on; `None` for the row itself."""
        found = self.value_of(ROW)
        return found if isinstance(found, Draw) else None

    def value_of(self, target: Expr) -> Expr | None:
        """What `target` is set to, or `None` where it is left alone."""
        return next((a.value for a in self.assignments if a.target == target), None)

    def without(self, target: Expr) -> World:
        """This world less the assignment to `target`."""
        return World(tuple(a for a in self.assignments if a.target != target), self.span)


FACTUAL = World()


@dataclass(frozen=True, slots=True)
class Counterfactual(Expr):
    """`(A | w)`: the value that `A` takes on this row in world `w`."""

    value: Expr
    world: World


@dataclass(frozen=True, slots=True)
class Expect(Expr):
    """`E[Y | w, condition]`: the mean of `Y` over the rows where the condition holds, in world `w`."""

    value: Expr
    world: World = FACTUAL
    condition: Expr | None = None


@dataclass(frozen=True, slots=True)
class Probability(Expr):
    """`P(event | w, condition)`."""

    event: Expr
    world: World = FACTUAL
    condition: Expr | None = None


@dataclass(frozen=True, slots=True)
class Term(Expr):
    """The `index`-th expectation of a compiled estimand (see `causalcircuit.query.compile`)."""

    index: int


remember(World, Assignment, Site, Readout, Counterfactual, Items, Mean, Call, Binary, Negative, Wire, Expect)
