"""Walking and rewriting expressions, and uniting worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import cast

from causalcircuit.diagnostics import Span
from causalcircuit.query.chat import Chat
from causalcircuit.query.expr import (
    Applied,
    Assignment,
    Binary,
    Call,
    ClassScore,
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
    Mentions,
    Negative,
    Number,
    Output,
    Probability,
    Readout,
    Site,
    Statistic,
    Text,
    Wire,
    Wires,
    Within,
    World,
)
from causalcircuit.query.program import DataRef
from causalcircuit.query.render import assignment
from causalcircuit.query.statistics import Direction
from causalcircuit.query.summaries import Correlation, Summary

_LEAVES = (Site, Column, Number, Text)
_REMEMBERED = 256
"""Parts of an expression that it remembers: in nests of long ones each would have its own."""


def children(e: Expr) -> tuple[Expr, ...]:
    """The expressions directly inside `e`; those inside a world are not among them."""
    if isinstance(e, _LEAVES):  # most of what is walked through
        return ()
    match e:
        case Items(items=items):
            return items
        case Readout(answer=answer):
            return (answer,)
        case ClassScore(label=label):
            return (label,)
        case Statistic():
            return e.parts
        case Draw(per=per, outside=outside):
            return tuple(c for c in (per, outside) if c is not None)
        case Call(arguments=arguments) | Applied(arguments=arguments):
            return arguments
        case Binary(left=left, right=right) | Compare(left=left, right=right):
            return (left, right)
        case Negative(operand=operand):
            return (operand,)
        case Within(value=value, low=low, high=high):
            return (value, low, high)
        case Logic(operands=operands):
            return operands
        case Mentions(value=value, words=words):
            return (value, words)
        case Counterfactual(value=value):
            return (value,)
        case Wire(source=source, target=target):
            return (source, target)
        case Expect(value=value, condition=condition) | Probability(event=value, condition=condition):
            return (value,) if condition is None else (value, condition)
        case Correlation(value=value, other=other):
            return (value, other)
        case Summary(value=value):
            return (value,)
        case Chat(parts=parts):
            return tuple(parts)
        case _:
            return ()


def world_in(e: Expr) -> World | None:
    """The world that `e` evaluates its inside in, if it names one."""
    return e.world if isinstance(e, Counterfactual | Expect | Probability | Summary) else None


def walk(e: Expr, worlds: bool = True, on: DataRef | None = None) -> Iterator[Expr]:
    """`e` and everything inside it, outermost first; with `worlds` also what stands in its worlds' assignments.

    With `on`, the data that `e` is asked on, nothing inside references to other data: what is of other rows.
    """
    if isinstance(e, _LEAVES):
        return iter((e,))
    if not worlds:
        return _walk(e, worlds=False)
    try:
        inside = e._inside
    except AttributeError:  # rules and plans walk through a question dozens of times
        _, *found = _walk(e, worlds=True)
        inside = tuple(found)
        if len(inside) <= _REMEMBERED:
            object.__setattr__(e, "_inside", inside)
    if on is not None and any(isinstance(x, Statistic) and x.elsewhere(on) for x in (e, *inside)):
        return _walk(e, worlds=True, on=on)
    return chain((e,), inside)


def _walk(e: Expr, *, worlds: bool, on: DataRef | None = None) -> Iterator[Expr]:
    waiting = [e]
    while waiting:
        e = waiting.pop()
        yield e
        if on is not None and isinstance(e, Statistic) and e.elsewhere(on):
            continue
        inside = list(children(e))
        world = world_in(e) if worlds else None
        if world is not None:
            inside += [part for a in world.assignments for part in (a.target, a.value)]
        waiting += reversed(inside)


def walk_world(world: World, on: DataRef | None = None) -> Iterator[Expr]:
    """Every expression in a world's assignments, targets included; `on` as in `walk`."""
    for a in world.assignments:
        yield from walk(a.target, on=on)
        yield from walk(a.value, on=on)


