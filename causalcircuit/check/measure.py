"""The unit of an expression, or the diagnostic that says why it has none."""

from __future__ import annotations

from causalcircuit.diagnostics import Span, error
from causalcircuit.query import Expr, UnitError, render, unit_of


def unit(value: Expr, span: Span | None) -> str:
    """The unit of a row value or an estimand.

    Raises:
        DiagnosticError: CQ311, units are mixed.
    """
    try:
        return unit_of(value)
    except UnitError as problem:
        raise error(
            "CQ311",
            f"`{render(problem.at)}` mixes units: {problem.left or 'a plain number'} with {problem.right or 'none'}",
            problem.at.span or span,
            help="compare like with like, or take a ratio of the same measure",
        ) from None
