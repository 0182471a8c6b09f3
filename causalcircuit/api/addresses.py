"""Models, their addresses and positions: `gpt2.layer[1].head[3].out @ last`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any, Literal, cast

from causalcircuit.api.quantities import Models, Quantity, merge, quantity
from causalcircuit.check import addresses, sets, sites, wires
from causalcircuit.check.generation import text_of
from causalcircuit.check.modelling import trusted
from causalcircuit.check.values import Path
from causalcircuit.diagnostics import Diagnostic, Source, Span, error
from causalcircuit.query import (
    Address,
    Column,
    Expr,
    Index,
    Items,
    ModelRef,
    Part,
    Position,
    Site,
    SiteTable,
    Text,
    Wire,
    Word,
    render,
)
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


@dataclass(frozen=True, eq=False)
class Each(Place):
    """`each`, or `each[first, last]`."""

    def __getitem__(self, places: Any) -> Place:
        several = places if isinstance(places, tuple) else (places,)
        return Place(Position("each", parts=tuple(position_of(p) for p in several)))


last = Place(Position("last"))
first = Place(Position("first"))
all = Place(Position("all"))
each = Each(Position("each"))
"""Positions one by one: `@ each` all of them, `@ each[token(row.w), last]` these."""
new = Place(Position("new"))
"""Every generated position of a text."""


def token(*words: Any, number: int | None = None) -> Place:
    """The last sub-token of a word: `token(row.subject)`; `token((row.a, row.base), (row.b, row.other), number=2)`."""
    return _worded("token", words, number)


def span(*words: Any, number: int | None = None) -> Place:
    """All sub-tokens of a word."""
    return _worded("span", words, number)


def inside(mask: Quantity) -> Place:
    """The image patches of which at least half lies inside a mask: `inside(row.figure_mask)`."""
    return Place(Position("inside", mask=_column(mask)))


def outside(of: Quantity) -> Any:
    """Of a mask, the image patches that are not `inside`; of a set of sites, all others of their kinds.

    Raises:
        DiagnosticError: CQ240, the set has all of them.
    """
    if isinstance(of, Quantity) and isinstance(of.expr, Items | Site):
        return Quantity(sets.outside(of.expr, lambda name: sites(of.models[name]), None), of.models)
    return Place(Position("outside", mask=_column(of)))


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
        name = "in" if name == "in_" else name  # which is a word of Python
        return _wrap(addresses.step(self.path, name, located(f"{_text(self.path)}.{name}")), self.path.model)

    def __getitem__(self, index: Any) -> Any:
        text = f"{_text(self.path)}[{index!r}]"
        given: Any
        word: str | None = None
        if isinstance(index, tuple) and len(index) == 2 and index[1] in addresses.behind(self.path):
            index, word = index
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
        return _wrap(addresses.subscript(self.path, cast(Index, given), located(text), word), self.path.model)

    def __call__(self, path: str) -> Steps:
        """`m.module("transformer.wte")`: the module of that path."""
        if self.path.parts != (Part("module"),) or not isinstance(path, str) or not path:
            raise TypeError(f"`{self}` cannot be called; modules are named `m.module('their.path')`")
        made = (Part("module", text=path),)
        return Steps(replace(self.path, parts=made, span=located(_text(replace(self.path, parts=made)))))

    def __matmul__(self, at: Any) -> Any:
        position = position_of(at)
        ends = wires.ends(self.path, position, located(f"{_text(self.path)} @ {position}"))
        if ends is not None:
            return Ends(Quantity(ends, {self.path.model.name: self.path.model}))
        made = addresses.place(self.path, position, located(f"{_text(self.path)} @ {position}"))
        return Quantity(made, {self.path.model.name: self.path.model})


@dataclass(frozen=True, eq=False)
class Ends:
    """A part of a block at positions, `m.layer[1].head[3] @ last`: wires end in it, and nothing else is asked of it."""

    reads: Quantity

    def __repr__(self) -> str:
        """The reads that it stands for."""
        return repr(self.reads)


def wire(source: Quantity, target: Quantity | Ends) -> Quantity:
    """What `target` reads of `source`'s own write, to be assigned: `do({wire(A, B): A | corrupt})`.

    Args:
        source: a write, or several. target: a read, a bare head or MLP, or a readout and arithmetic of readouts.
    """
    start, end = quantity(source), target.reads if isinstance(target, Ends) else quantity(target)
    found = end.expr
    if isinstance(target, Ends):
        found = wires.reached(start.expr, found, *end.models.values())
    return Quantity(Wire(start.expr, found), merge(start.models, end.models))


@dataclass(frozen=True, eq=False)
class Model:
    """A declared model: its attributes are addresses, `m.input`, `m.image` and `m.prefix` its inputs.

    Scores of classes are `m.class_["toxic", "sigmoid"]`.
    """

    ref: ModelRef = field(repr=False)

    def __repr__(self) -> str:
        """The declaration, as the language writes it."""
        return f'model {self.ref.name} = hf("{self.ref.source}")'

    @property
    def sites(self) -> SiteTable:
        """The table of the model's sites."""
        return sites(self.ref)

    def text(self, tokens: int, temperature: float | None = None, seed: int | None = None) -> Quantity:
        """What the model writes after its prompt, stripped: the likeliest token at each step, or drawn.

        Args:
            tokens: at most so many. temperature, seed: of a text that is drawn; the noise belongs to the row.

        Raises:
            DiagnosticError: CQ480, the arguments are wrong; CQ483, the model writes no text.
        """
        asked = {"tokens": tokens, "temperature": temperature, "seed": seed}
        given = {name: quantity(value).expr for name, value in asked.items() if value is not None}
        said = ", ".join(f"{name} = {render(value)}" for name, value in given.items())
        made = text_of(self.ref, given, located(f"{self.ref.name}.text({said})"))
        return Quantity(made, {self.ref.name: self.ref})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        name = "class" if name == "class_" else name  # which is a word of Python
        start = Path(self.ref, (), located(self.ref.name))
        return _wrap(addresses.step(start, name, located(f"{self.ref.name}.{name}")), self.ref)


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
        ref, _ = trusted(ref, trust_remote_code, located(source))  # the warning comes with every answer
    sites(ref)
    return Model(ref)


def _wrap(made: Path | Expr, ref: ModelRef) -> Steps | Quantity:
    return Steps(made) if isinstance(made, Path) else Quantity(made, {ref.name: ref})


def _numbers(items: list[Any]) -> bool:
    return bool(items) and not any(isinstance(i, bool) or not isinstance(i, int) for i in items)


def _text(path: Path) -> str:
    return str(Address(path.model.name, path.parts))


def trust_told(models: Models) -> list[Diagnostic]:
    """The warnings of models whose own code runs (CQ541)."""
    own = [ref for ref in models.values() if ref.trust_remote_code]
    return [trusted(ref, ref.source, located(repr(Model(ref))))[1] for ref in own]


def located(text: str) -> Span:
    """A place for messages: the expression itself, as the language writes it."""
    return Span(Source("<python>", text), 0, len(text))