def references(e: Expr, data: DataRef) -> Iterator[tuple[Statistic, DataRef]]:
    """Every reference in `e`, which is asked on `data`, with the data that it is computed over."""
    for found in walk(e, on=data):
        if isinstance(found, Statistic):
            yield found, found.on or data
            if found.on is not None and found.elsewhere(data):
                for part in found.parts:
                    yield from references(part, found.on)


def rebuild(e: Expr, change: Callable[[Expr], Expr], change_world: Callable[[World], World] | None = None) -> Expr:
    """`e` with `change` applied to each direct child (and `change_world` to its world)."""
    keep = change_world or (lambda w: w)
    match e:
        case Items(items=items):
            return replace(e, items=tuple(map(change, items)))
        case Chat(turns=turns):
            return replace(e, turns=tuple(replace(t, parts=tuple(map(change, t.parts))) for t in turns))
        case Readout(answer=answer):
            return replace(e, answer=change(answer))
        case ClassScore(label=label):
            return replace(e, label=change(label))
        case Direction(of=of, than=than):
            return replace(e, of=change(of), than=change(than))
        case Statistic(of=of):
            return replace(e, of=change(of))
        case Draw(per=per, outside=outside):
            # Columns stay columns wherever donors are drawn.
            return replace(
                e,
                per=None if per is None else cast(Column, change(per)),
                outside=None if outside is None else cast(Column, change(outside)),
            )
        case Call(arguments=arguments) | Applied(arguments=arguments):
            return replace(e, arguments=tuple(map(change, arguments)))
        case Binary(left=left, right=right) | Compare(left=left, right=right):
            return replace(e, left=change(left), right=change(right))
        case Negative(operand=operand):
            return replace(e, operand=change(operand))
        case Within(value=value, low=low, high=high):
            return replace(e, value=change(value), low=change(low), high=change(high))
        case Logic(operands=operands):
            return replace(e, operands=tuple(map(change, operands)))
        case Mentions(value=value, words=words):
            return replace(e, value=change(value), words=change(words))
        case Counterfactual(value=value, world=world):
            return replace(e, value=change(value), world=keep(world))
        case Wire(source=source, target=target):
            return replace(e, source=change(source), target=change(target))
        case Expect(value=value, world=world, condition=condition):
            return replace(e, value=change(value), world=keep(world), condition=condition and change(condition))
        case Correlation(value=value, world=world, other=other):
            return replace(e, value=change(value), world=keep(world), other=change(other))
        case Summary(value=value, world=world):
            return replace(e, value=change(value), world=keep(world))
        case Probability(event=event, world=world, condition=condition):
            return replace(e, event=change(event), world=keep(world), condition=condition and change(condition))
        case _:
            return e


def world_of(assignments: Iterable[Assignment], span: Span | None = None) -> World:
    """A world of `assignments` in canonical order. Doubled targets are the checker's business, not this function's."""
    return World(tuple(sorted(assignments, key=assignment)), span)


def unite(*worlds: World) -> World:
    """The union of worlds: all their assignments hold at once."""
    span = next((w.span for w in worlds if w.span is not None), None)
    return world_of((a for w in worlds for a in w.assignments), span)


def is_estimand(e: Expr) -> bool:
    """Whether `e` speaks about all rows at once: a mean, a share or another summary stands in it, outside any world."""
    return any(isinstance(x, Expect | Probability | Summary) for x in walk(e, worlds=False))


def is_event(e: Expr) -> bool:
    """Whether `e` is true or false on a row by its form: a comparison, `known(row.x)`, or a combination of events."""
    return isinstance(e, Compare | Within | Logic | Mentions) or (isinstance(e, Call) and e.function == "known")


def is_text(e: Expr) -> bool:
    """Whether `e` is a generated text, in its own world or in another."""
    return isinstance(e, Generated) or (isinstance(e, Counterfactual) and is_text(e.value))


def models_of(item: Expr | World) -> set[str]:
    """The names of the models that `item` reads or assigns."""
    inside = walk_world(item) if isinstance(item, World) else walk(item)
    out: set[str] = set()
    for e in inside:
        if isinstance(e, Site):
            out.add(e.address.model)
        elif isinstance(e, Output | Input | Wires):
            out.add(e.model)
    return out
