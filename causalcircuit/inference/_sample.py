"""From a table of outcomes to the columns of numbers that one estimand rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from causalcircuit.diagnostics import error
from causalcircuit.inference._numpy import NDArray, np
from causalcircuit.inference._order import linearised
from causalcircuit.inference._rows import RowValues
from causalcircuit.query import Expr, Moment, OutcomeTable, cells, compile_estimand, render

_ROUNDING = 1e-13
"""A spread below this share of the values is what float64 leaves of a constant."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What an estimand rests on: n rows, k terms.

    Attributes:
        values: [n, k] float64, the row value of each term; 0 where the mask is false.
        mask: [n, k] rows where the term's condition holds in its world.
        events: whether each term is a probability of which a row shows 0 or 1; a share over donors is none.
        cluster: [n] the number of each row's sampling unit, or `None` where rows are independent.
        weight: [n] weights of rows, not negative, or `None`.
        combine: the arithmetic over `Term(i)` and numbers.
        raw: [n] the row values of each term that is a quantile; its column in `values` is linearised, so that its
            mean is the quantile and its variation that of the quantile.
    """

    values: NDArray[np.float64]
    mask: NDArray[np.bool_]
    events: tuple[bool, ...]
    combine: Expr
    cluster: NDArray[np.intp] | None = None
    weight: NDArray[np.float64] | None = None
    raw: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Rows that enter at least one term."""
        return int(self.mask.any(axis=1).sum())


def sample_of(query_expr: Expr, table: OutcomeTable, where: NDArray[np.bool_] | None = None) -> Sample:
    """The sample of an estimand in a table.

    Args:
        query_expr: the estimand.
        table: outcomes of all its cells.
        where: [n] the rows that are meant (a group of `per`), all where `None`.

    Raises:
        DiagnosticError: CQ711, a condition or group without rows; CQ712, arithmetic without a value on
            some rows; CQ713, a value of the wrong kind; CQ714, a weight that is none.
    """
    combine, moments = compile_estimand(query_expr)
    index = np.arange(table.n, dtype=np.intp) if where is None else np.flatnonzero(where)
    if not len(index):
        raise error(
            "CQ711", f"no row is left for `{render(query_expr)}`", help="check the data's `where` and the groups"
        )
    weight = _weights(table, index)
    draws = [_draws(m, table) for m in moments]
    columns = [_term(m, table, index, weight, d) for m, d in zip(moments, draws, strict=True)]
    raw: dict[int, NDArray[np.float64]] = {}
    for i, (moment, (values, mask)) in enumerate(zip(moments, columns, strict=True)):
        if moment.share is not None:
            raw[i] = values
            columns[i] = linearised(values, weight, moment.share), mask
    return Sample(
        values=np.stack([values for values, _ in columns], axis=1) if columns else np.empty((len(index), 0)),
        mask=np.stack([mask for _, mask in columns], axis=1) if columns else np.empty((len(index), 0), np.bool_),
        events=tuple(m.event and d is None for m, d in zip(moments, draws, strict=True)),
        combine=combine,
        cluster=None if table.cluster is None else codes(table.cluster[index]),
        weight=weight,
        raw=raw,
    )


def codes(labels: NDArray[Any]) -> NDArray[np.intp]:
    """[n] a number for each label, from 0 in order of first appearance."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels.tolist()], dtype=np.intp)


def _term(
    moment: Moment,
    table: OutcomeTable,
    index: NDArray[np.intp],
    weight: NDArray[np.float64] | None,
    draws: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """[n] values and mask of one term; its value is asked only of rows that meet its condition.

    Where rows have several donors, a row's value is the mean over them: the row stays the unit.
    """
    mask = np.ones(len(index), np.bool_)
    if moment.condition is not None:
        mask = RowValues(table, index).truths(moment.condition, moment.world)
    if not (mask if weight is None else mask & (weight > 0)).any():
        what = "no row has a weight" if moment.condition is None else f"no row meets `{render(moment.condition)}`"
        raise error(
            "CQ711", f"{what}: a mean over no rows has no value", help="check the spelling of the condition's values"
        )
    each: list[NDArray[Any]] = []
    for k in (None,) if draws is None else range(draws):
        chosen = RowValues(table, index[mask], k)
        if moment.factors:
            each.append(np.stack([chosen.numbers(f, moment.world) for f in moment.factors]))
        else:
            each.append((chosen.truths if moment.event else chosen.numbers)(moment.value, moment.world))
    if moment.factors:
        each = list(_standardised(np.stack(each)).prod(axis=1))
    values = np.zeros(len(index))
    values[mask] = each[0] if draws is None else np.mean(each, axis=0)
    return values, mask


def _standardised(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """[draws, factors, m] about the mean of each factor, in its standard deviations; 0 where it does not vary.

    A correlation does not depend on either, and its arithmetic loses nothing where values are far from 0.
    """
    mean = factors.mean(axis=(0, 2), keepdims=True)
    centred = factors - mean
    sd = np.sqrt((centred**2).mean(axis=(0, 2), keepdims=True))
    varies = sd > _ROUNDING * np.abs(factors).max(axis=(0, 2), keepdims=True)
    return np.asarray(np.where(varies, centred / np.where(varies, sd, 1.0), 0.0))


def _draws(moment: Moment, table: OutcomeTable) -> int | None:
    """How many donors a row has in a term; `None` where there is no axis of draws."""
    shapes = {table.cells[c].shape[1:] for c in cells(moment.value, moment.world)} - {()}
    return max((s[0] for s in shapes), default=None)


def _weights(table: OutcomeTable, index: NDArray[np.intp]) -> NDArray[np.float64] | None:
    if table.weight is None:
        return None
    weight = table.weight[index]
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        raise error(
            "CQ714",
            f"row {table.rows[index][bad][0]} has the weight {weight[bad][0]:g}",
            help="weights are finite and not negative",
        )
    # Only their proportions count: weights near the ends of float64 would overflow or vanish in sums.
    return weight / (weight.max() or 1.0)
