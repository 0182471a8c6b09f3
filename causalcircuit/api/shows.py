"""`show` from Python: a family of estimates as a table or a heat map."""

from __future__ import annotations

from typing import Literal

from causalcircuit.api.circuits import Circuit, show_circuits
from causalcircuit.api.programs import answer
from causalcircuit.api.quantities import Quantity
from causalcircuit.api.questions import asked_of, check_asked
from causalcircuit.api.rows import Data, column_of
from causalcircuit.api.sweeps import Sweep
from causalcircuit.check.questions import show_correction
from causalcircuit.diagnostics import error
from causalcircuit.query import Options, Result
from causalcircuit.query.each import sites_at_each
from causalcircuit.query.showing import Showing
from causalcircuit.runs import Progress


def show(
    *asked: Quantity | Sweep | Circuit,
    on: Data | None = None,
    form: Literal["table", "heatmap"] = "table",
    method: str = "default",
    resamples: int | None = None,
    level: float = 0.95,
    seed: int | None = None,
    per: Quantity | None = None,
    population: bool = False,
    correct: Literal["holm", "max_t"] = "holm",
    progress: Progress | None = None,
    **named: Quantity | Sweep,
) -> Result:
    """Estimates as one family: `show(sweep(effect, H=heads), on=ioi, form="heatmap").shown[0]`.

    Args:
        asked, named: estimands and sweeps; or circuits, which take no data. on: the data.
        form: `heatmap` needs a sweep (see `pictures`).
        method, resamples, level, seed, per, population, progress: as in `estimate`; intervals hold together at `level`.
        correct: `max_t` takes account of how the estimates vary together, and needs a `seed`.

    Raises:
        DiagnosticError: as `estimate`; CQ249, a heat map of single numbers; CQ919, `max_t` over groups of `per`.
    """
    circuits = [c for c in asked if isinstance(c, Circuit)]
    if circuits and len(circuits) == len(asked) and not named:
        return show_circuits(*circuits, progress=progress)
    estimands = [q for q in asked if not isinstance(q, Circuit)]
    check_asked(on, *asked, **named)
    if on is None:  # pragma: no cover - told before
        raise TypeError("`on` takes data")
    queries, models, left, _ = asked_of(estimands, named)
    if form == "heatmap" and not all(q.at or sites_at_each(q.expr) for q in queries):
        raise error("CQ249", "a heat map needs a sweep", help="`cq.show(cq.sweep(effect, H=heads), on=d)`")
    options = Options(method, resamples, level, seed, population)
    correction = show_correction(correct, per is not None, None)
    made = Showing(queries, on.ref, options, column_of(per), (), None, form, left, correction)
    return answer(made, models, progress)
