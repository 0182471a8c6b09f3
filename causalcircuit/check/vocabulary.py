"""The vocabulary: ATE, NIE, PN, …, functions that `query/std.cq` defines in the language itself.

The file is read when a program meets a name that nothing else has, once in a process. A definition is unfolded as any
function is. Names inside it are its own, so nothing that a program declares changes what it means; places inside it are
those of the call, so that a message points at the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from causalcircuit.check import addresses
from causalcircuit.check.scope import Scope
from causalcircuit.check.values import Path as Address
from causalcircuit.check.values import Standard, Value, kind_of
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Source, Span, error
from causalcircuit.query import Assignment, CircuitDecl, Expr, ModelRef, World, is_estimand, rebuild
from causalcircuit.syntax import Statement, parse
from causalcircuit.syntax.trees import inner

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

FILE = Path(__file__).parents[1] / "query" / "std.cq"
_VALUE, _WORLD, _NODE, _EVENT = "a value on each row", "a world", "a node", "an event"
TAKES: Mapping[str, tuple[str, str]] = {
    "Y": (_VALUE, "a value on each row, or an event: what is asked about"),
    "event": (_EVENT, "an event: what is asked about"),
    "treated": (_WORLD, "the world that is asked about"),
    "control": (_WORLD, "the world that it is held against"),
    "second": (_WORLD, "the world of the second intervention"),
    "without": (_WORLD, "the world without it"),
    "M": (_NODE, "a node, a set of nodes, or a circuit: what lies between"),
    "m": (_VALUE, "the value at which it is held"),
    "A": (_NODE, "the node that a wire leaves"),
    "B": (_VALUE, "what reads it: `q`, `k` or `v` of a head, another part, or a readout"),
    "group": (_EVENT, "an event that tells the rows, such as a condition on columns in parentheses"),
    "chosen": (_EVENT, "an event that tells the rows that were in fact treated"),
    "given": (_EVENT, "an event that tells the rows"),
}
"""By the name of a parameter: the kind of what it takes, and what it is."""


@cache
def _source() -> Source:
    return Source("std.cq", FILE.read_text(encoding="utf-8"))


@cache
def _definitions() -> Mapping[str, Statement]:
    statements, _, _ = parse(_source())
    return {str(inner(s.tree)[0].children[0]): s for s in statements}  # type: ignore[union-attr]


def words() -> tuple[str, ...]:
    """Every name of the vocabulary, in the order of its file."""
    return tuple(_definitions())


def standard(name: str, scope: Scope) -> Standard | None:
    """The function of a name, `None` where the vocabulary has none.

    Args:
        scope: a scope without names, which knows the program's models and vertices.
    """
    statement = _definitions().get(name)
    if statement is None:
        return None
    from causalcircuit.check.declarations import function
    from causalcircuit.check.expressions import Lowering

    _, parameters, body = inner(statement.tree)
    made = function(name, parameters, body, Lowering(statement.span, scope))
    return Standard(name, made.parameters, body, statement.span, scope, made.defaults, statement.comments)


def given(callee: Standard, values: Mapping[str, Value]) -> Lowering:
    """What reads the body of a definition where its parameters stand for these values; others are left out."""
    from causalcircuit.check.expressions import Lowering

    at = callee.statement
    inside = Lowering(at, Scope({name: (value, at) for name, value in values.items()}, callee.scope), depth=1)
    for name, default in callee.defaults:
        inside.scope.names.setdefault(name, (inside.value(default), at))
    return inside


def unfold(inside: Lowering, callee: Standard, span: Span | None) -> Expr:
    """The estimand of a definition, in a scope that has its arguments.

    Raises:
        DiagnosticError: CQ900, an argument of another kind; what is wrong with the body once they stand in it.
    """
    try:
        for name in callee.parameters:
            _fits(callee, name, *inside.scope.names[name])
        found = inside.expr(callee.body)
    except DiagnosticError as problem:
        raise DiagnosticError(*(_moved(d, callee, span) for d in problem.diagnostics)) from None
    return _settled(found, span)


def _fits(callee: Standard, name: str, value: Value, span: Span) -> None:
    kind, _ = TAKES[name]
    if kind != _WORLD and isinstance(value, Address | ModelRef):
        raise addresses.unplaced(value if isinstance(value, Address) else Address(value, (), span))
    if kind == _WORLD:
        fits = isinstance(value, World)
    elif kind == _NODE and isinstance(value, CircuitDecl):
        fits = True
    else:
        fits = isinstance(value, Expr) and not is_estimand(value)
    if not fits:
        ways = (f"write `{callee.usage}`", f"`cq explain {callee.name}` shows its definition")
        what = f"`{callee.name}` takes {kind} as `{name}`, and {kind_of(value)} stands here"
        raise error("CQ900", what, span, kind_of(value), help=ways)


# ---- places in a definition are those of its call


def _inside(span: Span | None) -> bool:
    return span is not None and span.source is _source()


def _moved(d: Diagnostic, callee: Standard, at: Span | None) -> Diagnostic:
    labels = tuple(label for label in d.labels if not _inside(label.span))
    fix = None if d.fix is not None and _inside(d.fix.span) else d.fix
    if not _inside(d.span):
        return replace(d, labels=labels, fix=fix)
    way = f"`cq explain {callee.name}` shows its definition"
    help = d.help if way in d.help else (*d.help, way)
    return replace(d, span=at, label=f"in `{callee.name}`", labels=labels, fix=fix, help=help)


def _settled(e: Expr, at: Span | None) -> Expr:
    made = rebuild(e, lambda part: _settled(part, at), lambda w: _world(w, at))
    return replace(made, span=at) if _inside(made.span) else made


def _world(w: World, at: Span | None) -> World:
    given = (
        Assignment(_settled(a.target, at), _settled(a.value, at), at if _inside(a.span) else a.span)
        for a in w.assignments
    )
    return World(tuple(given), at if _inside(w.span) else w.span)


# ---- what a user opens


def page(name: str) -> str | None:
    """A definition as a page of Markdown: what it is, the text that defines it, and what its parameters take."""
    made = standard(name, Scope())
    if made is None:
        return None
    title, *text = made.comments
    optional = {p for p, _ in made.defaults}
    takes = [f"- `{p}`: {TAKES[p][1]}{' (may be left out)' if p in optional else ''}" for p in made.parameters]
    head = f"# {name}({', '.join(made.parameters)}): {title[0].lower()}{title[1:]}"
    code = f"```cq\n{made.statement.text}\n```"
    return "\n\n".join([head, " ".join(text), "## Definition", code, "## Arguments", "\n".join(takes)]) + "\n"


def listing() -> str:
    """Every name with its headline, a line each."""
    widest = max(map(len, words()))
    return "".join(f"{name:<{widest}}  {made.comments[0]}\n" for name, made in _definitions().items())
