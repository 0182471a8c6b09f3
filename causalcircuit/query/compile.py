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
    Call,
    Column,
    Counterfactual,
    Expect,
    Expr,
    Generated,
    Output,
    Probability,
    Term,
    World,
)
from causalcircuit.query.remembered import Remembers, remember

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
    """One term of an estimand: the mean of `value` in `world` over the rows where `condition` holds there."""

    value: Expr
    world: World
    condition: Expr | None
    event: bool


def compile_estimand(estimand: Expr) -> tuple[Expr, tuple[Moment, ...]]:
    """The arithmetic over `Term(i)`, and the terms; equal expectations share one term."""
    terms: list[Moment] = []

    def visit(e: Expr) -> Expr:
        if isinstance(e, Expect | Probability):
            value = e.event if isinstance(e, Probability) else e.value
            event = isinstance(e, Probability) or is_event(value)
            term = Moment(value, e.world, e.condition, event)
            if term not in terms:
                terms.append(term)
            return Term(terms.index(term))
        return rebuild(e, visit)

    return visit(estimand), tuple(terms)


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
