"""Functions in Python as readouts: found by reading their file, which nothing here runs."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from causalcircuit.check.scope import Scope
from causalcircuit.check.values import Foreign
from causalcircuit.check.wording import counted, shown
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Span, error, warning
from causalcircuit.query import Applied, Input, Items, is_estimand
from causalcircuit.syntax.trees import Node

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

_MOST = 2**22


def functions(file: Path, span: Span) -> tuple[Scope, Diagnostic]:
    """The readouts that a file of Python registers, as names, and the warning that its code will run.

    Raises:
        DiagnosticError: CQ496, it is no such file, or registers none.
    """
    found = {made.name: made for made in _readouts(_parsed(file, span), file)}
    if not found:
        raise _wrong(file, "registers no readout", span)
    remark = warning(
        "CQ495",
        f"the code of `{file.name}` runs when this program is run, and may do anything",
        span,
        "named here",
        help="read it first; `cq check` does not run it",
    )
    return Scope(names={name: (made, span) for name, made in found.items()}), remark


def _parsed(file: Path, span: Span) -> ast.Module:
    try:
        if file.stat().st_size > _MOST:
            raise _wrong(file, f"has more than {_MOST} bytes", span)
        return ast.parse(file.read_bytes(), file.name)
    except FileNotFoundError:
        raise _wrong(file, "does not exist", span, f"looked for {file}") from None
    except OSError as problem:
        raise _wrong(file, f"cannot be read: {problem.strerror}", span) from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        line = f" (line {problem.lineno})" if isinstance(problem, SyntaxError) and problem.lineno else ""
        raise _wrong(file, f"is no Python: {problem.args[0] if problem.args else problem}{line}", span) from None


def _wrong(file: Path, what: str, span: Span, more: str = "") -> DiagnosticError:
    way = 'a readout is a function under `@causalcircuit.readout("name")`, at the top of its file'
    return error("CQ496", f"the file `{file.name}` {what}", span, "this file", help=(*([more] if more else []), way))


def _readouts(module: ast.Module, file: Path) -> list[Foreign]:
    out = []
    for node in module.body:
        for call in getattr(node, "decorator_list", ()) if isinstance(node, ast.FunctionDef) else ():
            name = _named(call)
            if name is not None and isinstance(node, ast.FunctionDef):
                plain = [*node.args.posonlyargs, *node.args.args]
                most = 99 if node.args.vararg is not None else len(plain)
                out.append(Foreign(name, file, len(plain) - len(node.args.defaults), most))
    return out


def _named(call: ast.expr) -> str | None:
    """The name in `@readout("name")` or `@cq.readout("name")`."""
    if not (isinstance(call, ast.Call) and len(call.args) == 1 and isinstance(call.args[0], ast.Constant)):
        return None
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return call.args[0].value if function == "readout" and isinstance(call.args[0].value, str) else None


def applied(low: Lowering, callee: Foreign, arguments: list[Node], span: Span) -> Applied:
    """`toxicity(A)`.

    Raises:
        DiagnosticError: CQ207 wrong arguments, CQ214 an estimand among them.
    """
    if not callee.least <= len(arguments) <= callee.most:
        raise error(
            "CQ207",
            f"`{callee.name}` takes {counted(callee.least, 'argument')}, not {len(arguments)}",
            span,
            help="as many as its function in Python",
        )
    made = tuple(low.expr(a) for a in arguments)
    for value in made:
        if is_estimand(value):
            way = "`E` and `P` stand outermost: `E[f(A)]`"
            raise error("CQ214", f"`{shown(value)}` speaks of all rows", value.span or span, help=way)
        if isinstance(value, Items | Input):
            way = "sites at positions, readouts, texts, columns, strings and numbers"
            raise error("CQ207", f"`{callee.name}` cannot be given `{shown(value)}`", value.span or span, help=way)
    return Applied(callee.name, made, callee.file, span=span)
