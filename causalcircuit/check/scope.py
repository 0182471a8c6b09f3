"""Names and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from causalcircuit.check.sources import sites
from causalcircuit.check.values import Builtin, Foreign, Module, Row, Value
from causalcircuit.diagnostics import Fix, Label, Span, error, nearest
from causalcircuit.query import Expr, ModelRef, SiteTable, World
from causalcircuit.query.functions import arity, registered

FUNCTIONS = (
    *("mean", "direction", "pc1", "unit", "project_out", "noise", "vector", "draw", "resample"),
    *("norm", "dot", "cosine", "kl", "avg", "max", "min", "abs", "log", "exp", "known"),
    *("quantile", "correlation", "area"),
)
CIRCUITS = ("attribute", "smallest", "union", "intersect", "strongest", "paths", "group", "load", "compare")
"""What makes circuits: names in circuit statements, and free elsewhere."""
DIAGRAMS = ("wiring", "diagram")
"""What makes diagrams, beside `load`: names in graph statements, and free elsewhere."""
CLAIMS = (
    *("equivalent", "independent", "minimal", "sufficient"),
    *("partially_necessary", "jointly_necessary", "aligned"),
)
"""What is claimed of circuits, in `test` and `hypothesis`."""
_CONSTANTS = ("true", "false")


class Poisoned(Exception):  # noqa: N818 - not an error of its own: the cause is reported where it stands
    """The expression uses a name whose declaration is in error; nothing more is said of it."""


@dataclass(slots=True)
class Scope:
    """The names of a file, or of a function's call inside it (`parent`).

    `columns` are those of all declared data;
    `folder` is what the file's relative paths are relative to; `models` are those of the program; `drawn` are the
    values that are vertices of a diagram, which `do` may set there; `realized` has, for names of nodes, the worlds of a
    model that stand for their values.
    """

    names: dict[str, tuple[Value, Span]] = field(default_factory=dict)
    parent: Scope | None = None
    failed: set[str] = field(default_factory=set)
    later: dict[str, Span] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)
    folder: Path | None = None
    models: Mapping[str, ModelRef] = field(default_factory=dict)
    drawn: set[Expr] = field(default_factory=set)
    realized: dict[str, tuple[tuple[Expr, World], ...]] = field(default_factory=dict)

    def sites(self, model: str) -> SiteTable:
        """The sites of a declared model, by the name that its addresses start with."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return sites(scope.models[model])

    def in_diagram(self, value: Expr) -> bool:
        """Whether a diagram of this file has `value` as a vertex."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return value in scope.drawn

    def resolve(self, path: str) -> str:
        """A path as this file means it, absolute."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return str(((scope.folder or Path()) / path).resolve())

    def declare(self, name: str, value: Value, span: Span, *, again: bool = False) -> None:
        """Give `name` a meaning; with `again` (at a prompt) an old one is replaced.

        Raises:
            DiagnosticError: CQ202, the name is taken.
        """
        if name in (*_CONSTANTS, "row"):
            raise error("CQ202", f"`{name}` is a name of the language", span, "taken", help="choose another name")
        if name in self.names and not again:
            raise error(
                "CQ202",
                f"`{name}` is declared twice",
                span,
                "again here",
                labels=[Label(self.names[name][1], "first here")],
                help="choose another name",
            )
        self.names[name] = (value, span)
        self.failed.discard(name)

    def find(self, name: str, span: Span) -> Value | None:
        """What `name` stands for; `None` where its declaration is itself in error (reported there already).

        Raises:
            DiagnosticError: CQ201, nothing has that name; CQ203, it is declared further down.
        """
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name][0]
            if name in scope.failed:
                return None
            scope = scope.parent
        if name == "row":
            return Row(span)
        if name in FUNCTIONS or name in CLAIMS:
            return Builtin(name, span)
        function = registered(name)
        if function is not None:
            return Foreign(name, None, *arity(function))
        standard = self._standard(name)
        if standard is not None:
            return standard
        raise self._unknown(name, span)

    def _standard(self, name: str) -> Value | None:
        """A function of the vocabulary; a name that this file declares anywhere is the file's."""
        top = self
        while top.parent is not None:
            top = top.parent
        if name in top.later:
            return None
        from causalcircuit.check.vocabulary import standard  # read when a name is met that nothing else has

        return standard(name, Scope(folder=top.folder, models=top.models, drawn=top.drawn))

    def _unknown(self, name: str, span: Span) -> Exception:
        top = self
        while top.parent is not None:
            top = top.parent
        if name in top.later:
            return error(
                "CQ203",
                f"`{name}` is used before it is declared",
                span,
                "used here",
                labels=[Label(top.later[name], "declared here")],
                help="move the declaration above its use",
            )
        if name in CIRCUITS:
            way = f"write `circuit C = {name}(…)`, and name `C` here"
            return error("CQ256", f"`{name}` makes a circuit, and stands in `circuit` statements only", span, help=way)
        if name in DIAGRAMS:
            way = f"write `graph G = {name}(…)`, and name `G` here"
            return error("CQ290", f"`{name}` makes a diagram, and stands in `graph` statements only", span, help=way)
        if name == "saliency":
            way = "write `show saliency(Y, at = S) on d as overlay`"
            return error("CQ784", "`saliency` makes heat maps, and stands in `show` statements only", span, help=way)
        from causalcircuit.check.vocabulary import words

        known = self.known()
        near = nearest(name, [*known, *FUNCTIONS, "row"]) or nearest(name, words())
        holders = [m for m, (v, _) in top.names.items() if isinstance(v, Module) and name in v.scope.names]
        if name in top.columns:
            help_text = f"a column is written with its row: `row.{name}`"
            near = None
        elif holders:
            help_text = f"did you mean `{holders[0]}.{name}`?"
        elif near:
            help_text = f"did you mean `{near}`?"
        else:
            help_text = "declared here: " + (", ".join(f"`{n}`" for n in known) or "nothing yet")
        labels = [Label(known[near], "a similar name is declared here")] if near in known else []
        fix = Fix(span, near) if near else None
        return error(
            "CQ201", f"unknown name `{name}`", span, "not declared in this file", labels=labels, help=help_text, fix=fix
        )

    def known(self) -> dict[str, Span]:
        """Every declared name, inner ones first, with its place."""
        out: dict[str, Span] = {}
        scope: Scope | None = self
        while scope is not None:
            for name, (_, span) in scope.names.items():
                out.setdefault(name, span)
            scope = scope.parent
        return out
