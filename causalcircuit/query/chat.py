"""A conversation as what feeds a model's text: turns of strings, columns and the place of an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from causalcircuit.query.expr import Column, Expr

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Picture(Expr):
    """Where the image that feeds the model stands in a turn."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: who speaks, and its parts (`Text`, `Column`, `Picture`) one after the other."""

    role: Role
    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Chat(Expr):
    """`[system "…", user row.question]`, written out by the model's own chat template.

    Without turns it is `none`: models with a template are fed plain prompts.
    """

    turns: tuple[Turn, ...] = ()

    @property
    def parts(self) -> Iterator[Expr]:
        """All parts of all turns, in order."""
        return (part for turn in self.turns for part in turn.parts)

    @property
    def column(self) -> Column | None:
        """The only column that it takes text from; `None` where there are none or several."""
        columns = self.columns
        return columns[0] if len(columns) == 1 else None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that it takes text from, each once."""
        return tuple(dict.fromkeys(part for part in self.parts if isinstance(part, Column)))

    @property
    def pictured(self) -> bool:
        """Whether an image has a place in it."""
        return any(isinstance(part, Picture) for part in self.parts)

    def showing(self, image: Expr | None) -> Chat:
        """The same with the place of the image where the column stands that feeds it."""
        if not isinstance(image, Column):
            return self
        return self._with(image, Picture())

    def asking(self, value: Expr) -> Chat:
        """The same with `value` in the place of its only column.

        Raises:
            ValueError: there is no such column, or there are several.
        """
        if self.column is None:
            raise ValueError("the chat takes text from no single column")
        return self._with(self.column, value)

    def _with(self, column: Column, value: Expr) -> Chat:
        turns = (
            Turn(t.role, tuple(replace(value, span=p.span) if p == column else p for p in t.parts)) for t in self.turns
        )
        return replace(self, turns=tuple(turns))
