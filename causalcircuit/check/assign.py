"""Building worlds: sets of nodes unfolded, targets that can be assigned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from causalcircuit.check import draws, wires
from causalcircuit.check.scope import Scope
from causalcircuit.check.sets import no_wires
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import (
    Applied,
    Assignment,
    Column,
    Counterfactual,
    Expr,
    Generated,
    Input,
    Items,
    Output,
    OwnRow,
    Site,
    Text,
    Wire,
    Wires,
    World,
    is_estimand,
    is_event,
    is_text,
    rebuild,
    render,
    walk,
    world_of,
)
from causalcircuit.query.identification import Variable

_SET = (Site, Input, OwnRow, Wires)
"""What a model can be given, or a row be."""


def world(
    given: Iterable[Assignment], span: Span | None = None, drawn: Callable[[Expr], bool] = lambda _: False
) -> World:
    """The world of these assignments; a set of nodes as target stands for its members, one by one.

    Args:
        given: the assignments. span: of them all. drawn: what a diagram has as a vertex and may therefore be set in
            questions of identification; other questions refuse it (`in_diagrams_only`).

    Raises:
        DiagnosticError: CQ215, a target that cannot be assigned; CQ216, a value that cannot be given to it.
    """
    unfolded: list[Assignment] = []
    for a in given:
        if isinstance(a.target, Variable) or (not isinstance(a.target, (*_SET, Wire, Items)) and drawn(a.target)):
            unfolded.append(a)  # what a model can be given is read as ever, vertex or not
            continue
        for target, whole, member in _members(a.target):
            value = _drawn(_member(a.value, whole, member))
            assignable(target, a)
            draws.check_row(target, value, a.span)
            _givable(target, value, a)
            unfolded.append(Assignment(target, value, span=a.span))
    return world_of(unfolded, span)


def assignment(target: Expr, value: Expr, span: Span, scope: Scope) -> Assignment:
    """One assignment; an image or sound named by its path is a file beside the program, wherever the data lie."""
    if isinstance(target, Input) and target.channel in ("image", "audio") and isinstance(value, Text):
        value = replace(value, value=scope.resolve(value.value))
    return Assignment(target, value, span=span)


def _members(target: Expr) -> Iterator[tuple[Expr, Expr, Expr]]:
    """The members of a target, each with what the value may name and what then stands in its place."""
    if isinstance(target, Wire):
        yield from wires.unfolded(target)
        return
    for member in target.items if isinstance(target, Items) else (target,):
        yield member, target, member


def _member(value: Expr, whole: Expr, member: Expr) -> Expr:
    """The value for one member of a set: where the value names the set, the member stands in its place."""
    if whole == member:
        return value
    if value == whole:
        return member
    return rebuild(value, lambda e: _member(e, whole, member))


def _drawn(value: Expr) -> Expr:
    """A value whose resampled parts have each a donor of their own."""
    return draws.named(rebuild(value, _drawn))


def assignable(target: Expr, a: Assignment) -> None:
    """Demand a target that a model can be given.

    Raises:
        DiagnosticError: CQ215.
    """
    if isinstance(target, _SET):
        return
    if isinstance(target, Wire):
        wires.check(target, a.span)
        return
    span = target.span or a.span
    if isinstance(target, Output):
        why, way = "a readout is what is asked, not what can be set", "assign a site: `m.layer[0].mlp.out @ last`"
    elif isinstance(target, Column):
        why, way = "a column belongs to the row", "assign what it feeds: `do(m.input = row.other)`"
    else:
        why, way = "only sites and inputs can be set", "name a site: `m.layer[0].head[1].out @ last`"
    raise error("CQ215", f"`{shown(target)}` cannot be assigned: {why}", span, help=way)


def _givable(target: Expr, value: Expr, a: Assignment) -> None:
    span = value.span or a.span
    if isinstance(target, OwnRow):
        return
    if isinstance(target, Wires):
        if not isinstance(value, Counterfactual) or value.value != target:
            raise no_wires(shown(target), shown(value), value.span or a.span)
        return
    if is_estimand(value):
        raise error(
            "CQ214",
            f"`{shown(value)}` speaks of all rows, and a row's value is needed here",
            span,
            help="nothing goes back from an estimand to a row except references such as `mean(A)`",
        )
    if isinstance(target, Input):
        texts = target.channel in ("input", "prefix")
        if not (isinstance(value, Column | Text) or (texts and is_text(value))):
            raise error(
                "CQ216",
                f"an input is fed by a column or a string, not by `{shown(value)}`",
                span,
                help=(
                    f"write `do({render(target)} = row.column)`",
                    f"or what another model writes: `do({render(target)} = m.text(tokens = 20))`" if texts else "",
                ),
            )
        return
    no_values = (Text, Input, Items, Generated, Applied)
    wrong = next((e for e in walk(value, worlds=False) if isinstance(e, no_values) or is_event(e)), None)
    if wrong is not None:
        raise error(
            "CQ216",
            f"`{shown(wrong)}` is no value that a site can take",
            within(wrong.span, span),
            help="use numbers, `mean(A)`, `(A | w)`; a set of nodes takes its own values: `do(S = (S | w))`",
        )
