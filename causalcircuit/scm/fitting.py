"""`fit`: a structural model over the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import did_you_mean, error
from causalcircuit.inference.observed._result import Asked
from causalcircuit.scm.linear import Linear
from causalcircuit.scm.mechanisms import Mechanisms
from causalcircuit.scm.model import StructuralModel
from causalcircuit.scm.table import measured

KINDS = ("linear_gaussian", "discrete", "additive_noise")


def fit(
    table: Mapping[str, Any],
    diagram: Diagram | str,
    mechanisms: str = "linear_gaussian",
    *,
    cluster: object | None = None,
    weight: object | None = None,
    level: float = 0.95,
    resamples: int | None = None,
    seed: int | None = None,
    bins: int | None = None,
    prior: float = 1.0,
    degree: int = 3,
    name: str = "S",
) -> StructuralModel:
    """Fit a structural model to a table.

    Args:
        table: columns by name, each of one number or label a row.
        diagram: the diagram, or its text. Its variables that the table lacks are projected out.
        mechanisms: `linear_gaussian`, `discrete` or `additive_noise`.
        cluster: a column, or its name: rows of one value are one sampling unit.
        weight: a column, or its name: how much each row counts.
        level: of intervals. resamples, seed: a bootstrap of units in place of the analytic interval; `additive_noise`
            has no other.
        bins: of `discrete`, how many parts of equal share a column of numbers is cut into.
        prior: of `discrete`, how many rows the uniform law weighs in each conditional distribution.
        degree: of `additive_noise`, of the polynomials.
        name: what answers call it.

    Raises:
        DiagnosticError: CQ830 to CQ834 the diagram, CQ850 to CQ853 the table, CQ859 the options, CQ880 an unknown kind
            of mechanism, CQ881 one that is unfit for a column.
    """
    if mechanisms not in KINDS:
        raise error("CQ880", f"there are no mechanisms `{mechanisms}`", help=did_you_mean(mechanisms, KINDS)
                    or f"there are {', '.join(KINDS)}")  # fmt: skip
    asked = Asked(level, resamples, seed)
    drawn, own, data = measured(table, diagram, cluster, weight)
    fitted: Mechanisms
    if mechanisms == "linear_gaussian":
        fitted = Linear.fit(own, data)
    elif mechanisms == "discrete":
        from causalcircuit.scm.discrete import Discrete

        fitted = Discrete.fit(own, data, bins, prior)
    else:
        from causalcircuit.scm.additive import Additive

        fitted = Additive.fit(own, data, degree)
    return StructuralModel(drawn, fitted, asked, name)
