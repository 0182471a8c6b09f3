"""From an estimand to what must be measured: scalar cells of a units × worlds table.

An estimand is arithmetic over terms; a term is the mean over rows of a row value. A row value is arithmetic
over *cells*: scalars that one forward pass in one world gives (a readout, a norm of a site), and columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from causalcircuit.query.algebra import children, is_event, rebuild
from causalcircuit.query.expr import (
    FACTUAL,
    Applied,
    Binary,
    Call,
    Column,
    Counterfactual,
    Expect,
    Expr,
    Generated,
    Number,
    Output,
    Probability,
    Term,
    World,
)
from causalcircuit.query.remembered import Remembers, remember
from causalcircuit.query.summaries import Correlation, Quantile

VECTOR_CALLS = frozenset({"norm", "dot", "avg", "max", "cosine", "kl"})
"""Functions that turn a site's vectors into a scalar a row: computed by the engine, kept as cells."""


@dataclass(frozen=True, slots=True)
class Cell(Remembers):
    """A scalar a row: `readout` (see `measured`) in `world`; of a `Generated` its text."""

    readout: Expr
    world: World


remember(Cell)


@dataclass(frozen=True, slots=True)
class Moment:
    """One term of an estimand: the mean of `value` in `world` over the rows where `condition` holds there.

    Attributes:
        event: whether the value is true or false on a row.
        share: of a quantile; the term is then no mean, and stands in `Call("quantile", …)`.
        factors: what `value` is the product of, each to be standardised over the rows first (of a correlation).
    """

    value: Expr
    world: World
    condition: Expr | None
    event: bool
    share: float | None = None
    factors: tuple[Expr, ...] = ()


def compile_estimand(estimand: Expr) -> tuple[Expr, tuple[Moment, ...]]:
    """The arithmetic over `Term(i)`, and the terms; equal expectations share one term."""
    terms: list[Moment] = []

    def term(moment: Moment) -> Term:
        if moment not in terms:
            terms.append(moment)
        return Term(terms.index(moment))

    def visit(e: Expr) -> Expr:
        if isinstance(e, Quantile):
            return Call("quantile", (term(Moment(e.value, e.world, None, False, share=e.share)), Number(e.share)))
        if isinstance(e, Correlation):
            return Call("correlation", tuple(map(term, _products(e))))
        if isinstance(e, Expect | Probability):
            value = e.event if isinstance(e, Probability) else e.value
            event = isinstance(e, Probability) or is_event(value)
            return term(Moment(value, e.world, e.condition, event))
        return rebuild(e, visit)

    return visit(estimand), tuple(terms)


def _products(e: Correlation) -> Iterator[Moment]:
    """What a correlation is made of: the means of both sides, of their squares, and of their product."""
    a, b = e.value, e.other
    yield Moment(a, e.world, None, False, factors=(a,))
    yield Moment(b, e.world, None, False, factors=(b,))
    for left, right in ((a, a), (b, b), (a, b)):
        yield Moment(Binary("*", left, right), e.world, None, False, factors=(left, right))


def measured(value: Expr) -> bool:
    """Whether the engine gives a value as it stands: an output, a text, a `Call` of `VECTOR_CALLS`, an `Applied`."""
    vector = isinstance(value, Call) and value.function in VECTOR_CALLS
    return vector or isinstance(value, Output | Generated | Applied)


def cells(value: Expr, world: World = FACTUAL) -> Iterator[Cell]:
    """The cells that a row value in `world` is made of; a nested world inherits nothing."""
    if measured(value):
        yield Cell(value, world)
    elif isinstance(value, Counterfactual):
        yield from cells(value.value, value.world)
    else:
        for child in children(value):
            yield from cells(child, world)


def columns(value: Expr) -> Iterator[str]:
    """The columns of the data that enter a row value as numbers or labels (not those inside cells)."""
    if isinstance(value, Column):
        yield value.name
    elif not measured(value):
        for child in children(value):
            yield from columns(child)


def cells_of(estimand: Expr) -> tuple[Cell, ...]:
    """All distinct cells that an estimand needs, in order of first use."""
    _, terms = compile_estimand(estimand)
    found: dict[Cell, None] = {}
    for term in terms:
        for part in (term.value, term.condition):
            if part is not None:
                found.update(dict.fromkeys(cells(part, term.world)))
    return tuple(found)
