"""Addresses of tensors inside a model, and positions along its tokens or patches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from causalcircuit.query.remembered import Remembers, remember

Index = int | Literal["*"] | tuple["int | tuple[int, int]", ...]
"""A number, `*` (all), or a list of numbers and inclusive ranges."""


@dataclass(frozen=True, slots=True)
class Part:
    """One step of an address: `layer[1]` is `Part("layer", 1)`, `out` is `Part("out")`.

    `text`: what it is called with: `module("transformer.wte")`.
    """

    name: str
    index: Index | None = None
    text: str | None = None

    def __str__(self) -> str:
        """As written in the language."""
        if self.text is not None:
            return f"{self.name}({quoted(self.text)})"
        if self.index is None:
            return self.name
        if isinstance(self.index, tuple):
            items = (f"{i[0]}..{i[1]}" if isinstance(i, tuple) else str(i) for i in self.index)
            return f"{self.name}[{', '.join(items)}]"
        return f"{self.name}[{self.index}]"


@dataclass(frozen=True, slots=True)
class Attached(Part):
    """The name of a dictionary as the first step of an address: it stands for the model that the dictionary is of."""


@dataclass(frozen=True, slots=True)
class Address(Remembers):
    """A tensor of a model: `gpt2.layer[1].head[3].out`; `model` is the model's declared name."""

    model: str
    path: tuple[Part, ...]

    def __str__(self) -> str:
        """As written in the language."""
        return self.local if self.attached else ".".join([self.model, *map(str, self.path)])

    @property
    def attached(self) -> str:
        """The name of the dictionary that it enters, if it enters one."""
        return self.path[0].name if self.path and isinstance(self.path[0], Attached) else ""

    @property
    def module(self) -> str | None:
        """The path of the module that it names, if it names one."""
        return next((p.text for p in self.path if p.name == "module"), None)

    @property
    def local(self) -> str:
        """The address without the model's name."""
        return ".".join(map(str, self.path))

    @property
    def concrete(self) -> bool:
        """Whether every index is a number."""
        return all(p.index is None or isinstance(p.index, int) for p in self.path)


PositionKind = Literal[
    "last", "first", "all", "each", "new", "index", "token", "span", "inside", "outside", "image", "list", "except"
]


@dataclass(frozen=True, slots=True)
class Word:
    """A word to find in a prompt: a column (or a literal), and the prompt column for which it holds."""

    column: str | None
    literal: str | None = None
    within: str | None = None

    def __str__(self) -> str:
        """As written in the language."""
        word = f"row.{self.column}" if self.column is not None else quoted(self.literal or "")
        return word + (f" in row.{self.within}" if self.within is not None else "")


@dataclass(frozen=True, slots=True)
class Position(Remembers):
    """Where along the tokens (or patches) a site is read or assigned.

    Attributes:
        kind: which form was written.
        index: for `index` and `image`: the number, negative counts from the end.
        words: for `token` and `span`: the word, with alternatives for prompts from other columns.
        number: for `token` and `span`: which occurrence, from 1; `None` where the word occurs once.
        mask: for `inside` and `outside`: the column with the mask image.
        offset: added to every resolved position: `@ (token(row.s) + 1)`.
        parts: for `list`: the positions taken together; for `each`: those to go through, or none for all of them;
            for `except`: a position, and those that are left out of it.
    """

    kind: PositionKind
    index: int | None = None
    words: tuple[Word, ...] = ()
    number: int | None = None
    mask: str | None = None
    offset: int = 0
    parts: tuple[Position, ...] = ()

    @property
    def new(self) -> bool:
        """Whether generated positions belong to it."""
        return self.kind == "new" or any(p.new for p in self.parts)

    @property
    def prompted(self) -> Position | None:
        """This position less the generated ones; `None` where nothing is left."""
        if self.kind == "new":
            return None
        if not self.new:
            return self
        kept = tuple(p for part in self.parts if (p := part.prompted) is not None)
        return None if not kept else kept[0] if len(kept) == 1 else replace(self, parts=kept)

    def __str__(self) -> str:
        """As written in the language."""
        text = self._bare()
        return text if not self.offset else f"({text} {'+' if self.offset > 0 else '-'} {abs(self.offset)})"

    def _bare(self) -> str:
        if self.kind == "index":
            return str(self.index)
        if self.kind == "image":
            return f"image[{self.index}]"
        if self.kind in ("token", "span"):
            inner = [str(w) for w in self.words] + ([str(self.number)] if self.number is not None else [])
            return f"{self.kind}({', '.join(inner)})"
        if self.kind in ("inside", "outside"):
            return f"{self.kind}(row.{self.mask})"
        if self.kind == "list":
            return f"[{', '.join(map(str, self.parts))}]"
        if self.kind == "each" and self.parts:
            return f"each [{', '.join(map(str, self.parts))}]"
        if self.kind == "except":
            whole = self.parts[0] if len(self.parts) == 2 else replace(self, offset=0, parts=self.parts[:-1])
            return f"({whole} except {self.parts[-1]})"
        return self.kind


remember(Address, Position)

LAST = Position("last")
FIRST = Position("first")
ALL = Position("all")


def quoted(text: str) -> str:
    """A string literal of the language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def tensor_of(address: Address) -> tuple[str, tuple[Part, ...]]:
    """What a concrete address indexes, by its spelling alone.

    Equal for two addresses just where a `SiteTable` gives them the same `SiteInfo.tensor`: planning has no table.
    """
    if address.attached and address.path[-1].name == "feature":
        return address.model, (*address.path[:-1], Part("features"))
    *lead, last = (Part(p.name) if p.name in ("head", "kv", "neuron", "pattern") else p for p in address.path)
    layer = lead[-1].index if lead else None
    if last.name == "embed":
        return address.model, (*lead, Part("resid", 0))
    if last.name in ("resid_in", "resid") and isinstance(layer, int):
        return address.model, (*lead[:-1], Part("resid", layer + (last.name == "resid")))
    if lead and lead[0].name in ("encoder", "vision") and len(lead) == 1 and last.name == "out":
        return address.model, (*lead, Part("final_norm"))
    if last.name in ("k", "v") and lead[-1].name == "head":  # exists only where each query head has its own
        return address.model, (*lead[:-1], Part("kv"), last)
    return address.model, (*lead, last)
