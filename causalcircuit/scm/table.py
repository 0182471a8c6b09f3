"""The columns that a model is fitted to, and the diagram over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import did_you_mean, error
from causalcircuit.inference.observed._linear import varied
from causalcircuit.inference.observed._table import Data, Floats, read

__all__ = ["Data", "Floats", "measured"]


def measured(
    table: Mapping[str, Any], diagram: Diagram | str, cluster: object | None, weight: object | None
) -> tuple[Diagram, Diagram, Data]:
    """The diagram as drawn, its projection onto the variables that the table has, and their columns.

    Raises:
        DiagnosticError: CQ830 to CQ834 a diagram that is none, CQ850 values that are missing or infinite, CQ851 a
            latent that the table has, or nothing measured at all, CQ852 a constant column.
    """
    drawn = Diagram.read(diagram) if isinstance(diagram, str) else diagram
    both = [v for v in drawn.vertices if v in drawn.latents and v in table]
    if both:
        raise error(
            "CQ851",
            f"`{both[0]}` is latent in the diagram, and the table has it",
            help="a measured variable is no latent: say so in the diagram, or leave the column out",
        )
    names = tuple(v for v in drawn.observed if v in table)
    if len(names) < 2:
        lacking = [v for v in drawn.observed if v not in table]
        what = f"the table has no column `{lacking[0]}`" if lacking else "the diagram has fewer than two variables"
        near = did_you_mean(lacking[0], list(table)) if lacking else ""
        raise error("CQ851", what, help=(near, "a structural model relates at least two measured variables"))
    data = read(table, names, cluster, weight)
    for name in names:
        varied(data[name])
    hidden = frozenset(v for v in drawn.observed if v not in table)
    return drawn, replace(drawn, latents=drawn.latents | hidden).projected(names), data
