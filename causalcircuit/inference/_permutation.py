"""Tests of 0 that need no distribution: sign flips of paired differences, permutations of separate groups.

Under the hypothesis that two worlds are the same to a unit, its difference is as likely as the difference turned
round; under the hypothesis that two groups of rows come from one source, any units could have been the first group.
Over the equally likely arrangements the p is exact whatever the rows look like (Fisher 1935, "The Design of
Experiments"; the count with the one observed: Phipson & Smyth 2010). Groups are compared by their difference over its
own standard error, so that the test also holds, in large samples, where only the means are equal (Janssen 1997,
"Studentized permutation tests for non-i.i.d. hypotheses and the generalized Behrens-Fisher problem"). Whole clusters
are flipped or exchanged. A test gives no interval.
"""

from __future__ import annotations

from causalcircuit.inference._arithmetic import linear, terms_in, value_of
from causalcircuit.inference._estimators import Fit, Problem, Shape, estimator
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.query import Options

DEFAULT_DRAWS = 5000
_AT_ONCE = 2_000_000
_NEAR = 1e-12
"""Arrangements that tie with the one observed differ by rounding alone."""


def _refuse(shape: Shape) -> str:
    coefficients = linear(shape.combine, shape.k)
    if coefficients is None:
        return "it is no linear combination of means"
    if coefficients[-1] != 0 or abs(coefficients[:-1].sum()) > _NEAR * np.abs(coefficients).max():
        return "only of a difference of worlds or groups is 0 what no effect would give"
    return ""


@estimator("permutation", random=True, refuse=_refuse, tests_zero=True)
def permutation(problem: Problem, options: Options) -> Fit:
    """The p of a difference being 0, on either side."""
    draws = options.resamples or DEFAULT_DRAWS
    value = value_of(problem.shape.combine, problem.units.mean)
    of = "clusters" if problem.shape.clustered else "rows"
    kind = arrangement(problem)
    if kind == "paired":
        (above, below), exact = _flipped(problem, draws, options.seed)
        words = f"{'all' if exact else draws} sign flips of {of}"
    elif kind == "groups":
        above, below = _exchanged(problem, draws, options.seed)
        words = f"{draws} permutations of {of} over the groups"
    else:
        why = "terms of it rest on rows that are partly the same: nothing can be exchanged"
        return Fit(value, _nothing, "permutation", reason=lambda a: why)
    both = min(1.0, 2 * min(above, below))
    said = f"tested against 0 by {words}: p = {both:.2g}, two-sided; a test gives no interval"
    return Fit(value, _nothing, f"permutation test, {words}", reason=lambda a: said, tails=(above, below))


def _nothing(a: float) -> tuple[Floats, Floats]:
    return np.asarray(-np.inf), np.asarray(np.inf)


def arrangement(problem: Problem) -> str:
    """`paired` where all terms rest on the same rows of each unit, `groups` where two rest on separate units."""
    size = problem.units.size[:, terms_in(problem.shape.combine)]
    if (size == size[:, :1]).all():
        return "paired"
    apart = size.shape[1] == 2 and not ((size > 0).all(axis=1)).any()
    return "groups" if apart else ""


def _flipped(problem: Problem, draws: int, seed: int | None) -> tuple[tuple[float, float], bool]:
    """The one-sided p of being above and below 0, and whether all 2^G flips were taken."""
    units = problem.units
    coefficients = linear(problem.shape.combine, problem.shape.k)
    terms = terms_in(problem.shape.combine)
    if coefficients is None:
        raise ValueError("no linear estimand")
    contrast = (units.total + units.mean * units.size)[:, terms] @ coefficients[terms]
    contrast = contrast[units.size[:, terms[0]] > 0]
    count = len(contrast)
    observed, near = float(contrast.sum()), _NEAR * float(np.abs(contrast).sum())
    if count < 60 and 2**count <= draws:
        signs = 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        sums = signs @ contrast
        return (float((sums >= observed - near).mean()), float((sums <= observed + near).mean())), True
    rng = np.random.default_rng(seed)
    above = below = 1
    chunk = max(1, _AT_ONCE // count)
    for start in range(0, draws, chunk):
        signs = 2.0 * rng.integers(0, 2, (min(chunk, draws - start), count)) - 1
        sums = signs @ contrast
        above += int((sums >= observed - near).sum())
        below += int((sums <= observed + near).sum())
    return (above / (draws + 1), below / (draws + 1)), False


def _exchanged(problem: Problem, draws: int, seed: int | None) -> tuple[float, float]:
    """The one-sided p of being above and below 0."""
    units = problem.units
    first, second = terms_in(problem.shape.combine)
    coefficients = linear(problem.shape.combine, problem.shape.k)
    if coefficients is None:
        raise ValueError("no linear estimand")
    size = units.size[:, first] + units.size[:, second]
    sums = sum(units.total[:, j] + units.mean[j] * units.size[:, j] for j in (first, second))
    here = size > 0
    size, sums, member = size[here], np.asarray(sums)[here], (units.size[:, first] > 0)[here]
    # about the common mean, so that little is lost where values are far from 0
    sums = sums - size * (sums.sum() / size.sum())
    observed = float(_welch(sums, size, member[None].astype(np.float64))[0])
    rng = np.random.default_rng(seed)
    above = below = 1
    chunk = max(1, _AT_ONCE // len(size))
    for start in range(0, draws, chunk):
        order = rng.permuted(np.tile(member, (min(chunk, draws - start), 1)), axis=1).astype(np.float64)
        t = _welch(sums, size, order)
        near = _NEAR * max(1.0, abs(observed))
        above += int((t >= observed - near).sum())
        below += int((t <= observed + near).sum())
    p = above / (draws + 1), below / (draws + 1)
    return p if coefficients[first] > 0 else (p[1], p[0])


def _welch(sums: Floats, size: Floats, member: Floats) -> Floats:
    """[B] the difference of the two groups' means over its standard error, for memberships [B, G]."""
    parts = []
    for chosen in (member, 1.0 - member):
        weight = chosen @ size
        mean = chosen @ sums / weight
        squares = chosen @ sums**2 - 2 * mean * (chosen @ (sums * size)) + mean**2 * (chosen @ size**2)
        count = chosen.sum(axis=1)
        with np.errstate(all="ignore"):
            variance = np.where(count > 1, count / (count - 1), np.nan) * np.maximum(squares, 0.0) / weight**2
        parts.append((mean, variance))
    (a, var_a), (b, var_b) = parts
    whole = np.where(np.isnan(var_a), var_b, np.where(np.isnan(var_b), var_a, var_a + var_b))
    with np.errstate(all="ignore"):
        return np.where(a == b, 0.0, (a - b) / np.sqrt(whole))
