"""Additive-noise mechanisms: each variable a smooth function of its causes plus a noise that a row shows.

Every row's noises follow from its values, so a variable of any world is calculated row by row (abduction, action,
prediction), and a mean is that of the rows. Intervals come from fitting anew to resamples of the sampling units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb

import numpy as np
import numpy.typing as npt

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import error
from causalcircuit.inference.observed._resampling import Sums
from causalcircuit.inference.observed._result import Asked
from causalcircuit.inference.observed._table import Data, Floats, Numbers
from causalcircuit.scm.mechanisms import Answering
from causalcircuit.scm.worlds import Condition, Moment, Worlds

MOST_UNITS = 20_000


@dataclass(frozen=True, eq=False)
class Additive:
    """Additive-noise mechanisms over the columns of a table."""

    diagram: Diagram
    data: Data
    degree: int
    parents: Mapping[str, tuple[str, ...]]
    assumptions: tuple[str, ...]

    words = "additive-noise model"
    refitted = True

    @classmethod
    def fit(cls, diagram: Diagram, data: Data, degree: int) -> Additive:
        """Fit.

        Raises:
            DiagnosticError: CQ853 fewer rows than coefficients, CQ859 a degree that is none, weights, or too many
                units, CQ881 a column whose noise cannot be additive.
        """
        if degree < 1 or degree > 5:
            raise error("CQ859", f"a degree of {degree} is none", help="give 1 to 5")
        if np.ptp(data.weight) > 0:
            raise error(
                "CQ859", "additive-noise mechanisms take no weights", help="fit `linear_gaussian` or `discrete`"
            )
        if data.units > MOST_UNITS:
            raise error("CQ859", f"{data.units} {data.word} are too many to fit anew so often",
                        help=f"take a sample of {MOST_UNITS}, or fit `linear_gaussian`")  # fmt: skip
        frame = diagram.frame
        parents = {v: frame.named(frame.graph.pa[i]) for i, v in enumerate(frame.names)}
        for name, causes in parents.items():
            column = data[name]
            if column.labels is not None or (causes and len(column.levels) < 3):
                what = "holds text" if column.labels is not None else "has two values"
                raise error(
                    "CQ881",
                    f"`{name}` {what}: no noise is added to it",
                    help="fit `discrete`, whose mechanisms are probabilities",
                )
            size = _coefficients(len(causes), degree)
            if causes and data.units <= size:
                raise error("CQ853", f"{data.units} {data.word} for the {size} coefficients of `{name}`",
                            help="collect more rows, or lower `degree`")  # fmt: skip
        kind = "linear" if degree == 1 else f"polynomials of degree {degree}"
        said = (f"mechanisms are {kind} plus a noise that is independent of the causes",)
        return cls(diagram, data, degree, parents, said)

    def answering(self, moments: Sequence[Moment]) -> Answering:
        """The means of some moments as a function of how often each unit is taken.

        Raises:
            DiagnosticError: CQ882 errors that are shared, CQ883 a condition that no row meets.
        """
        for moment in moments:
            self._free(moment)
            _values_occur(self.data, moment)
        units = self.data.units
        sums = Sums.of(self.data, lambda of: _once(self.data, of), units)
        rows_of = np.argsort(self.data.unit, kind="stable")
        size = np.bincount(self.data.unit, minlength=units)

        def means(of: Floats) -> Floats:
            out = np.empty((len(of), len(moments)))
            for i, one in enumerate(of):
                taken = np.repeat(rows_of, np.repeat(np.rint(one).astype(int), size))
                out[i] = self._means(moments, taken)
            return out

        most = max((_coefficients(len(p), self.degree) for p in self.parents.values()), default=1)
        return Answering(sums, means, min(most, units - 1))

    def each(self, moment: Moment, asked: Asked) -> tuple[Floats, Floats, float]:
        """[n] counterfactual values, [n] their standard errors, degrees of freedom."""
        self._free(moment)
        every = np.arange(self.data.n)
        value = self._node_values((moment,), every, every)[0][0]
        resamples = int(asked.resamples or 0)
        rng = np.random.default_rng(asked.seed)
        rows_of = [np.flatnonzero(self.data.unit == u) for u in range(self.data.units)]
        drawn = np.empty((resamples, self.data.n))
        for b in range(resamples):
            chosen = rng.integers(0, self.data.units, self.data.units)
            drawn[b] = self._node_values((moment,), np.concatenate([rows_of[u] for u in chosen]), every)[0][0]
        return value, drawn.std(axis=0, ddof=1), float(self.data.units - 1)

    def _free(self, moment: Moment) -> None:
        """Demand that no error that is needed is shared; in this kind a row's own errors serve all worlds."""
        worlds = Worlds(self.parents)
        roots = [worlds.at(moment.outcome, moment.world), *(worlds.at(c.name, c.world) for c in moment.given)]
        moved = {worlds.nodes[n].name for n in worlds.behind(roots)} - {""}
        moved = {v for v in moved if any(
            worlds.nodes[n].name == v and n != worlds.factual(v) for n in worlds.behind(roots))}  # fmt: skip
        frame = self.diagram.frame
        for v in sorted(moved):
            i = frame.index[v]
            touched = frame.graph.sp[i] & frame.graph.ancestors(frame.graph.pa[i], frame.graph.all)
            if touched:
                raise error(
                    "CQ882",
                    f"the mechanism of `{v}` is not identified: it shares an unmeasured cause with one of its causes",
                    help="measure the shared cause, or estimate `by id`: other formulas may identify the effect",
                )

    def _means(self, moments: Sequence[Moment], taken: Numbers) -> Floats:
        return np.array([_mean(m, v) for m, v in zip(moments, self._node_values(moments, taken, taken), strict=True)])

    def _node_values(self, moments: Sequence[Moment], fitted: Numbers, asked: Numbers) -> list[list[Floats]]:
        """Of each moment, [n] of its outcome and conditions on the rows `asked`, mechanisms fitted to `fitted`."""
        worlds = Worlds(self.parents)
        for name in self.parents:
            worlds.factual(name)
        roots = [[worlds.at(m.outcome, m.world), *(worlds.at(c.name, c.world) for c in m.given)] for m in moments]
        columns = {v: self.data[v].values for v in self.parents}
        known: dict[int, Floats] = {}
        fits: dict[str, Mechanism] = {}
        for number in worlds.behind([n for one in roots for n in one]):
            node = worlds.nodes[number]
            if not node.name:
                known[number] = np.full(len(asked), node.value)
                continue
            factual = columns[node.name][asked]
            if number == worlds.factual(node.name):
                known[number] = factual
                continue
            causes = self.parents[node.name]
            own = np.stack([columns[p] for p in causes], axis=1)
            if node.name not in fits:
                fits[node.name] = Mechanism(own[fitted], columns[node.name][fitted], self.degree)
            moved = np.stack([known[i] for i in node.inputs], axis=1)
            both = fits[node.name].predict(np.concatenate([moved, own[asked]]))
            known[number] = factual + both[: len(asked)] - both[len(asked) :]
        return [[known[n] for n in one] for one in roots]


