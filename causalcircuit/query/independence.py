"""What a diagram says of an independence: implied, or denied by a path that is open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from causalcircuit.diagnostics import Span


@dataclass(frozen=True, slots=True)
class Independent:
    """The answer to `check X _||_ Y | Z in G`.

    Attributes:
        a, b, given: the sides, and what is conditioned on; names of the diagram.
        graph: the diagram's name.
        implied: whether the diagram implies that they are independent; that data agree is another question.
        path: where it does not, a shortest open path: `X -> M <- Y`.
        why: what opens the path where it has common effects.
        separator: where it does not, observed variables that would separate the sides; `None`: there are none.
    """

    a: tuple[str, ...]
    b: tuple[str, ...]
    given: tuple[str, ...]
    graph: str
    implied: bool
    path: str = ""
    why: tuple[str, ...] = ()
    separator: tuple[str, ...] | None = None
    comments: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """The statement as the language writes it."""
        return statement(self.a, self.b, self.given)

    @property
    def instead(self) -> str:
        """An independence of the same sides that the diagram implies; empty where there is none."""
        return "" if self.implied or self.separator is None else statement(self.a, self.b, self.separator)

    def to_json(self) -> dict[str, Any]:
        """The answer for machines."""
        return {
            "name": str(self),
            "graph": self.graph,
            "a": list(self.a),
            "b": list(self.b),
            "given": list(self.given),
            "implied": self.implied,
            "path": self.path or None,
            "why": list(self.why),
            "separator": None if self.separator is None else list(self.separator),
        }


def statement(a: tuple[str, ...], b: tuple[str, ...], given: tuple[str, ...] = ()) -> str:
    """`X _||_ [Y, Z] | W`: what stands after the bar is a list without brackets."""
    return f"{_side(a)} _||_ {_side(b)}" + (f" | {', '.join(given)}" if given else "")


def _side(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"
