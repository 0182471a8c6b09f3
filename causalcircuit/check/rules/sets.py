"""A set of sites stands where one site is needed (CQ248)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import VECTOR_CALLS, Call, Counterfactual, Expr, Items, Site


@rule
def sets(context: Context) -> Iterator[Diagnostic]:
    """Look at what functions of vectors are given."""
    said: set[Expr] = set()
    for e in context.expressions():
        if not isinstance(e, Call) or e.function not in VECTOR_CALLS or e in said:
            continue
        for argument in e.arguments:
            of = argument.value if isinstance(argument, Counterfactual) else argument
            if isinstance(of, Items) and of.items and all(isinstance(i, Site) for i in of.items):
                said.add(e)
                first = of.items[0]
                yield Diagnostic(
                    "CQ248",
                    f"`{shown(argument)}` is a set of {len(of.items)} sites, and `{e.function}` takes one",
                    within(argument.span, e.span),
                    "a set",
                    help=(
                        f"go through it: `{e.function}(H)` with `for H in {shown(of)}`",
                        f"or name one: `{first.address}`" if isinstance(first, Site) else "",
                    ),
                )
