"""What a question needs of a linear model, and its answer as a function of means and covariances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from causalcircuit.causal import Diagram
from causalcircuit.inference.observed._table import Floats
from causalcircuit.scm.halftrek import Step, solved
from causalcircuit.scm.worlds import Moment, Worlds, holds

if TYPE_CHECKING:
    from causalcircuit.scm.linear import Linear


@dataclass(frozen=True, eq=False)
class View:
    """The model of some of the variables, the others projected out.

    Attributes:
        names: of the variables, causes first. parents: of each, by name. steps: how coefficients are found, in order.
    """

    names: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]
    steps: Mapping[str, Step]

    @classmethod
    def of(cls, diagram: Diagram) -> View:
        """The view of a diagram."""
        frame = diagram.frame
        parents = {v: frame.named(frame.graph.pa[i]) for i, v in enumerate(frame.names)}
        return cls(frame.names, parents, {frame.names[v]: s for v, s in solved(frame.graph).items()})


@dataclass(frozen=True, eq=False)
class Query:
    """Moments in a view of a model.

    Attributes:
        at: the place of each column. worlds: the nodes. roots: of each moment, the node of its outcome and those of
            its conditions. steps: the coefficients that are needed, in order.
    """

    model: Linear
    view: View
    moments: tuple[Moment, ...]
    at: Mapping[str, int]
    worlds: Worlds
    roots: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, model: Linear, view: View, moments: Sequence[Moment]) -> Query:
        """Find out what is needed."""
        worlds = Worlds(view.parents)
        for name in view.names:
            worlds.factual(name)
        roots = tuple(_roots(worlds, m) for m in moments)
        steps = _needed(view, _entered(worlds, [n for one in roots for n in one]))
        at = {name: i for i, name in enumerate(model.names)}
        return cls(model, view, tuple(moments), at, worlds, roots, tuple(steps))

    @property
    def parameters(self) -> int:
        """Coefficients of the largest fit."""
        return max((len(s.causes) for s in self.steps), default=0) + 1

    def means(self, of: Floats) -> Floats:
        """[B, m] sums to [B, moments]."""
        mean, cov = self._centred(of)
        forms = self._forms(self._coefficients(cov), len(of))
        out = [
            _moment(m, n, forms, mean, cov, self.model.two(m.outcome))
            for m, n in zip(self.moments, self.roots, strict=True)
        ]
        return np.stack(out, axis=1)

    def form(self, of: Floats) -> Floats:
        """[B, m] sums to [B, k + 1]: the first outcome as a linear form of the standardised row."""
        return self._forms(self._coefficients(self._centred(of)[1]), len(of))[self.roots[0][0]]

    def strength(self, of: Floats, steps: Sequence[Step]) -> Floats:
        """[B, m] sums to [B, steps]: the determinant of each system, 0 where its instruments say nothing."""
        cov = self._centred(of)[1]
        found = self._coefficients(cov)
        return np.stack([np.linalg.det(self._system(s, found, cov)[0]) for s in steps], axis=1)

    def _centred(self, of: Floats) -> tuple[Floats, Floats]:
        """[B, k] means and [B, k, k] covariances, in standard units."""
        size = len(self.model.names) + 1
        square = of.reshape(len(of), size, size)
        with np.errstate(invalid="ignore", divide="ignore"):
            square = square / square[:, :1, :1]
        mean = square[:, 0, 1:]
        return mean, square[:, 1:, 1:] - mean[:, :, None] * mean[:, None, :]

    def _coefficients(self, cov: Floats) -> dict[str, Floats]:
        """Of each variable that is needed, [B, causes], in standard units; NaN where there is no unique solution."""
        found: dict[str, Floats] = {}
        for step in self.steps:
            found[self.view.names[step.of]] = _solve(*self._system(step, found, cov))
        return found

    def _system(self, step: Step, found: Mapping[str, Floats], cov: Floats) -> tuple[Floats, Floats]:
        """A [B, p, p] and b [B, p] of a step."""
        lines = []
        for w, by_error in zip(step.by, step.errors, strict=True):
            name = self.view.names[w]
            line = cov[:, self.at[name], :]
            if by_error and self.view.parents[name]:
                causes = [self.at[p] for p in self.view.parents[name]]
                line = line - np.einsum("bp,bpk->bk", found[name], cov[:, causes, :])
            lines.append(line)
        square = np.stack(lines, axis=1) if lines else np.zeros((len(cov), 0, cov.shape[1]))
        columns = [self.at[self.view.names[p]] for p in step.causes]
        return square[:, :, columns], square[:, :, self.at[self.view.names[step.of]]]

    def _forms(self, slopes: Mapping[str, Floats], size: int) -> list[Floats]:
        """Of each node, [B, k + 1]: its value as a linear form of the standardised row, the constant last."""
        scale, centre = self.model.scale, self.model.centre
        k = len(scale)
        forms: list[Floats] = []

        def natural(name: str) -> Floats:
            form = np.zeros((size, k + 1))
            form[:, self.at[name]], form[:, k] = scale[self.at[name]], centre[self.at[name]]
            return form

        for number, node in enumerate(self.worlds.nodes):
            if not node.name:
                form = np.zeros((size, k + 1))
                form[:, k] = node.value
            else:
                form = natural(node.name)
                if number != self.worlds.factual(node.name) and node.name in slopes:
                    for j, (cause, enters) in enumerate(zip(self.view.parents[node.name], node.inputs, strict=True)):
                        if enters != self.worlds.factual(cause):
                            slope = slopes[node.name][:, j] * (scale[self.at[node.name]] / scale[self.at[cause]])
                            form += slope[:, None] * (forms[enters] - natural(cause))
            forms.append(form)
        return forms


def _moment(
    moment: Moment,
    roots: Sequence[int],
    forms: list[Floats],
    mean: Floats,
    cov: Floats,
    two: tuple[float, float] | None,
) -> Floats:
    """[B] the mean or probability of a moment; `two`: the values of an outcome that has only two."""
    one = np.concatenate([mean, np.ones((len(mean), 1))], axis=1)
    values = [np.einsum("bk,bk->b", forms[n], one) for n in roots]
    spread = np.stack([forms[n][:, :-1] for n in roots], axis=1)
    both = np.einsum("bik,bkl,bjl->bij", spread, cov, spread)
    return _gaussian(moment, np.stack(values, axis=1), both, two)


def _gaussian(moment: Moment, mean: Floats, cov: Floats, two: tuple[float, float] | None) -> Floats:
    """[B] what a joint Gaussian of outcome and conditions says; conditions fix a value each."""
    centre, spread = mean[:, 0], cov[:, 0, 0]
    if moment.given:
        own, cross = cov[:, 1:, 1:], cov[:, 0, 1:]
        away = np.array([c.number for c in moment.given]) - mean[:, 1:]
        slope = _solve(own, cross)
        centre = centre + np.einsum("bj,bj->b", slope, away)
        spread = spread - np.einsum("bj,bj->b", slope, cross)
    if moment.asked is None:
        return centre
    op, limit = moment.asked
    if two is not None:  # a line through the two values: the share of the higher one
        share = (centre - two[0]) / (two[1] - two[0])
        low, high = (holds(v, op, limit) for v in two)
        return np.asarray(share if high and not low else 1 - share if low and not high else np.full(len(share), low))
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (limit - centre) / np.sqrt(np.maximum(spread, 0.0))
    below = ndtr(z)
    return np.asarray(below if op in ("<", "<=") else 1 - below)


def _solve(a: Floats, b: Floats) -> Floats:
    """[B, p] A⁻¹b; NaN where A is not invertible."""
    if not a.shape[-1]:
        return b
    with np.errstate(invalid="ignore"):
        size = np.linalg.norm(a, axis=(1, 2))
        sound = np.isfinite(size) & (np.linalg.cond(np.where(np.isfinite(a), a, 0.0)) < 1e12)
    safe = np.where(sound[:, None, None], a, np.eye(a.shape[-1]))
    return np.where(sound[:, None], np.linalg.solve(safe, b[:, :, None])[:, :, 0], np.nan)


def _roots(worlds: Worlds, moment: Moment) -> tuple[int, ...]:
    """The node of the outcome, then those of the conditions."""
    return (
        worlds.at(moment.outcome, moment.world),
        *(worlds.at(c.name, c.world) for c in moment.given),
    )


def _entered(worlds: Worlds, roots: Sequence[int]) -> set[str]:
    """The variables that something moved enters: those whose coefficients are needed."""
    out = set()
    for number in worlds.behind(roots):
        node = worlds.nodes[number]
        if node.name and number != worlds.factual(node.name):
            out.add(node.name)
    return out


def _needed(view: View, used: set[str]) -> list[Step]:
    """The steps of some variables and those that they rest on, in order."""
    need = set(used)
    for name in reversed(list(view.steps)):
        if name in need:
            step = view.steps[name]
            need |= {view.names[w] for w, e in zip(step.by, step.errors, strict=True) if e}
    return [s for name, s in view.steps.items() if name in need]


def lost_in(view: View, moments: Sequence[Moment]) -> list[str]:
    """The variables whose coefficients the question needs, and which are not identified."""
    worlds = Worlds(view.parents)
    roots = [n for m in moments for n in _roots(worlds, m)]
    return sorted(_entered(worlds, roots) - view.steps.keys())
