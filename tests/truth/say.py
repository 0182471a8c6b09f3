"""Short spellings of the nouns for these tests; the model is always called `m`."""

from __future__ import annotations

import re
from typing import Any

from causalcircuit.query import (
    ALL,
    LAST,
    Address,
    Assignment,
    Binary,
    Call,
    Cell,
    Column,
    Counterfactual,
    Expr,
    Input,
    Items,
    Mean,
    Negative,
    Number,
    Part,
    Position,
    Readout,
    Site,
    Text,
    Word,
    World,
    world_of,
)

M = "m"


def site(text: str, position: Position = ALL) -> Site:
    """`site("layer[1].head[3].out", LAST)`."""
    steps = [re.fullmatch(r"(\w+)(?:\[(\d+)\])?", step) for step in text.split(".")]
    return Site(Address(M, tuple(Part(s[1], int(s[2]) if s[2] else None) for s in steps)), position)


def do(*pairs: tuple[Expr, Any]) -> World:
    """`do((A, 0), (B, given(B, w)))`."""
    return world_of(Assignment(target, lift(value)) for target, value in pairs)


def lift(value: Any) -> Expr:
    """A number or a string as an expression."""
    return Number(float(value)) if isinstance(value, int | float) else Text(value) if isinstance(value, str) else value


def given(value: Expr, world: World = World()) -> Expr:  # noqa: B008 - frozen
    """`(value | world)`."""
    return Counterfactual(value, world)


def mean(of: Expr, pooled: bool = False) -> Expr:
    """`mean(A)`."""
    return Mean(of, pooled)


def op(left: Any, sign: str, right: Any) -> Expr:
    """Arithmetic: `op(A, "*", 0.5)`."""
    return Binary(sign, lift(left), lift(right))


def minus(e: Expr) -> Expr:
    """`-A`."""
    return Negative(e)


def call(function: str, *arguments: Expr) -> Expr:
    """`norm(A)`, `dot(A, B)`."""
    return Call(function, arguments)


def row(name: str) -> Column:
    """`row.name`."""
    return Column(name)


def feed(channel: str) -> Input:
    """`m.input`, `m.image`, `m.prefix`."""
    return Input(M, channel)


def read(kind: str, *answers: Expr | str, position: Position = LAST) -> Readout:
    """`m.logit["x"] @ last`; several answers are a set."""
    said = tuple(map(lift, answers))
    return Readout(M, kind, said[0] if len(said) == 1 else Items(said), position)


def cell(readout: Expr, world: World = World()) -> Cell:  # noqa: B008 - frozen
    """A readout in a world."""
    return Cell(readout, world)


def index(n: int) -> Position:
    """`@ n`."""
    return Position("index", index=n)


def patch(n: int) -> Position:
    """`@ image[n]`."""
    return Position("image", index=n)


def token(*words: Word | str, number: int | None = None, offset: int = 0) -> Position:
    """`@ token(row.w, number)`; a plain string names a column."""
    return Position("token", words=tuple(map(_word, words)), number=number, offset=offset)


def span(*words: Word | str, number: int | None = None) -> Position:
    """`@ span(row.w)`."""
    return Position("span", words=tuple(map(_word, words)), number=number)


def within(column: str, prompt: str) -> Word:
    """`row.column in row.prompt`."""
    return Word(column, within=prompt)


def masked(kind: str, column: str) -> Position:
    """`@ inside(row.mask)`."""
    return Position(kind, mask=column)


def together(*parts: Position) -> Position:
    """`@ [first, last]`."""
    return Position("list", parts=parts)


def _word(word: Word | str) -> Word:
    return word if isinstance(word, Word) else Word(word)
