"""`discover G on d using pc over [X, M, Y] seed 7`: a question whose answer is a pattern of diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check import options
from causalcircuit.check.expressions import Lowering
from causalcircuit.check.made import Listed, listed
from causalcircuit.check.observing import demand_columns, of_model
from causalcircuit.check.sets import Tables
from causalcircuit.diagnostics import DiagnosticError, Label, Span, did_you_mean, error
from causalcircuit.query import DataRef, Expect, Query, Text, Truth, is_estimand
from causalcircuit.query.discovery import ALPHA, METHODS, RESAMPLES, Discovering, Method
from causalcircuit.query.expr import Number
from causalcircuit.query.identification import Variable
from causalcircuit.query.wired import Node, Wired, models_of, node_of
from causalcircuit.syntax.trees import inner, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

_USAGE = "write `discover G on d using pc over [X, M, Y] seed 7`"
_SUFFIXES = (".dot", ".gv")


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a diagram is looked for."""

    method: str = "pc"
    alpha: float = ALPHA
    resamples: int = RESAMPLES
    seed: int | None = None


def discover(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """Read the statement, and keep the question; the name stands for its answer in `save`."""
    name, *rest = inner(tree)
    own: dict[str, Tree[Token]] = {}
    others = []
    for part in map(tree_of, rest):
        word = str(part.data)
        if word not in ("using", "over"):
            others.append(part)
        elif word in own:
            first = Label(low.span(own[word]), "first here")
            raise error("CQ112", f"`{word}` stands twice", low.span(part), labels=[first], help="leave one out")
        else:
            own[word] = part
    given = options.read(list(others), low, ("on", "with_method", "alpha", "seed"))
    if given.data is None:
        raise error("CQ217", "this says not on which data", low.statement, help=options.on_data(low))
    if "over" not in own:
        raise error("CQ295", "this says not over which variables", low.statement, help=_USAGE)
    if given.options.method not in ("default", "bootstrap"):
        way = "write `with bootstrap(200)`: shares of edges are over resamples"
        raise error("CQ295", f"`{given.options.method}` finds no diagram", given.seen["with_method"], help=way)
    method = low.word(inner(own["using"])[0]) if "using" in own else "pc"
    chosen = Wishes(
        method,
        ALPHA if given.alpha is None else given.alpha,
        given.options.resamples or RESAMPLES,
        given.options.seed,
    )
    tree_over = inner(own["over"])[0]
    items = inner(tree_over) if isinstance(tree_over, Tree) and tree_over.data == "items" else [tree_over]
    nodes = [node for item in items for node in listed(item, low)]
    word = low.word(name)
    try:
        asked = discovering(word, nodes, given.data, chosen, low.scope.sites, comments, low.statement)
    except DiagnosticError as problem:
        place = low.span(own["using"]) if "using" in own and method not in METHODS else low.span(own["over"])
        raise DiagnosticError(*(d.at(place) for d in problem.diagnostics)) from None
    checker.scope.declare(word, asked, low.span(name), again=checker.redefine)
    checker.command(asked, low)


def discovering(
    name: str,
    nodes: Sequence[Listed],
    data: DataRef,
    wishes: Wishes,
    tables: Tables,
    comments: tuple[str, ...] = (),
    span: Span | None = None,
) -> Discovering:
    """The command that looks for a diagram over some variables.

    Args:
        name: of the diagram. nodes: the name and value of each variable, and its place. data: whose rows.
        wishes: how. tables: the sites of models, whose wiring rules arrows out.

    Raises:
        DiagnosticError: CQ295 an unknown method, or what is no variable; CQ402 a column that the data lack; CQ603 no
            seed; CQ861 a variable that is drawn.
    """
    if wishes.method not in METHODS:
        known = did_you_mean(wishes.method, METHODS)
        way = (known, "`using pc` tests independences, `using ges` scores diagrams")
        raise error("CQ295", f"`{wishes.method}` finds no diagram", help=way)
    method: Method = "pc" if wishes.method == "pc" else "ges"
    if wishes.seed is None:
        raise error("CQ603", "shares of resamples are drawn at random, and there is no seed", span, help="add `seed 7`")
    seen: dict[object, str] = {}
    for called, value, place in nodes:
        if is_estimand(value) or isinstance(value, Variable | Number | Text | Truth):
            named = "name what has a value on each row: `node X = row.x`, `row.x`, a readout, `norm(A)`"
            raise error("CQ295", f"`{called}` has no value on each row", place, help=named)
        if value in seen or called in seen.values():
            raise error("CQ295", f"`{called}` stands twice", place, help="name each variable once")
        seen[value] = called
    if len(nodes) < 2:
        raise error("CQ295", "a diagram over fewer than two variables has no edge", span, help=_USAGE)
    pairs = tuple((called, value) for called, value, _ in nodes)
    demand_columns(pairs, data)
    reads = tuple(called for called, value in pairs if of_model(value))
    queries = tuple(Query(called, Expect(value), span=span) for called, value in pairs if called in reads)
    return Discovering(
        queries,
        data,
        comments=comments,
        span=span,
        name=name,
        nodes=pairs,
        reads=reads,
        method=method,
        alpha=wishes.alpha,
        resamples=wishes.resamples,
        seed=wishes.seed,
        forbidden=ruled_out(nodes, tables),
    )


def ruled_out(nodes: Sequence[Listed], tables: Tables) -> tuple[tuple[str, str], ...]:
    """The arrows that the wiring does not have: out of a model into the row, and where no route leads.

    A route that passes other variables counts: which of them carry it is for the data to say.

    Raises:
        DiagnosticError: CQ289, two variables that overlap.
    """
    columns = [called for called, value, _ in nodes if not of_model(value)]
    out = {(called, c) for called, value, _ in nodes if of_model(value) for c in columns}
    placed: dict[str, list[Node]] = {}
    for called, value, _ in nodes:
        models = models_of(value)
        try:
            node = node_of(called, value) if len(models) == 1 else None
        except DiagnosticError:
            node = None
        if node is not None:
            placed.setdefault(models.pop(), []).append(node)
    for model, members in placed.items():
        wired = Wired(tables(model), tuple(members))
        names = [m.name for m in members]
        for i, a in enumerate(names):
            out |= {(a, b) for j, b in enumerate(names) if i != j and not wired.below[i] >> j & 1}
    order = {called: k for k, (called, _, _) in enumerate(nodes)}
    return tuple(sorted(out, key=lambda arrow: (order[arrow[0]], order[arrow[1]])))


def saved(checker: Checker, asked: Discovering, path: Path, where: Span) -> None:
    """`save G to "./g.dot"` of a diagram that is yet to be found: its file joins the question.

    Raises:
        DiagnosticError: CQ293, a suffix that patterns are not written by.
    """
    if path.suffix not in _SUFFIXES:
        known = " and ".join(f"`{s}`" for s in _SUFFIXES)
        way = f"patterns are written as DOT, {known}: their lines have no direction"
        raise error("CQ293", f"`{path.name}` ends in no suffix of patterns", where, "this file", help=way)
    for k, command in enumerate(checker.commands):
        if isinstance(command, Discovering) and replace(command, saves=()) == replace(asked, saves=()):
            checker.commands[k] = replace(command, saves=(*command.saves, path))
            return
    if checker.asks:
        checker.commands.append(replace(asked, saves=(path,)))
