"""Models, their addresses and positions: `gpt2.layer[1].head[3].out @ last`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any, Literal, cast

from causalcircuit.api.quantities import Quantity, quantity
from causalcircuit.check import addresses, sites
from causalcircuit.check.modelling import trusted
from causalcircuit.check.values import Path
from causalcircuit.diagnostics import Source, Span, error
from causalcircuit.query import Column, Index, Input, ModelRef, Position, SiteTable, Text, Word
from causalcircuit.query.program import AttentionKind, DeviceMap, DType


@dataclass(frozen=True, eq=False)
class Place:
    """A position; `token(row.w) + 1` is the one after."""

    position: Position

    def __repr__(self) -> str:
        """As the language writes it."""
        return str(self.position)

    def __add__(self, k: int) -> Place:
        return Place(replace(self.position, offset=self.position.offset + k))

    def __sub__(self, k: int) -> Place:
        return self + -k


last = Place(Position("last"))
first = Place(Position("first"))
all = Place(Position("all"))


def token(*words: Any, number: int | None = None) -> Place:
    """The last sub-token of a word: `token(row.subject)`; `token((row.a, row.base), (row.b, row.other), number=2)`."""
    return _worded("token", words, number)


def span(*words: Any, number: int | None = None) -> Place:
    """All sub-tokens of a word."""
    return _worded("span", words, number)


def inside(mask: Quantity) -> Place:
    """The image patches of which at least half lies inside a mask: `inside(row.figure_mask)`."""
    return Place(Position("inside", mask=_column(mask)))


def outside(mask: Quantity) -> Place:
    """The image patches that are not `inside`."""
    return Place(Position("outside", mask=_column(mask)))


def patch(k: int) -> Place:
    """The `k`-th image patch, from 0: the language's `image[k]`."""
    return Place(Position("image", index=k))


def _worded(kind: str, words: Iterable[Any], number: int | None) -> Place:
    found = []
    for word in words:
        column, within = word if isinstance(word, tuple) else (word, None)
        expr = quantity(column).expr
        if not isinstance(expr, Column | Text):
            raise TypeError(f"`{kind}` takes columns or strings, not `{column!r}`")
        name, literal = (expr.name, None) if isinstance(expr, Column) else (None, expr.value)
        found.append(Word(name, literal, None if within is None else _column(within)))
    return Place(Position(cast(Any, kind), words=tuple(found), number=number))


def _column(q: Quantity) -> str:
    if not isinstance(q, Quantity) or not isinstance(q.expr, Column):
        raise TypeError(f"a column is needed, such as `row.base`, not `{q!r}`")
    return q.expr.name


def position_of(at: Any) -> Position:
    """A position from a `Place`, a whole number, or a list of them."""
    if isinstance(at, Place):
        return at.position
    if isinstance(at, int) and not isinstance(at, bool):
        return Position("index", index=at)
    if isinstance(at, list | tuple):
        return Position("list", parts=tuple(position_of(p) for p in at))
    raise TypeError(f"`{at!r}` is no position; there are `cq.last`, `cq.first`, `cq.all`, numbers, `cq.token(…)`")


@dataclass(frozen=True, eq=False)
class Steps:
    """An address under construction; `@` gives it its position."""

    path: Path

    def __repr__(self) -> str:
        """As the language writes it."""
        return _text(self.path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _wrap(addresses.step(self.path, name, _span(f"{_text(self.path)}.{name}")), self.path.model)

    def __getitem__(self, index: Any) -> Steps:
        text = f"{_text(self.path)}[{index!r}]"
        given: Any
        if isinstance(index, slice):
            raise TypeError("ranges are inclusive in the language: pass a list, `layer[[4, 5, 6]]`, or `'*'`")
        if index == "*" and self.path.parts and self.path.parts[-1].name not in addresses.READOUTS:
            given = "*"
        elif isinstance(index, int):
            given = index
        elif isinstance(index, list) and _numbers(index):
            given = tuple(index)
        else:
            given = quantity(index).expr
        return Steps(addresses.subscript(self.path, cast(Index, given), _span(text)))

    def __matmul__(self, at: Any) -> Quantity:
        position = position_of(at)
        made = addresses.place(self.path, position, _span(f"{_text(self.path)} @ {position}"))
        return Quantity(made, {self.path.model.name: self.path.model})


@dataclass(frozen=True, eq=False)
class Model:
    """A declared model: its attributes are addresses, `m.input`, `m.image` and `m.prefix` its inputs."""

    ref: ModelRef = field(repr=False)

    def __repr__(self) -> str:
        """The declaration, as the language writes it."""
        return f'model {self.ref.name} = hf("{self.ref.source}")'

    @property
    def sites(self) -> SiteTable:
        """The table of the model's sites."""
        return sites(self.ref)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        start = Path(self.ref, (), _span(self.ref.name))
        return _wrap(addresses.step(start, name, _span(f"{self.ref.name}.{name}")), self.ref)


def model(
    source: str,
    *,
    name: str | None = None,
    revision: str | None = None,
    dtype: DType = "float32",
    device: str = "cpu",
    device_map: DeviceMap | None = None,
    memory: Literal["checked", "unchecked"] = "checked",
    trust_remote_code: str | None = None,
    attention: AttentionKind = "auto",
) -> Model:
    """A Hugging Face model: a folder (starting with `.` or `/`), or a hub name in the local cache.

    Args:
        source: the folder or hub name. name: how addresses call it, by default after the folder.
        revision, dtype, device, device_map, memory, trust_remote_code, attention: as in the language.

    Raises:
        DiagnosticError: CQ501 to CQ503, there is no such model; CQ542, code that is not trusted as it must be.
    """
    folder = FilePath(source).resolve() if source[:1] in "./" else None
    called = name or re.sub(r"\W", "_", FilePath(source).name) or "m"
    if not re.fullmatch(r"[A-Za-z_]\w*", called):
        raise error("CQ111", f"`{called}` cannot name a model", help='letters, digits and `_`: `name="gpt2"`')
    ref = ModelRef(called, source, folder, revision, dtype, device, device_map, memory, attention=attention)
    if trust_remote_code is not None:
        ref, _ = trusted(ref, trust_remote_code, _span(source))  # the argument itself is the reader's warning
    sites(ref)
    return Model(ref)


def _wrap(made: Path | Input, ref: ModelRef) -> Steps | Quantity:
    return Steps(made) if isinstance(made, Path) else Quantity(made, {ref.name: ref})


def _numbers(items: list[Any]) -> bool:
    return bool(items) and not any(isinstance(i, bool) or not isinstance(i, int) for i in items)


def _text(path: Path) -> str:
    return ".".join([path.model.name, *map(str, path.parts)])


def _span(text: str) -> Span:
    """A place for messages: the expression itself, as the language writes it."""
    return Span(Source("<python>", text), 0, len(text))
