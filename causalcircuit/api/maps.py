"""Heat maps over images and texts from Python."""

from __future__ import annotations

import causalcircuit.runs as rooms
from causalcircuit.api.addresses import located
from causalcircuit.api.quantities import Do, Quantity, merge
from causalcircuit.api.rows import Data
from causalcircuit.check import examine
from causalcircuit.check.saliency import question
from causalcircuit.check.saliency import saliency as checked
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Program
from causalcircuit.query.saliency import HeatMaps
from causalcircuit.runs import Progress


def saliency(
    readout: Quantity,
    *,
    at: Quantity,
    on: Data,
    start: Do | None = None,
    end: Do | None = None,
    inside: Quantity | None = None,
    progress: Progress | None = None,
) -> HeatMaps:
    """GradCAM++ over patches or tokens: `cq.saliency(W | kitchen, at=cap.encoder.layer[1].resid @ all, on=scenes)`.

    Args:
        readout: a scalar, in a world where one stands behind its bar. at: activations at all positions. on: the data.
        start, end: the language's `from` and `to`, of the signed form. inside: the column of a mask.
        progress: hears how many rows are done.

    Raises:
        DiagnosticError: CQ784, `at` is not at all positions, or lies over nothing; CQ251 to CQ255, as `attribute`.
    """
    given = [x for x in (readout, at, start, end) if x is not None]
    models = merge(*(x.models for x in given))
    name = f"saliency({readout})"
    made = checked(
        readout.expr,
        at.expr,
        on.ref,
        None if start is None else start.world,
        None if end is None else end.world,
        None if inside is None else inside.expr,
        name,
        span=located(name),
    )
    DiagnosticError.raise_if(examine(question(made), models))
    return rooms.run_program(Program(models, maps=(made,)), progress=progress).maps[0]
