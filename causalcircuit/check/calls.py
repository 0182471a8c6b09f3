"""Calls: functions of the program are unfolded, those of the language become nodes of the algebra."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from lark import Token, Tree

from causalcircuit.check import draws, given, references, summaries
from causalcircuit.check.foreign import applied
from causalcircuit.check.generation import generated
from causalcircuit.check.outputs import divergence
from causalcircuit.check.scope import CLAIMS, FUNCTIONS, Scope
from causalcircuit.check.values import Builtin, Foreign, Function, Path, Standard, Value, kind_of
from causalcircuit.check.wording import counted, shown
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import (
    Call,
    Column,
    Expr,
    Part,
    Text,
    World,
)
from causalcircuit.syntax.trees import Node, inner, named, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering
    from causalcircuit.query.trials import Kind

_DEPTH = 40
_MADE: Mapping[str, Callable[[Lowering, list[Node], Span], Expr]] = {
    "mean": references.mean,
    "direction": references.direction,
    "pc1": references.component,
    "noise": given.noise,
    "vector": given.vector,
    "draw": draws.call,
    "resample": draws.resample,
    "quantile": summaries.quantile,
    "correlation": summaries.correlation,
    "area": summaries.area,
}
"""Functions with arguments of their own kind."""
_ARITY = {
    "unit": (1, 1),
    "project_out": (2, 2),
    "norm": (1, 1),
    "dot": (2, 2),
    "cosine": (2, 2),
    "kl": (2, 2),
    "avg": (1, 1),
    "max": (1, 9),
    "min": (2, 9),
    "abs": (1, 1),
    "log": (1, 1),
    "exp": (1, 1),
    "known": (1, 1),
}


def call(low: Lowering, node: Tree[Token]) -> Value:
    """`f(a, b)`: a declared function unfolded, or a function of the language.

    Raises:
        DiagnosticError: CQ207 the wrong arguments, CQ208 recursion, CQ212 a mean of something that is no site.
    """
    parts = inner(node)
    callee, span = _callee(low, parts[0]), low.span(node)
    arguments = inner(tree_of(parts[1])) if len(parts) > 1 else []
    if isinstance(callee, Path) and callee.parts == (Part("module"),):
        return _module(low, callee, arguments, span)
    if isinstance(callee, Path) and callee.parts == (Part("text"),):
        return generated(low, callee.model, arguments, span)
    if isinstance(callee, Builtin) and callee.name in CLAIMS:
        from causalcircuit.check.claims import claimed  # most programs have none

        return claimed(low, cast("Kind", callee.name), arguments, span)
    if isinstance(callee, Builtin):
        return _builtin(low, callee.name, arguments, span)
    if isinstance(callee, Foreign):
        return applied(low, callee, arguments, span)
    if not isinstance(callee, Function):
        raise error(
            "CQ207",
            f"`{low.span(parts[0]).text}` is {kind_of(callee)} and cannot be called",
            span,
            help="functions are declared by `let f(x) = …`; a product is written `*`",
        )
    if low.depth >= _DEPTH:
        raise error(
            "CQ208", f"`{callee.name}` calls itself without end", span, help="functions are unfolded: no recursion"
        )
    return unfolded(low, callee, arguments, span)


def unfolded(low: Lowering, callee: Function, arguments: list[Node], span: Span) -> Value:
    """The body of a declared function, its parameters replaced by the arguments.

    Raises:
        DiagnosticError: CQ207, other arguments than it takes; what is wrong with them.
    """
    local = Scope(parent=callee.scope)
    for name, argument in _matched(low, callee, arguments, span).items():
        local.names[name] = (low.value(argument), low.span(argument))
    inside = replace(low, statement=callee.statement, scope=local, depth=low.depth + 1)
    for name, default in callee.defaults:
        if name not in local.names:
            local.names[name] = (inside.value(default), span)
    if isinstance(callee, Standard):
        from causalcircuit.check.vocabulary import unfold  # most programs call none

        return unfold(inside, callee, span)
    result = inside.value(callee.body)
    return replace(result, span=span) if isinstance(result, Expr | World) else result


def _matched(low: Lowering, callee: Function, arguments: list[Node], span: Span) -> dict[str, Node]:
    """Which argument each parameter is given: in order, or by name."""
    found: dict[str, Node] = {}
    by_name = False
    for at, node in enumerate(arguments):
        name, value = named(node) if isinstance(node, Tree) and node.data == "named" else ("", node)
        by_name = by_name or bool(name)
        word = name or (callee.parameters[at] if at < len(callee.parameters) else "")
        if word not in callee.parameters or word in found or (by_name and not name):
            raise _other_arguments(callee, len(arguments), low.span(node) if name else span)
        found[word] = value
    optional = dict(callee.defaults)
    if any(p not in found and p not in optional for p in callee.parameters):
        raise _other_arguments(callee, len(arguments), span)
    return found


def _other_arguments(callee: Function, n: int, span: Span) -> DiagnosticError:
    most, least = len(callee.parameters), len(callee.parameters) - len(callee.defaults)
    takes = counted(most, "argument") if most == least else f"{least} to {most} arguments"
    names = ", ".join(f"`{p}`" for p in callee.parameters)
    optional = ", ".join(f"`{p}`" for p, _ in callee.defaults)
    help = (f"write `{callee.usage}`", *([f"{optional} may be given too, by name"] if optional else []))
    if least <= n <= most:
        return error("CQ207", f"`{callee.name}` takes each of {names} once", span, help=help)
    return error("CQ207", f"`{callee.name}` takes {takes}, not {n}", span, help=help)


def _module(low: Lowering, path: Path, arguments: list[Node], span: Span) -> Path:
    """`m.module("transformer.h.0.mlp.act")`: the module of that path, inside the model as torch names it."""
    made = low.expr(arguments[0]) if len(arguments) == 1 and tree_of(arguments[0]).data != "named" else None
    if not isinstance(made, Text) or not made.value:
        way = f'write `{path.model.name}.module("its.path") @ last`'
        raise error("CQ207", "`module` takes the path of a module, in quotes", span, help=way)
    return Path(path.model, (Part("module", text=made.value),), span)


def _callee(low: Lowering, node: Node) -> Value:
    """What is called: data named `log` do not take `log(x)` away, a declared function of that name does."""
    found = low.value(node)
    name = low.span(node).text
    if name in FUNCTIONS and not isinstance(found, Function):
        return Builtin(name, low.span(node))
    return found


def _builtin(low: Lowering, name: str, arguments: list[Node], span: Span) -> Expr:
    if name in _MADE:
        return _MADE[name](low, arguments, span)
    least, most = _ARITY[name]
    if not least <= len(arguments) <= most:
        letters = ", ".join("ABCDEFGHI"[:least])
        raise error(
            "CQ207",
            f"`{name}` takes {counted(least, 'argument')}, not {len(arguments)}",
            span,
            help=f"write `{name}({letters})`",
        )
    made = tuple(low.expr(a) for a in arguments)
    if name == "kl":
        return divergence(made, span)
    if name == "known" and not isinstance(made[0], Column):
        way = "`known(row.x)` holds on rows where the column has a value, in `where` and in conditions"
        raise error("CQ207", f"`known` takes a column, not `{shown(made[0])}`", span, help=way)
    return Call(name, made, span=span)
