"""Regimes from Python: what `cq.estimate(…, diagram=G, by="adjustment")` wishes, and the commands that answer it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from causalcircuit.api.diagrams import Drawing
from causalcircuit.api.fits import Structure
from causalcircuit.api.quantities import Quantity
from causalcircuit.check.observing import Wishes, observing
from causalcircuit.diagnostics import error
from causalcircuit.query import DataRef, Options, Query, is_estimand
from causalcircuit.query.regimes import Observing, Regime

Said = str | Structure
"""A regime: a word of the language, or a fitted model."""
_REGIME = re.compile(r"\s*(\w+)\s*(?:\(([\w\s,]*)\))?\s*")


def wishes_of(by: Said | Sequence[Said], linear: bool, bounds: bool | str, sensitivity: bool) -> Wishes:
    """What a question wishes of regimes.

    Raises:
        DiagnosticError: CQ222, a word that is no regime.
    """
    made = []
    for written in [by] if isinstance(by, str | Structure) else by:
        if isinstance(written, Structure):
            made.append(Regime(written.fitted.name, model=written.fitted))
            continue
        found = _REGIME.fullmatch(written)
        if found is None:
            way = 'write `by="adjustment"`, or `by=["intervention", "iv(Z)"]`'
            raise error("CQ222", f"`{written}` is no regime", help=way)
        using = tuple(name.strip() for name in (found[2] or "").split(",") if name.strip())
        made.append(Regime(found[1], using or None))
    word = bounds if isinstance(bounds, str) else "" if bounds else None
    return Wishes(tuple(made), linear, word, sensitivity)


def observations(
    asked: Sequence[tuple[str, Quantity]], diagram: Drawing, data: DataRef, options: Options, wishes: Wishes
) -> list[Observing]:
    """The commands that regimes answer: one, or one for each estimand where no regime is named.

    Raises:
        DiagnosticError: CQ214, no estimand; else as of `check.observing`.
    """
    queries = []
    for name, q in asked:
        if not is_estimand(q.expr):
            raise error("CQ214", f"`{q}` has a value on each row", help=f"write `E[{q}]` for its mean")
        queries.append(Query(name, q.expr))
    parts = [queries] if wishes.regimes else [[q] for q in queries]
    return [observing(part, diagram.graph, data, options, wishes) for part in parts]
