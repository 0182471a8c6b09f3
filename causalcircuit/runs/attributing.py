"""The bridge to the room of attribution: one attribution, from what a program says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from causalcircuit.diagnostics import error
from causalcircuit.query import Expr, World
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.formulas import Attributed
from causalcircuit.rows import Dataset

if TYPE_CHECKING:
    from causalcircuit.models import LoadedModel
    from causalcircuit.runs.execute import Progress


def attributed(
    asked: Attributed,
    model: LoadedModel,
    data: Dataset,
    names: Mapping[Expr | World, str],
    progress: Progress | None = None,
) -> Circuit:
    """The circuit of an attribution.

    Raises:
        DiagnosticError: CQ265, no method is there yet; what is wrong with the attribution.
    """
    raise error(
        "CQ265",
        f"`{asked.method}` is not available in this version",
        help="circuits are drawn by hand, `circuit C { A -> B -> Y }`, or loaded from files",
    )
