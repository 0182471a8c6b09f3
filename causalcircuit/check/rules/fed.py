"""Meaning 2: a world exists only where data or assignments feed every input of the model (CQ305)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.diagnostics import Diagnostic, Span
from causalcircuit.query import (
    VECTOR_CALLS,
    Applied,
    Call,
    Chat,
    Counterfactual,
    Expect,
    Expr,
    Generated,
    Input,
    Output,
    Probability,
    Site,
    Statistic,
    World,
    children,
    render,
    walk,
)
from causalcircuit.query.summaries import Summary

_COLUMNS = {"input": ("prompt", "text"), "image": ("image",), "audio": ("audio",), "prefix": ("prefix",)}
_OPTIONAL = frozenset({"prefix"})


@rule
def fed(context: Context) -> Iterator[Diagnostic]:
    """Find the worlds in which something is read, and what feeds them."""
    seen: set[tuple[str, str, World]] = set()
    for model, read_in, span in runs(context):
        for channel in _unfed(context, model, read_in):
            if (model, channel, read_in) not in seen:
                seen.add((model, channel, read_in))
                yield _diagnose(context, model, channel, read_in, read_in.span or span)


def runs(context: Context) -> Iterator[tuple[str, World, Span | None]]:
    """Every model with every world that it runs in, and a place."""
    for value, world, place in _asked(context):
        yield from _read(value, world, place)


def _asked(context: Context) -> Iterator[tuple[Expr, World, Span | None]]:
    """What is read in which world, with its place: the insides of `E` and `P`, and references."""
    for query in context.queries:
        for mean in walk(query.expr, worlds=False):
            if isinstance(mean, Expect | Probability | Summary):
                yield from ((part, mean.world, mean.span or query.span) for part in children(mean))
    for reference in context.references:
        yield from ((part, World(), reference.span) for part in reference.parts)


def _read(e: Expr, world: World, span: Span | None) -> Iterator[tuple[str, World, Span | None]]:
    """Which models run in which worlds to give `e`, which stands at `span`."""
    if isinstance(e, Output):
        yield e.model, world, span
        yield from _inside(world)
        for answer in children(e):  # a text of another world that is scored
            yield from _read(answer, world, span)
    elif isinstance(e, Site):
        yield e.address.model, world, span
        yield from _inside(world)
    elif isinstance(e, Counterfactual):
        yield from _read(e.value, e.world, e.span or span)
    elif not isinstance(e, Statistic):  # references are asked by themselves
        for child in children(e):
            yield from _read(child, world, span)
    if isinstance(e, Applied) or (isinstance(e, Call) and e.function in VECTOR_CALLS):
        yield from _inside(world)


def _inside(world: World) -> Iterator[tuple[str, World, Span | None]]:
    """The worlds that the assignments of a world take values from."""
    for a in world.assignments:
        yield from _values(a.value)
        if isinstance(a.value, Generated):  # a text that is written in this very world, for another model to read
            yield a.value.model, world, a.value.span


def _values(e: Expr) -> Iterator[tuple[str, World, Span | None]]:
    if isinstance(e, Counterfactual):
        yield from _read(e.value, e.world, e.span)
    elif not isinstance(e, Statistic):
        for child in children(e):
            yield from _values(child)


def _unfed(context: Context, model: str, world: World) -> list[str]:
    table = context.tables.get(model)
    assigned = {a.target.channel for a in world.assignments if isinstance(a.target, Input) and a.target.model == model}
    declared = {name for name, _ in context.command.data.feeds}
    out = []
    if table is not None and table.family == "network":
        return []  # it is declared with the column that feeds it
    for channel in table.channels if table is not None else ():
        names = _COLUMNS[channel]
        has = any(n in declared or n in context.data.columns for n in names)
        if channel == "input" and model in context.templated:
            has = has or _chat(context)
        if not has and channel not in assigned and channel not in _OPTIONAL:
            out.append(channel)
    return out


def _chat(context: Context) -> bool:
    """Whether the data feed a chat."""
    chat = dict(context.command.data.feeds).get("chat")
    return isinstance(chat, Chat) and bool(chat.turns)


def _diagnose(context: Context, model: str, channel: str, world: World, span: Span | None) -> Diagnostic:
    which = "the factual world" if world.factual else f"the world `{render(world)}`"
    feed = "prompt" if channel == "input" else channel
    names = [n for n in context.data.columns if isinstance(context.data.columns[n][0], str)][:6]
    return Diagnostic(
        "CQ305",
        f"nothing feeds `{model}.{channel}` in {which}",
        span,
        f"this world does not exist on `{context.command.data.label}`",
        help=(
            *([f"`{model}` has no chat template: feed it a prompt"] if channel == "input" and _chat(context) else []),
            f"assign it in the world: `do({model}.{channel} = row.…)`, or feed it on the data: `with {feed} = row.…`",
            f"columns of strings in `{context.command.data.label}`: {', '.join(names)}" if names else "",
        ),
    )
