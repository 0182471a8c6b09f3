"""`cq.refute(tau, on=d, diagram=G, by="adjustment", against=["placebo"], seed=7)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from causalcircuit.api.diagrams import Drawing
from causalcircuit.api.programs import answers
from causalcircuit.api.quantities import Quantity, merge
from causalcircuit.api.questions import check_asked
from causalcircuit.api.regimes import wishes_of
from causalcircuit.api.rows import Data
from causalcircuit.check.refuting import refuting
from causalcircuit.diagnostics import error
from causalcircuit.query import Options, Query, Result, is_estimand, render
from causalcircuit.runs import Progress


def refute(
    estimand: Quantity,
    *,
    on: Data,
    diagram: Drawing,
    seed: int | None = None,
    against: Sequence[str] = (),
    by: str = "",
    level: float = 0.95,
    assume: Literal["linear"] | None = None,
    name: str = "",
    progress: Progress | None = None,
) -> Result:
    """An estimate from observed rows, and what attempts to refute it found: in its `refutations`.

    Args:
        estimand: over the variables of `diagram`. on: the data.
        seed: of all that is drawn; needed. against: `placebo`, `common_cause`, `subset`, `confounder`; all that apply
            to the regime, where none are named.
        by: the regime; the first that is right, without it. level: of the interval. assume: `linear`, for an
            instrument. name: of the estimate. progress: hears how many rows a model was run on.

    Raises:
        DiagnosticError: CQ902 an unknown refuter, CQ903 one that does not apply, CQ905 no seed; else as of `estimate`.
    """
    check_asked(on, estimand)
    if not is_estimand(estimand.expr):
        raise error("CQ214", f"`{estimand}` has a value on each row", help=f"write `E[{estimand}]` for its mean")
    wishes = wishes_of(by or (), assume == "linear", False, False)
    query = Query(name or render(estimand.expr), estimand.expr)
    options = Options(level=level, seed=seed)
    made = refuting(query, diagram.graph, on.ref, options, wishes, [(r, None) for r in against])
    return answers([made], merge(diagram.models, estimand.models), progress, diagram.remarks)
