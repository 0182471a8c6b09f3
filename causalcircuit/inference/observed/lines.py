"""Any identified effect where all is linear: the formula of identification on Gaussians with the rows' moments.

In a linear model with additive noise the mean of an outcome under what is set depends on means and covariances alone,
and in the same way whatever the noise is distributed like. So a formula that holds in every model may be evaluated in
the Gaussian one. A factor P(a | b) is exp(−½ vᵀKv + hᵀv) there: products add K and h, quotients subtract them, and a
sum over m is an integral, K − K·m K_mm⁻¹ K_m·. The scale of a factor does not matter to a mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from causalcircuit.causal import Estimand
from causalcircuit.causal.bits import bits
from causalcircuit.causal.terms import Prob, Product, Ratio, Sum, Term, mentioned, renumbered
from causalcircuit.diagnostics import Diagnostic, error
from causalcircuit.inference.observed._linear import Regression
from causalcircuit.inference.observed._means import SAME, Means
from causalcircuit.inference.observed._resampling import Sums
from causalcircuit.inference.observed._table import Data, Floats, Numbers

LINEAR = "every variable is linear in its causes, known and unknown, with additive noise of any distribution"
_SINGULAR = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """exp(−½ vᵀKv + hᵀv): K [B, p, p], h [B, p]; zero where it does not depend on a variable, NaN where it is none."""

    k: Floats
    h: Floats

    def plus(self, other: Factor, sign: float = 1.0) -> Factor:
        """The product, or the quotient."""
        return Factor(self.k + sign * other.k, self.h + sign * other.h)

    def without(self, gone: Sequence[int]) -> Factor:
        """The integral over some variables; NaN where it does not converge."""
        inner = self.k[:, gone][:, :, gone]
        across = self.k[:, :, gone] @ inverse(inner)
        k = self.k - across @ self.k[:, gone]
        h = self.h - (across @ self.h[:, gone, None])[..., 0]
        k[:, gone], k[:, :, gone], h[:, gone] = 0.0, 0.0, 0.0
        lost = np.isnan(across).any(axis=(1, 2))
        k[lost], h[lost] = np.nan, np.nan
        return Factor(k, h)


def inverse(matrices: Floats) -> Floats:
    """[B, m, m] the inverses; NaN where a matrix is not positive definite."""
    m = matrices.shape[-1]
    whole = np.asarray(np.isfinite(matrices).all(axis=(1, 2)))
    safe = np.where(whole[:, None, None], matrices, np.eye(m))
    spectrum = np.linalg.eigvalsh(safe)
    sound = whole & (spectrum[:, 0] > _SINGULAR * np.abs(spectrum[:, -1]))
    found = np.linalg.inv(np.where(sound[:, None, None], safe, np.eye(m)))
    return np.asarray(np.where(sound[:, None, None], found, np.nan))


def factor_of(term: Term, mean: Floats, covariance: Floats) -> Factor:
    """A term on Gaussians with `mean` [B, p] and `covariance` [B, p, p] of its numbered variables."""
    known: dict[int, Factor] = {}
    none = Factor(np.zeros_like(covariance), np.zeros_like(mean))

    def marginal(mask: int) -> Factor:
        at = list(bits(mask))
        if not at:
            return none
        k, h = np.zeros_like(covariance), np.zeros_like(mean)
        own = inverse(covariance[:, at][:, :, at])
        k[np.ix_(range(len(k)), at, at)] = own
        h[:, at] = (own @ mean[:, at, None])[..., 0]
        return Factor(k, h)

    def of(part: Term) -> Factor:
        if id(part) not in known:
            known[id(part)] = fresh(part)
        return known[id(part)]

    def fresh(part: Term) -> Factor:
        match part:
            case Prob():
                return marginal(part.of | part.given).plus(marginal(part.given), -1.0)
            case Product():
                found = none
                for each in part.factors:
                    found = found.plus(of(each))
                return found
            case Ratio():
                return of(part.above).plus(of(part.below), -1.0)
            case Sum():
                return of(part.body).without(list(bits(part.over)))

    return of(term)


def mean_in(factor: Factor, y: int, held: Floats) -> Floats:
    """[B] the mean of variable y, where the others have the values `held` [B, p]; its own is not looked at."""
    rest = held.copy()
    rest[:, y] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(factor.k[:, y, y] > 0, factor.k[:, y, y], np.nan)
        return np.asarray((factor.h[:, y] - (factor.k[:, y] * rest).sum(axis=1)) / own)


def along_lines(data: Data, estimand: Estimand, settings: Sequence[Mapping[str, float]]) -> Means:
    """The outcome's means where all is linear, each at a setting of treatments and conditions.

    A formula that holds at any value of an anchor is taken at its mean.

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows, CQ859 several outcomes, or text.
    """
    if len(estimand.effect.of) != 1:
        raise error(
            "CQ859", "lines give the mean of one outcome", help="cut columns into few values, or ask one by one"
        )
    used = list(bits(mentioned(estimand.term) | estimand.asked))
    names = [estimand.names[v] for v in used]
    for name in names:
        if data[name].labels is not None:
            way = "make numbers of it, or cut the other columns into few values"
            raise error("CQ859", f"`{name}` holds text: lines need numbers", help=way)
    term = renumbered(estimand.term, {v: i for i, v in enumerate(used)})
    raw = np.stack([data[name].values for name in names], axis=1)
    centre = np.average(raw, axis=0, weights=data.weight)
    spread = np.sqrt(np.average((raw - centre) ** 2, axis=0, weights=data.weight))
    spread = np.where(spread > 0, spread, 1.0)
    z = (raw - centre) / spread
    one = np.ones((data.n, 1))
    Regression.of(data, np.hstack([one, z]), ("1", *names), z[:, :1])  # every column says something new
    p, heavy = len(names), data.weight / data.weight.sum()

    def rows(of: Numbers) -> Floats:
        own, w = z[of], heavy[of][:, None]
        return np.hstack([w, w * own, w * (own[:, :, None] * own[:, None, :]).reshape(len(own), -1)])

    y = names.index(estimand.effect.of[0])
    fixed = [{names.index(name): (value - centre[names.index(name)]) / spread[names.index(name)]
              for name, value in setting.items() if name in names} for setting in settings]  # fmt: skip

    def means(of: Floats) -> Floats:
        mean = of[:, 1 : 1 + p] / of[:, :1]
        second = (of[:, 1 + p :] / of[:, :1]).reshape(-1, p, p)
        factor = factor_of(term, mean, second - mean[:, :, None] * mean[:, None, :])
        out = []
        for setting in fixed:
            held = mean.copy()
            for i, value in setting.items():
                held[:, i] = value
            out.append(centre[y] + spread[y] * mean_in(factor, y, held))
        return np.stack(out, axis=1)

    sums = Sums.of(data, rows, 1 + p + p * p)
    notes = tuple(
        Diagnostic("CQ858", f"the formula holds at any value of `{name}`: taken at its mean", severity="note")
        for name in estimand.anchors
    )
    words = f"formula on the covariances of {p} columns"
    return Means.of_sums(sums, means, words, (SAME, LINEAR), p + 1).said(*notes)
