"""An expectation takes a scalar (CQ231), and a contrast across models no raw logits (CQ312)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.conditions import assigns
from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import (
    Applied,
    Binary,
    Call,
    ClassScore,
    Column,
    Compare,
    Counterfactual,
    Distribution,
    Expr,
    Input,
    Items,
    Logic,
    Mentions,
    Negative,
    Number,
    Output,
    Readout,
    Site,
    Statistic,
    Vector,
    Within,
    children,
    compile_estimand,
    measured,
    models_of,
    walk,
)


@rule
def scalars(context: Context) -> Iterator[Diagnostic]:
    """A site has a vector at each position; `E` and `P` need one number a row."""
    for query, moment in context.moments():
        for part in (moment.value, moment.condition):
            for vector in _vectors(part) if part is not None else ():
                said, bare = shown(vector), vector == moment.condition
                way = f"`norm({said})`, `dot({said}, B)` or a readout `m.logit[…] @ last` is one number"
                yield Diagnostic(
                    "CQ231",
                    f"`{said}` is a vector, and one number a row is needed",
                    vector.span or query.span,
                    "a vector",
                    help=(f"after a bar, `do({said} = …)` sets it", way) if bare else (way,),
                )


def _vectors(e: Expr) -> Iterator[Expr]:
    vector = isinstance(e, Call) and e.function in ("unit", "project_out")
    if vector or isinstance(e, Site | Statistic | Vector | Input | Items | Distribution):
        yield e
    elif isinstance(e, Counterfactual | Mentions):  # what is mentioned may be a list
        yield from _vectors(e.value)
    elif not (measured(e) or assigns(e)):
        for child in children(e):
            yield from _vectors(child)


@rule
def across_models(context: Context) -> Iterator[Diagnostic]:
    """Each model's logits have their own zero: only contrasts of them compare."""
    for query in context.queries:
        if len({m for e in walk(query.expr, worlds=False) if isinstance(e, Output | Site) for m in models_of(e)}) < 2:
            continue  # what another model gives inside a world is a value there, and no side of a comparison
        for moment in compile_estimand(query.expr)[1]:
            read = [e for e in walk(moment.value, worlds=False) if _zeroless(e)]
            models = sorted({model for e in read for model in models_of(e)})
            weights = [_coefficients(moment.value, model) for model in models]
            if any(w is None or abs(w) > 1e-12 for w in weights):
                yield Diagnostic(
                    "CQ312",
                    "a logit of one model is compared with another model's: each has its own zero",
                    query.span,
                    help=("compare contrasts (`m.logit[a] - m.logit[b]`), `logprob` or `prob`",),
                )
                break


def _zeroless(e: Expr) -> bool:
    """Whether only differences of such scores mean something: the same number may be added to all of them."""
    return (isinstance(e, Readout) and e.kind == "logit") or (isinstance(e, ClassScore) and e.scale == "logit")


def _coefficients(e: Expr, model: str) -> float | None:
    """The sum of the coefficients of a model's logits in a linear expression, `None` where it is not linear."""
    match e:
        case Output(model=read) if _zeroless(e):
            return float(read == model)
        case Output() | Number() | Column() | Call() | Applied() | Mentions():
            return 0.0
        case Negative(operand=inner):
            value = _coefficients(inner, model)
            return None if value is None else -value
        case Counterfactual(value=inner):
            return _coefficients(inner, model)
        case Within(value=inner):
            return _coefficients(inner, model)
        case Compare(left=left, right=right):  # an event: the difference that it is about
            return _coefficients(Binary("-", left, right), model)
        case Logic(operands=operands):
            sums = [_coefficients(part, model) for part in operands]
            return next((x for x in sums if x is None or abs(x) > 1e-12), 0.0)
        case Binary(op="+" | "-" as op, left=left, right=right):
            a, b = _coefficients(left, model), _coefficients(right, model)
            return None if a is None or b is None else a + (b if op == "+" else -b)
        case (
            Binary(op="*", left=Number(value=k), right=other) | Binary(op="*" | "/", left=other, right=Number(value=k))
        ):
            value = _coefficients(other, model)
            return None if value is None else value * k
        case _:
            return None
