"""`fit`: a structural model over the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import did_you_mean, error
from causalcircuit.inference.observed._linear import varied
from causalcircuit.inference.observed._result import Asked
from causalcircuit.inference.observed._table import Data
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
    return StructuralModel(drawn, _mechanisms(own, data, mechanisms, bins, prior, degree), asked, name)


def fitted_to(
    data: Data, drawn: Diagram, mechanisms: str, asked: Asked, name: str, **settings: float
) -> StructuralModel:
    """Fit to columns that were read already: those of all observed variables of `drawn`.

    Raises:
        DiagnosticError: CQ852 to CQ859 the columns, CQ881 mechanisms that are unfit for them.
    """
    for v in drawn.observed:
        varied(data[v])
    own = drawn.projected(drawn.observed)
    bins = settings.get("bins")
    whole = {"bins": None if bins is None else int(bins), "degree": int(settings.get("degree", 3))}
    made = _mechanisms(own, data, mechanisms, whole["bins"], settings.get("prior", 1.0), whole["degree"] or 0)
    return StructuralModel(drawn, made, asked, name)


def _mechanisms(own: Diagram, data: Data, kind: str, bins: int | None, prior: float, degree: int) -> Mechanisms:
    if kind == "linear_gaussian":
        return Linear.fit(own, data)
    if kind == "discrete":
        from causalcircuit.scm.discrete import Discrete

        return Discrete.fit(own, data, bins, prior)
    from causalcircuit.scm.additive import Additive

    return Additive.fit(own, data, degree)
