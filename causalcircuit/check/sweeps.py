"""Sweeps: the members that `for` goes through, and the queries that they make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from lark import Token, Tree

from causalcircuit.check.addresses import unplaced
from causalcircuit.check.expressions import Lowering
from causalcircuit.check.scope import FUNCTIONS, Scope
from causalcircuit.check.sets import check_one_model
from causalcircuit.check.values import Path
from causalcircuit.diagnostics import Label, Span, error
from causalcircuit.query import Expr, Input, Items, Query, Site, render
from causalcircuit.query.each import at_position, listed, sites_at_each
from causalcircuit.syntax.trees import Node


@dataclass(frozen=True, slots=True)
class Sweep:
    """`for name in …`: a variable and what it stands for, one after another."""

    name: str
    members: tuple[Expr, ...]
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One point of a sweep: (variable, as written) and what each stands for; the heads are read in `low`."""

    at: tuple[tuple[str, str], ...]
    members: tuple[Expr, ...]
    low: Lowering


def sweep_of(name: Node, over: Node, low: Lowering) -> Sweep:
    """A clause `for name in over`.

    Raises:
        DiagnosticError: CQ221 nothing to go through, CQ242 sites of two models, CQ247 a name that is taken.
    """
    word, place = low.word(name), low.span(name)
    value = low.value(over)
    if isinstance(value, Path):
        raise unplaced(value)
    found = (value,) if isinstance(value, Site | Input) else value.items if isinstance(value, Items) else ()
    if not found:
        raise error(
            "CQ221",
            f"`{low.span(over).text}` is nothing to go through",
            low.span(over),
            help="go through sites: `for H in m.layer[*].head[*].out @ last`, or a list `[a, b]`",
        )
    check_one_model(found, low.span(over))
    _unshadowing(word, place, low.scope)
    return Sweep(word, tuple(dict.fromkeys(m for e in found for m in listed(e))), place)


def _unshadowing(word: str, place: Span, scope: Scope) -> None:
    known = scope.known()
    if word in known:
        raise error(
            "CQ247",
            f"`{word}` is declared already, and `for` would hide it",
            place,
            "hides it",
            labels=[Label(known[word], "declared here")],
            help=f"choose another name: `for {word}_ in …`",
        )
    if word in (*FUNCTIONS, "row", "true", "false"):
        raise error(
            "CQ247",
            f"`{word}` is a name of the language, and `for` would hide it",
            place,
            "hides it",
            help="choose another name: `for H in …`",
        )


def check_sweeps(sweeps: tuple[Sweep, ...], heads: list[Node], low: Lowering) -> None:
    """Every variable is used in every head, and one at most goes through the positions of prompts.

    Raises:
        DiagnosticError: CQ245, CQ246.
    """
    for sweep in sweeps:
        idle = next((h for h in heads if not mentions(h, sweep.name)), None)
        if idle is not None:
            said = low.span(idle).text
            raise error(
                "CQ246",
                f"`{said}` does not use `{sweep.name}`: it would be asked {len(sweep.members)} times over",
                sweep.span,
                "not used",
                labels=[Label(low.span(idle), f"without `{sweep.name}`")],
                help=f"use it, as in `E[Y | do({sweep.name} = 0)]`, or ask without `for`",
            )
    open_ = [s for s in sweeps if any(sites_at_each(m) for m in s.members)]
    if len(open_) > 1:
        raise error(
            "CQ245",
            f"`{open_[0].name}` and `{open_[1].name}` both go through the positions of the prompts",
            open_[1].span,
            "a second `@ each`",
            labels=[] if open_[0].span is None else [Label(open_[0].span, "the first")],
            help="list the positions of one of them: `@ each [token(row.w), last]`",
        )


def mentions(tree: Node, word: str) -> bool:
    """Whether a tree names `word`."""
    if not isinstance(tree, Tree):
        return str(tree) == word
    return any(str(t) == word for t in tree.scan_values(lambda t: isinstance(t, Token) and t.type != "STRING"))


def points(sweeps: tuple[Sweep, ...], low: Lowering) -> Iterator[Member]:
    """Every point of a grid, the first variable outermost; a single one without any sweep."""
    for chosen in product(*(s.members for s in sweeps)):
        names = {s.name: (m, s.span or low.statement) for s, m in zip(sweeps, chosen, strict=True)}
        inside = replace(low, scope=Scope(names=dict(names), parent=low.scope)) if names else low
        at = tuple((s.name, render(m)) for s, m in zip(sweeps, chosen, strict=True))
        yield Member(at, chosen, inside)


def spread(query: Query) -> list[Query]:
    """The queries that listed positions make of one: `@ each [token(row.w), last]` outside of `for`.

    Raises:
        DiagnosticError: CQ245, two different lists in one question.
    """
    lists = {s.position: s for s in sites_at_each(query.expr)}
    parted = [p for p in lists if p.parts]
    if not parted:
        return [query]
    if len(lists) > 1:
        first, second = list(lists.values())[:2]
        raise error(
            "CQ245",
            f"`@ {first.position}` and `@ {second.position}` go through different positions in one question",
            second.span or query.span,
            help="all sites of a question go through the same positions together: give them one list",
        )
    site = lists[parted[0]]
    return [
        replace(
            query,
            expr=at_position(query.expr, p),
            at=(*query.at, ("position", str(p))),
            members=(*query.members, replace(site, position=p)),
        )
        for p in parted[0].parts
    ]
