"""What a name or an expression may stand for while a program is being checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from causalcircuit.diagnostics import Span
from causalcircuit.query import CircuitDecl, Claim, DataRef, Expr, Graph, ModelRef, Part, World
from causalcircuit.query.discovery import Discovering
from causalcircuit.query.families import Correction
from causalcircuit.query.structural import Fitted
from causalcircuit.query.trials import CircuitClaim

if TYPE_CHECKING:
    from causalcircuit.check.scope import Scope
    from causalcircuit.syntax.trees import Node


@dataclass(frozen=True, slots=True)
class Path:
    """An address under construction: `gpt2.layer[1].head[3].out`, or a readout that lacks its position."""

    model: ModelRef
    parts: tuple[Part, ...]
    span: Span
    answer: Expr | None = None
    per_token: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """`row` itself, before its column."""

    span: Span


@dataclass(frozen=True, slots=True)
class Module:
    """The names of another file, under the name that `use` gave it."""

    name: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Function:
    """`let f(x, y = do()) = …`: the body is read anew for each call, in the scope of its declaration.

    Attributes:
        defaults: what parameters stand for that a call leaves out; they are the last ones.
    """

    name: str
    parameters: tuple[str, ...]
    body: Node
    statement: Span
    scope: Scope
    defaults: tuple[tuple[str, Node], ...] = ()

    @property
    def usage(self) -> str:
        """How a call looks that gives what is needed."""
        optional = dict(self.defaults)
        return f"{self.name}({', '.join(p for p in self.parameters if p not in optional)})"

    def text(self, node: Node) -> str:
        """A part of the declaration, as it is written."""
        from causalcircuit.syntax.trees import text_of

        return text_of(node, self.statement)


@dataclass(frozen=True, slots=True)
class Standard(Function):
    """A function of the vocabulary (`query/std.cq`), which every program may call.

    Attributes:
        comments: what its definition says above itself.
    """

    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function of the language: `mean`, `norm`, …."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Foreign:
    """A function in Python that is a readout; `file` is `None` where this process registers it."""

    name: str
    file: FilePath | None
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Family:
    """Named claims under one correction; those about circuits are in families of their own."""

    name: str
    claims: tuple[Claim | CircuitClaim, ...]
    correction: Correction
    alpha: float


Value = (
    Expr | World | Path | Row | Module | Function | Builtin | Foreign | Family | Claim | Graph | CircuitDecl
    | ModelRef | DataRef | CircuitClaim | Fitted | Discovering
)  # fmt: skip


def kind_of(value: Value) -> str:
    """What a value is, in words for messages."""
    from causalcircuit.query import is_estimand

    if isinstance(value, Expr):
        return "an estimand" if is_estimand(value) else "a row value"
    names = {
        World: "a world",
        Path: "an address without a position",
        Row: "the row itself",
        Module: "a file in use",
        Function: "a function",
        Standard: "a function",
        Builtin: "a function",
        Foreign: "a function",
        Family: "a family",
        Claim: "a hypothesis",
        CircuitClaim: "a claim about a circuit",
        Graph: "a graph",
        Discovering: "a diagram that is yet to be found",
        CircuitDecl: "a circuit",
        ModelRef: "a model",
        DataRef: "data",
        Fitted: "a structural model",
    }
    return names[type(value)]
