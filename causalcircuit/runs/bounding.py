"""Where a diagram leaves an effect open, or rests on what is not measured: its range, and how strong doubt must be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from causalcircuit.diagnostics import Diagnostic, error, warning

if TYPE_CHECKING:
    from causalcircuit.causal import Diagram
    from causalcircuit.inference.observed import Bounds
    from causalcircuit.inference.observed._means import Means
    from causalcircuit.inference.observed._result import Asked
    from causalcircuit.inference.observed._table import Data
    from causalcircuit.inference.observed.regimes import ByDiagram, Part, Question

Figures = tuple[tuple[str, float], ...]


def bounded(part: Part, data: Data, diagram: Diagram, instrument: str, level: float) -> Bounds:
    """The smallest and the largest difference of two means that the rows allow.

    Raises:
        DiagnosticError: CQ859, an estimand that is no such difference; CQ850 to CQ859, the rows.
    """
    from causalcircuit.inference.observed import bounds

    question, high, low = _contrast(part, "bounds")
    x, y = question.do[0], question.of[0]
    table = {**_table(data, (instrument, x)), y: question.outcome.values}
    values = (question.settings[low][x], question.settings[high][x])
    unit = data.unit if data.clustered else None
    return bounds(table, diagram, x, y, instrument, values=values, cluster=unit, weight=data.weight, level=level)


def doubts(
    part: Part, means: Means, data: Data, way: ByDiagram, asked: Asked
) -> tuple[Figures, tuple[Diagnostic, ...]]:
    """How strong an unmeasured common cause would have to be, as named numbers.

    Partial R² of a linear regression (Cinelli and Hazlett 2020), and E-values (VanderWeele and Ding 2017).

    Raises:
        DiagnosticError: CQ859, an estimand that is no difference of two means, or weighted rows.
    """
    from causalcircuit.inference.observed import e_value, e_value_of_difference, sensitivity
    from causalcircuit.inference.observed._means import settled

    question, high, low = _contrast(part, "a sensitivity analysis")
    if not (data.weight == data.weight[0]).all():
        raise error("CQ859", "partial R² is for rows of equal weight", help="leave `sensitivity` out")
    found = way.identified(question)
    x, given = question.do[0], found.covariates
    table = {**_table(data, (x, *given)), "(outcome)": question.outcome.values}
    values = (question.settings[low][x], question.settings[high][x])
    numbers = [name for name in given if data[name].labels is None]
    held = sensitivity(table, x, "(outcome)", given, values=values, benchmarks=numbers, times=[1.0], level=asked.level)
    level = f"{100 * asked.level:g}%"
    out = [
        ("robustness value", held.robustness),
        (f"robustness value of the {level} interval", held.robustness_interval),
        ("partial R² of treatment and outcome", held.partial_r2),
    ]
    out += [(f"effect beside an unmeasured cause as strong as {s.column}", s.value) for s in held.benchmarks]
    places = [part.places.index((0, i)) for i in (high, low)]
    top, bottom = (float(means.value[i]) for i in places)
    if np.isin(question.outcome.values, (0.0, 1.0)).all() and min(top, bottom) > 0:
        ratio = settled(means, lambda m: np.log(m[..., places[0]] / m[..., places[1]]), data, asked)
        ends = (None, None) if ratio.interval is None else (ratio.interval.low, ratio.interval.high)
        e = e_value(top / bottom, *(None if end is None else math.exp(end) for end in ends))
    else:
        spread = float(
            np.sqrt(np.average((question.outcome.values - means_of(data, question)) ** 2, weights=data.weight))
        )
        gap = settled(means, lambda m: m[..., places[0]] - m[..., places[1]], data, asked)
        both = (None, None) if gap.interval is None else (gap.interval.low, gap.interval.high)
        e = e_value_of_difference(top - bottom, spread, *both)
    out.append(("E-value", e[0]))
    out += [(f"E-value of the {level} interval", e[1])] if e[1] is not None else []
    said: tuple[Diagnostic, ...] = ()
    if data.clustered:
        said = (
            warning(
                "CQ866",
                "partial R² and robustness values take rows as independent, and these stand in clusters",
                help="the value of the interval is too hopeful; the E-value's interval counts clusters",
            ),
        )
    return tuple(out), said


def means_of(data: Data, question: Question) -> float:
    """The outcome's mean over the rows."""
    return float(np.average(question.outcome.values, weights=data.weight))


def _contrast(part: Part, what: str) -> tuple[Question, int, int]:
    """The only question of a plain difference of two means, and the numbers of the higher and the lower one.

    Raises:
        DiagnosticError: CQ859, it is none.
    """
    slopes = part.slopes
    if slopes is not None and len(part.questions) == 1 and sorted(slopes.tolist()) == [-1.0, 0.0, 1.0]:
        question = part.questions[0]
        if len(question.do) == 1 and not question.given and slopes[-1] == 0:
            order = slopes[:-1].tolist()
            return question, part.places[order.index(1.0)][1], part.places[order.index(-1.0)][1]
    raise error(
        "CQ859",
        f"{what} is for a difference of two means",
        help="ask for one: `E[Y | do(X = 1)] - E[Y | do(X = 0)]`",
    )


def _table(data: Data, names: tuple[str, ...]) -> dict[str, Any]:
    """Columns as the rows have them."""
    out: dict[str, Any] = {}
    for name in names:
        column = data[name]
        labels = column.labels
        out[name] = column.values if labels is None else np.array([labels[int(v)] for v in column.values], dtype=str)
    return out
