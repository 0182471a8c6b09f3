"""Donors in questions (CQ362, CQ364, CQ620, CQ621), and noise outside assignments (CQ360)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Diagnostic, Span
from causalcircuit.query import (
    FACTUAL,
    Column,
    Counterfactual,
    Draw,
    Expr,
    Moment,
    Noise,
    Statistic,
    World,
    cells,
    children,
    draws_in,
    measured,
    times,
    walk,
)
from causalcircuit.query.algebra import world_in


@rule
def draws(context: Context) -> Iterator[Diagnostic]:
    """Look at each expectation that donors take part in."""
    for query, moment in context.moments():
        place = moment.value.span or query.span
        yield from _values(moment, place)
        for part in (moment.value, moment.condition):
            if part is not None:
                yield from _columns(part, moment.world, place)
        if moment.condition is not None:
            yield from _condition(moment.condition, moment.world, place)
        asked = [part for c in cells(moment.value, moment.world) for part in (c.readout, c.world)]
        several = sorted({d.times for part in asked for d in draws_in(part)} - {1})
        if len(several) > 1:
            yield Diagnostic(
                "CQ621",
                f"rows have {' and '.join(map(str, several))} donors in one value",
                place,
                help=("draws that stand in one value go together, one by one: give them the same `times`",),
            )


def _values(moment: Moment, place: Span | None) -> Iterator[Diagnostic]:
    for part in (moment.value, moment.condition):
        for e in walk(part, worlds=False) if part is not None else ():
            if isinstance(e, Draw):
                yield Diagnostic(
                    "CQ362",
                    f"`{shown(e)}` is a row, not a value",
                    e.span or place,
                    "a row",
                    help=(f"a value on the donor is `(Y | do(row = {shown(e)}))`",),
                )


def _columns(e: Expr, world: World, place: Span | None) -> Iterator[Diagnostic]:
    """Columns that the table has of the row itself, in a world that runs on its donor."""
    if isinstance(e, Column) and world.donor is not None:
        yield Diagnostic(
            "CQ364",
            f"`{shown(e)}` stands in a world that runs on donors, outside what the model gives there",
            e.span or place,
            "whose column is meant is not clear",
            help=(
                f"the row's own: put the world on the value alone, `(Y | do(row = {shown(world.donor)}))`",
                "the donor's: inside a readout or an assignment every column is the donor's",
            ),
        )
    elif isinstance(e, Counterfactual):
        yield from _columns(e.value, e.world, place)
    elif not measured(e):
        for child in children(e):
            yield from _columns(child, world, place)


def _condition(e: Expr, world: World, place: Span | None) -> Iterator[Diagnostic]:
    """A condition that differs from draw to draw would select other rows in each."""
    if any(times(c) is not None for c in cells(e, world)):
        yield Diagnostic(
            "CQ620",
            f"the condition `{shown(e)}` differs from donor to donor: a row would be in and out",
            e.span or place,
            "read on several donors",
            help=(
                "condition on what the row itself shows: `E[(Y | w) | condition]`",
                "with one donor a row, without `times`, the condition selects rows",
            ),
        )


@rule
def noise(context: Context) -> Iterator[Diagnostic]:
    """Noise has the shape of what an assignment sets: elsewhere it has none."""
    for query, moment in context.moments():
        for part in (moment.value, moment.condition):
            if part is not None:
                yield from _noise(part, query.span)
    for reference in context.references:
        for part in reference.parts:
            yield from _noise(part, reference.span)


def _noise(e: Expr, place: Span | None) -> Iterator[Diagnostic]:
    if isinstance(e, Noise):
        yield Diagnostic(
            "CQ360",
            f"`{shown(e)}` is on no site: it stands in no assignment",
            e.span or place,
            "what it is added to is not known",
            help=("noise is added where a site is set: `do(A = A + noise(sd = 0.1, seed = 3))`",),
        )
        return
    for child in children(e):
        if not isinstance(child, Statistic):
            yield from _noise(child, place)
    world = world_in(e)
    if isinstance(e, Counterfactual) and world is not None and world != FACTUAL:
        for a in world.assignments:
            yield from _nested(a.value, place)


def _nested(e: Expr, place: Span | None) -> Iterator[Diagnostic]:
    """What stands in other worlds of an assignment's value, outside their own assignments."""
    if isinstance(e, Counterfactual):
        yield from _noise(e, place)
    elif not isinstance(e, Statistic | Noise):
        for child in children(e):
            yield from _nested(child, place)