class Mechanism:
    """One variable as a polynomial of its causes, fitted by least squares; causes are standardised for the figures."""

    def __init__(self, causes: Floats, effect: Floats, degree: int) -> None:
        self.centre, self.scale = causes.mean(axis=0), causes.std(axis=0)
        self.scale = np.where(self.scale > 0, self.scale, 1.0)
        self.powers = [c for d in range(degree + 1) for c in combinations_with_replacement(range(causes.shape[1]), d)]
        self.slopes = np.linalg.lstsq(self._features(causes), effect, rcond=None)[0]

    def _features(self, causes: Floats) -> Floats:
        z = (causes - self.centre) / self.scale
        return np.stack([z[:, list(c)].prod(axis=1) for c in self.powers], axis=1)

    def predict(self, causes: Floats) -> Floats:
        """[n] the part that causes [n, p] explain."""
        return np.asarray(self._features(causes) @ self.slopes)


def _mean(moment: Moment, values: Sequence[Floats]) -> float:
    kept = np.ones(len(values[0]), np.bool_)
    for one, value in zip(moment.given, values[1:], strict=True):
        kept &= _met(value, one)
    if not kept.any():
        return float("nan")
    outcome = values[0][kept]
    if moment.event is None:
        return float(outcome.mean())
    return float(_met(outcome, Condition(moment.outcome, *moment.event)).mean())


def _met(value: Floats, one: Condition) -> npt.NDArray[np.bool_]:
    tests: dict[str, Callable[[Floats, float], npt.NDArray[np.bool_]]] = {
        "=": np.isclose,
        "<": np.less,
        ">": np.greater,
        "<=": np.less_equal,
        ">=": np.greater_equal,
    }
    return np.asarray(tests[one.op](value, one.number))


def _values_occur(data: Data, moment: Moment) -> None:
    """Demand that a row meets each condition on a measured variable."""
    for one in moment.given:
        if not one.world.sets and not one.world.wires and not _met(data[one.name].values, one).any():
            raise error(
                "CQ883",
                f"no row has `{one.name} {one.op} {one.number:g}`: a mean over no rows has no value",
                help="condition on a range, `Z > 2`, or on a value that occurs",
            )


def _once(data: Data, of: Numbers) -> Floats:
    """[r, units] the share that a row is of its unit."""
    size = np.bincount(data.unit, minlength=data.units)
    out = np.zeros((len(of), data.units))
    out[np.arange(len(of)), data.unit[of]] = 1 / size[data.unit[of]]
    return out


def _coefficients(causes: int, degree: int) -> int:
    return comb(causes + degree, degree)
