"""Any identified effect on discrete columns: the formula of identification on the table's own frequencies."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from causalcircuit.causal import Estimand
from causalcircuit.causal.bits import bits
from causalcircuit.causal.evaluating import values
from causalcircuit.causal.terms import Prob, Product, Ratio, Sum, Term, mentioned, renumbered
from causalcircuit.diagnostics import Diagnostic, error
from causalcircuit.inference.observed._cells import Cells, no_rows
from causalcircuit.inference.observed._contrast import Contrast
from causalcircuit.inference.observed._result import Asked, Observed, blank, from_sums
from causalcircuit.inference.observed._table import Data, Floats

_AT_ONCE = 2_000_000


def plugged_in(data: Data, contrast: Contrast, estimand: Estimand, asked: Asked) -> Observed:
    """The contrast of the outcome's means in the distributions that the formula gives.

    A formula that holds at any value of an anchor is taken at its most frequent one. Frequencies need not meet all
    that the diagram implies, so a formula may give what does not add up to 1: means are of its shares.

    Raises:
        DiagnosticError: CQ854 cells that the formula conditions on and that are empty, CQ859 columns that are not
            discrete.
    """
    used = list(bits(mentioned(estimand.term) | estimand.asked))
    names = [estimand.names[v] for v in used]
    term = renumbered(estimand.term, {v: i for i, v in enumerate(used)})
    cells = Cells.of([data[name] for name in names], data.n)
    at = {name: i for i, name in enumerate(names)}
    x, y = at[contrast.treatment.name], at[contrast.outcome.name]
    pair = (contrast.high, contrast.low)
    lost = [v for v in pair if cells.place(contrast.treatment.name, v) is None]
    if lost:
        shown = "; ".join(f"{contrast.treatment.name} = {contrast.treatment.shown(v)}" for v in lost)
        raise no_rows(shown, "the formula")
    places = [p for v in pair if (p := cells.place(contrast.treatment.name, v)) is not None]
    anchored = {at[name]: _most_frequent(data, cells, name) for name in estimand.anchors}
    if cells.size > 1 and len(names) > 20:
        raise error("CQ859", f"{len(names)} columns are too many for a table", help="ask by adjustment instead")
    levels = cells.levels[y]

    def outcome(weight: Floats) -> tuple[Floats, Floats]:
        """[sizes, B] joint weights to the two means [B]."""
        sizes = [*cells.shape, weight.shape[-1]]
        with np.errstate(invalid="ignore", divide="ignore"):
            found = values(term, _Oracle(weight), sizes)
        for axis, place in anchored.items():
            found = found.take([place], axis=axis)
        shape = [1] * len(names) + [weight.shape[-1]]
        shape[x], shape[y] = sizes[x], sizes[y]
        found = np.broadcast_to(found, shape)
        means = []
        for place in places:
            p = np.moveaxis(found.take([place], axis=x), y, 0).reshape(len(levels), -1)
            means.append(levels @ p / p.sum(axis=0))
        return means[0], means[1]

    def effect(of: Floats) -> Floats:
        step = max(1, _AT_ONCE // cells.size)
        parts = []
        for begin in range(0, len(of), step):
            weight = cells.grids(of[begin : begin + step])[0]
            high, low = outcome(np.moveaxis(weight, 0, -1))
            parts.append(high - low)
        return np.concatenate(parts)

    sums = cells.sums(data)
    if not math.isfinite(float(sums.value(effect))):
        whole = np.moveaxis(cells.grids(sums.total()[None])[0], 0, -1)
        raise no_rows(_empty(term, whole[..., 0], cells, x, places), "the formula")
    words = f"formula on frequencies in {cells.size} cells"
    result = blank(data, asked, words, ("consistency: the value set and the value seen are the same thing",))
    notes = tuple(
        Diagnostic(
            "CQ858",
            f"the formula holds at any value of `{names[axis]}`: taken at "
            f"{data[names[axis]].shown(cells.levels[axis][place])}, the most frequent one",
            severity="note",
        )
        for axis, place in anchored.items()
    )
    result = replace(result, warnings=(*result.warnings, *notes))
    return from_sums(result, data, sums, effect, min(_parameters(cells, sums.total()), data.units - 1), asked)


def _parameters(cells: Cells, total: Floats) -> int:
    """Cells with rows, less one: probabilities that are estimated."""
    return max(1, int((total[: cells.size] > 0).sum()) - 1)


def _most_frequent(data: Data, cells: Cells, name: str) -> int:
    axis = [c.name for c in cells.columns].index(name)
    return int(np.argmax(np.bincount(data[name].coded()[1], weights=data.weight, minlength=cells.shape[axis])))


class _Oracle:
    """P(of | given) out of a batch of joint weights; the last axis is the batch."""

    def __init__(self, joint: Floats) -> None:
        self.joint = joint / joint.sum(axis=tuple(range(joint.ndim - 1)), keepdims=True)
        self.kept: dict[Prob, Floats] = {}

    def __call__(self, part: Prob) -> Floats:
        if part not in self.kept:
            away = tuple(i for i in range(self.joint.ndim - 1) if not (part.of | part.given) >> i & 1)
            both = self.joint.sum(axis=away, keepdims=True)
            if part.given:
                below = both.sum(axis=tuple(bits(part.of)), keepdims=True)
                both = np.where(below == 0, np.nan, both / below)
            self.kept[part] = both
        return self.kept[part]


def _conditions(term: Term) -> set[int]:
    """The conditions of all probabilities of a term."""
    match term:
        case Prob():
            return {term.given} if term.given else set()
        case Sum():
            return _conditions(term.body)
        case Ratio():
            return _conditions(term.above) | _conditions(term.below)
        case Product():
            return set().union(*(_conditions(f) for f in term.factors))


def _empty(term: Term, joint: Floats, cells: Cells, x: int, places: list[int]) -> str:
    """The settings of conditions in which no row stands, as text."""
    found: list[str] = []
    for given in sorted(_conditions(term)):
        axes = list(bits(given))
        table = joint.sum(axis=tuple(i for i in range(joint.ndim) if i not in axes))
        for where in np.argwhere(table == 0):
            if x in axes and where[axes.index(x)] not in places:
                continue
            shown = ", ".join(
                f"{cells.columns[i].name} = {cells.columns[i].shown(cells.levels[i][v])}"
                for i, v in zip(axes, where, strict=True)
            )
            if shown not in found:
                found.append(shown)
    return "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
