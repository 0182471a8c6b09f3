"""Any identified effect on discrete columns: the formula of identification on the table's own frequencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from causalcircuit.causal import Estimand
from causalcircuit.causal.bits import bits
from causalcircuit.causal.evaluating import values
from causalcircuit.causal.terms import Prob, Product, Ratio, Sum, Term, mentioned, renumbered
from causalcircuit.diagnostics import Diagnostic, error
from causalcircuit.inference.observed._cells import Cells, no_rows
from causalcircuit.inference.observed._means import SAME, Means
from causalcircuit.inference.observed._table import Data, Floats

_AT_ONCE = 2_000_000


Payoff = Callable[[Mapping[str, Floats]], Floats]
"""What is averaged, of values of the outcomes: arrays that broadcast against each other, by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """Means in distributions that a formula gives: of `payoff` over the effect's outcomes, at each setting.

    Attributes:
        at: for each mean, the value of each treatment and condition, by name.
    """

    payoff: Payoff
    at: tuple[Mapping[str, float], ...]


def plugged_in(data: Data, estimand: Estimand, asked: Settings) -> Means:
    """The means in the distributions that the formula gives on the table's own frequencies.

    A formula that holds at any value of an anchor is taken at its most frequent one. Frequencies need not meet all
    that the diagram implies, so a formula may give what does not add up to 1: means are of its shares.

    Raises:
        DiagnosticError: CQ854 cells that the formula conditions on and that are empty, CQ859 columns that are not
            discrete.
    """
    used = list(bits(mentioned(estimand.term) | estimand.asked))
    names = [estimand.names[v] for v in used]
    if len(names) > 20:
        raise error("CQ859", f"{len(names)} columns are too many for a table", help="ask by adjustment instead")
    term = renumbered(estimand.term, {v: i for i, v in enumerate(used)})
    cells = Cells.of([data[name] for name in names], data.n)
    axis = {name: i for i, name in enumerate(names)}
    outcomes = [axis[name] for name in estimand.effect.of]
    places: list[dict[int, int]] = []
    for setting in asked.at:
        found = {name: cells.place(name, value) for name, value in setting.items()}
        lost = [name for name, place in found.items() if place is None]
        if lost:
            raise no_rows("; ".join(f"{name} = {data[name].shown(setting[name])}" for name in lost), "the formula")
        places.append({axis[name]: place for name, place in found.items() if place is not None})
    anchored = {axis[name]: _most_frequent(data, cells, name) for name in estimand.anchors}
    grid = np.meshgrid(*(cells.levels[i] for i in outcomes), indexing="ij")
    worth = asked.payoff({names[i]: values for i, values in zip(outcomes, grid, strict=True)}).ravel()

    def of_joint(weight: Floats) -> Floats:
        """[sizes, B] joint weights to the means [B, k]."""
        sizes = [*cells.shape, weight.shape[-1]]
        with np.errstate(invalid="ignore", divide="ignore"):
            found = values(term, _Oracle(weight), sizes)
        for i, value in anchored.items():
            found = found.take([value], axis=i)
        free = {*outcomes, *(i for place in places for i in place)}
        found = np.broadcast_to(found, [sizes[i] if i in free else 1 for i in range(len(names))] + [sizes[-1]])
        means = []
        for place in places:
            part = found
            for i, at in place.items():
                part = part.take([at], axis=i)
            p = np.moveaxis(part, outcomes, range(len(outcomes))).reshape(len(worth), -1)
            means.append(worth @ p / p.sum(axis=0))
        return np.stack(means, axis=-1)

    def means(of: Floats) -> Floats:
        step = max(1, _AT_ONCE // cells.size)
        parts = []
        for begin in range(0, len(of), step):
            weight = cells.grids(of[begin : begin + step])[0]
            parts.append(of_joint(np.moveaxis(weight, 0, -1)))
        return np.concatenate(parts)

    sums = cells.sums(data)
    if not np.isfinite(sums.value(means)).all():
        whole = np.moveaxis(cells.grids(sums.total()[None])[0], 0, -1)
        raise no_rows(_empty(term, whole[..., 0], cells, places), "the formula")
    words = f"formula on frequencies in {cells.size} cells"
    notes = tuple(
        Diagnostic(
            "CQ858",
            f"the formula holds at any value of `{names[i]}`: taken at "
            f"{data[names[i]].shown(cells.levels[i][place])}, the most frequent one",
            severity="note",
        )
        for i, place in anchored.items()
    )
    parameters = min(_parameters(cells, sums.total()), data.units - 1)
    return Means.of_sums(sums, means, words, (SAME,), parameters).said(*notes)


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


def _empty(term: Term, joint: Floats, cells: Cells, places: Sequence[Mapping[int, int]]) -> str:
    """The settings of conditions in which no row stands, as text."""
    found: list[str] = []
    for given in sorted(_conditions(term)):
        axes = list(bits(given))
        table = joint.sum(axis=tuple(i for i in range(joint.ndim) if i not in axes))
        for where in np.argwhere(table == 0):
            at = dict(zip(axes, where.tolist(), strict=True))
            if not any(all(at.get(i, value) == value for i, value in place.items()) for place in places):
                continue
            shown = ", ".join(
                f"{cells.columns[i].name} = {cells.columns[i].shown(cells.levels[i][v])}" for i, v in at.items()
            )
            if shown not in found:
                found.append(shown)
    return "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
