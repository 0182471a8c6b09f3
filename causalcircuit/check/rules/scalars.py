"""An expectation takes a scalar (CQ231), and a contrast across models no raw logits (CQ312)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import (
    VECTOR_CALLS,
    Binary,
    Call,
    Column,
    Counterfactual,
    Expr,
    Input,
    Items,
    Mean,
    Negative,
    Number,
    Readout,
    Site,
    children,
    compile_estimand,
    models_of,
    render,
    walk,
)


@rule
def scalars(context: Context) -> Iterator[Diagnostic]:
    """A site has a vector at each position; `E` and `P` need one number a row."""
    for query, moment in context.moments():
        for part in (moment.value, moment.condition):
            for vector in _vectors(part) if part is not None else ():
                yield Diagnostic(
                    "CQ231",
                    f"`{render(vector)}` is a vector, and one number a row is needed",
                    vector.span or query.span,
                    "a vector",
                    help=("take its `norm(A)`, a product `dot(A, B)`, or ask a readout: `m.logit[…] @ last`",),
                )


def _vectors(e: Expr) -> Iterator[Expr]:
    if isinstance(e, Site | Mean | Input | Items):
        yield e
    elif isinstance(e, Counterfactual):
        yield from _vectors(e.value)
    elif not (isinstance(e, Readout) or (isinstance(e, Call) and e.function in VECTOR_CALLS)):
        for child in children(e):
            yield from _vectors(child)


@rule
def across_models(context: Context) -> Iterator[Diagnostic]:
    """Each model's logits have their own zero: only contrasts of them compare."""
    for query in context.queries:
        if len(models_of(query.expr)) < 2:
            continue
        for moment in compile_estimand(query.expr)[1]:
            weights = _coefficients(moment.value)
            logits = any(isinstance(e, Readout) and e.kind == "logit" for e in walk(moment.value, worlds=False))
            if logits and (weights is None or abs(weights) > 1e-12):
                yield Diagnostic(
                    "CQ312",
                    "a logit of one model is compared with another model's: each has its own zero",
                    query.span,
                    help=("compare contrasts (`m.logit[a] - m.logit[b]`), `logprob` or `prob`",),
                )
                break


def _coefficients(e: Expr) -> float | None:
    """The sum of the coefficients of the logits in a linear expression, `None` where it is not linear."""
    match e:
        case Readout(kind="logit"):
            return 1.0
        case Readout() | Number() | Column() | Call():
            return 0.0
        case Negative(operand=inner):
            value = _coefficients(inner)
            return None if value is None else -value
        case Counterfactual(value=inner):
            return _coefficients(inner)
        case Binary(op="+" | "-" as op, left=left, right=right):
            a, b = _coefficients(left), _coefficients(right)
            return None if a is None or b is None else a + (b if op == "+" else -b)
        case (
            Binary(op="*", left=Number(value=k), right=other) | Binary(op="*" | "/", left=other, right=Number(value=k))
        ):
            value = _coefficients(other)
            return None if value is None else value * k
        case _:
            return None
