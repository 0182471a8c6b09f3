"""Wrong verdicts in simulated families of claims, by correction.

Run with ``python -m benchmarks.families [--families N] [--write docs/hypotheses.md]``; prints a Markdown table and
exits with 1 when a correction that promises it makes more wrong verdicts than alpha and three standard errors of the
simulation. Intervals, adjusted p, dependence and stages are those that `cq test` uses.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from causalcircuit.inference import (
    ESTIMATORS,
    Finding,
    Problem,
    Sample,
    Shape,
    adjusted,
    errors,
    judge,
    together,
    units_of,
)
from causalcircuit.query import Options, Region, Term
from causalcircuit.query.families import SORTS, Correction, title_of

SEED = 20261123
"""Fixed before the first run."""
ALPHA, CLAIMS, ROWS, EFFECT = 0.05, 20, 40, 0.6
DRAWS = 4000
BEGIN, END = "<!-- simulated -->", "<!-- end -->"

Floats = NDArray[np.float64]
INFINITY = float("inf")
ABOVE, BELOW = Region(0.0, INFINITY), Region(-INFINITY, 0.0)
AT_LEAST = Region(0.0, INFINITY, closed=True)
APART = Region(0.0, 0.0, closed=True, outside=True)


@dataclass(frozen=True)
class Scenario:
    """A family of claims about the means of 20 columns of 40 rows.

    Attributes:
        title: in the table. rho: correlation of any two columns. truth: [m] their means. regions: [m] the claims.
        skewed: exponential rows instead of normal ones. positive: whether the p-values are positively dependent.
    """

    title: str
    rho: float
    truth: Floats
    regions: tuple[Region, ...]
    skewed: bool = False
    positive: bool = True


def _half(effect: float) -> Floats:
    return np.where(np.arange(CLAIMS) % 2 == 0, effect, 0.0)


def scenarios() -> Iterator[Scenario]:
    """What is simulated."""
    none, up = np.zeros(CLAIMS), (ABOVE,) * CLAIMS
    for rho in (0.0, 0.5, 0.9):
        yield Scenario(f"no claim holds, correlation {rho:g}", rho, none, up)
    yield Scenario("every second one holds, correlation 0", 0.0, _half(EFFECT), up)
    yield Scenario("every second one holds, correlation 0.5", 0.5, _half(EFFECT), up)
    yield Scenario("the same, exponential rows", 0.5, _half(EFFECT), up, skewed=True)
    both = tuple(ABOVE if i % 4 < 2 else BELOW for i in range(CLAIMS))
    signs = np.array([1 if r is ABOVE else -1 for r in both])
    yield Scenario("both directions, correlation 0.5", 0.5, _half(EFFECT) * signs, both, positive=False)
    yield Scenario("two-sided, correlation 0.5", 0.5, _half(EFFECT), (APART,) * CLAIMS, positive=False)
    edge = tuple(AT_LEAST if i % 2 == 0 else ABOVE for i in range(CLAIMS))
    yield Scenario("every second one holds just so, correlation 0", 0.0, none, edge)


def rows(scenario: Scenario, rng: np.random.Generator, families: int) -> Floats:
    """[S, m, n] rows of all columns: a factor that all share, and one of each."""
    noise: Callable[..., Floats] = rng.standard_normal
    if scenario.skewed:
        noise = lambda shape: rng.exponential(size=shape) - 1  # noqa: E731
    shared, own = noise((families, 1, ROWS)), noise((families, CLAIMS, ROWS))
    y: Floats = np.sqrt(scenario.rho) * shared + np.sqrt(1 - scenario.rho) * own + scenario.truth[:, None]
    return y


def smallest(holds: Callable[[Floats], NDArray[np.bool_]], shape: tuple[int, ...]) -> Floats:
    """[S, m] the smallest error at which a nested bound holds: bisection over normal quantiles."""
    yes, no = np.full(shape, -8.0), np.full(shape, 37.0)
    for _ in range(40):
        middle = (yes + no) / 2
        here = holds(np.asarray(ndtr(-middle)))
        yes, no = np.where(here, middle, yes), np.where(here, no, middle)
    return np.asarray(ndtr(-yes))


@dataclass(frozen=True, eq=False)
class Simulated:
    """[S, m] p-values of claims and of their refutations, and bounds by error."""

    p: Floats
    q: Floats
    bounds: Callable[[Floats], tuple[Floats, Floats]]


def simulate(scenario: Scenario, y: Floats) -> Simulated:
    """The intervals that users get, inverted."""
    problem = Problem(Shape(Term(0), (False,)), units_of(y[..., None]))
    bounds = ESTIMATORS["default"].fit(problem, Options()).bounds
    shape = y.shape[:2]
    over = smallest(lambda a: bounds(a)[0] > 0, shape)
    under = smallest(lambda a: bounds(a)[1] < 0, shape)
    p, q = np.empty(shape), np.empty(shape)
    for i, region in enumerate(scenario.regions):
        one, other = over[:, i], under[:, i]
        if region.outside:
            p[:, i], q[:, i] = np.minimum(1, 2 * np.minimum(one, other)), 1.0  # no interval refutes a difference from 0
        else:
            p[:, i], q[:, i] = (one, other) if region.high == INFINITY else (other, one)
    return Simulated(p, q, bounds)  # type: ignore[arg-type]  # bounds take arrays of errors too


@dataclass(frozen=True)
class Line:
    """Shares of families, or means over them."""

    scenario: str
    correction: Correction
    any_wrong_support: float
    any_wrong: float
    discovered_wrong: float
    power: float
    missed: float
    bar: str
    kept: bool


def lines(families: int) -> Iterator[Line]:
    """Simulate every scenario under every correction."""
    rng = np.random.default_rng(SEED)
    slack = 3 * np.sqrt(ALPHA * (1 - ALPHA) / families)
    for scenario in scenarios():
        y = rows(scenario, rng, families)
        found = simulate(scenario, y)
        holds = np.array([_holds(t, r) for t, r in zip(scenario.truth, scenario.regions, strict=True)])
        for correction in SORTS:
            supported, refuted, each = _judged(scenario, found, y, correction)
            wrong, wrongly_refuted = supported & ~holds, refuted & holds
            fwer = wrong.any(axis=1).mean()
            fdr = (wrong.sum(axis=1) / np.maximum(supported.sum(axis=1), 1)).mean()
            power = supported[:, holds].mean() if holds.any() else np.nan
            missed = _missed(scenario, found, each, supported | refuted, SORTS[correction].family_wise)
            promised = scenario.positive or correction in ("holm", "by", "max_t")
            rate = fwer if SORTS[correction].family_wise else fdr
            kept = not promised or max(rate, missed) <= ALPHA + slack
            bar = "" if not promised else "family-wise" if SORTS[correction].family_wise else "discoveries"
            either = (wrong | wrongly_refuted).any(axis=1).mean()
            yield Line(scenario.title, correction, fwer, either, fdr, power, missed, bar, kept)


def _holds(truth: float, region: Region) -> bool:
    if region.outside:
        return truth != 0
    return region.low < truth < region.high or (region.closed and truth == 0)


def _judged(
    scenario: Scenario, found: Simulated, y: Floats, correction: Correction
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
    """[S, m] what is supported, what refuted, and the error of each printed interval."""
    yes, no, each = (np.empty(found.p.shape) for _ in range(3))
    for s in range(len(found.p)):
        p, q = found.p[s].tolist(), found.q[s].tolist()
        if correction == "max_t":
            joint = together([_sample(c) for c in y[s]], scenario.regions, seed=s, draws=DRAWS)
            yes[s], no[s], each[s] = joint.adjusted(p), joint.adjusted(q), joint.error(ALPHA)
        else:
            yes[s], no[s] = adjusted(p, correction), adjusted(q, correction)
            each[s] = errors(yes[s].tolist(), no[s].tolist(), correction, ALPHA)
    return yes <= ALPHA, no <= ALPHA, each


def _sample(column: Floats) -> Sample:
    return Sample(column[:, None], np.ones((len(column), 1), np.bool_), (False,), Term(0))


def _missed(scenario: Scenario, found: Simulated, each: Floats, decided: NDArray[np.bool_], family_wise: bool) -> float:
    """Families with an interval that misses on the side of its claim; of discoveries the share of decided ones."""
    two = np.array([r.outside for r in scenario.regions])
    up = np.array([r.high == INFINITY for r in scenario.regions])
    low, high = found.bounds(np.where(two, each / 2, each))
    over, under = low > scenario.truth, high < scenario.truth
    out = np.where(two, over | under, np.where(up, over, under))
    if family_wise:
        return float(out.any(axis=1).mean())
    return float(((out & decided).sum(axis=1) / np.maximum(decided.sum(axis=1), 1)).mean())


def gates(families: int) -> Iterator[tuple[str, float, bool]]:
    """Families in stages of 1, 4 and 5 claims under Holm: the share with a wrong support."""
    rng = np.random.default_rng(SEED + 1)
    slack = 3 * np.sqrt(ALPHA * (1 - ALPHA) / families)
    stages = [0] * 1 + [1] * 4 + [2] * 5
    for title, shift in (
        ("no claim holds", [0.0] * 10),
        ("the first holds", [9.0] + [0.0] * 9),
        ("all but the last stage hold", [9.0] * 5 + [0.0] * 5),
        ("the first holds barely, two of the second", [1.5, 9.0, 9.0] + [0.0] * 7),
    ):
        z = rng.standard_normal((families, 10)) * np.sqrt(0.5) + rng.standard_normal((families, 1)) * np.sqrt(0.5)
        p = ndtr(-(z + shift))
        wrong = 0
        for one in p:
            judged = judge([Finding(None, float(x), float(1 - x)) for x in one], "holm", ALPHA, stages)
            wrong += any(j.verdict == "supported" and not s for j, s in zip(judged, shift, strict=True))
        yield title, wrong / families, wrong / families <= ALPHA + slack


def table(families: int) -> tuple[str, bool]:
    """The tables as Markdown, and whether every promise is kept."""
    said = f"`python -m benchmarks.families --families {families}`, {families:,} families a line, seed {SEED}"
    columns = ("any wrong support", "any wrong verdict", "wrong among supports", "power", "intervals miss", "keeps")
    out = [said, "", f"| family | correction | {' | '.join(columns)} |", "|---|---|---:|---:|---:|---:|---:|---|"]
    good = True
    for x in lines(families):
        rates = [x.any_wrong_support, x.any_wrong, x.discovered_wrong, x.power, x.missed]
        cells = ["" if np.isnan(r) else f"{100 * r:.1f}%" for r in rates]
        said = "not promised" if not x.bar else x.bar if x.kept else f"**{x.bar}: not kept**"
        out.append(f"| {x.scenario} | {title_of(x.correction)} | {' | '.join(cells)} | {said} |")
        good &= x.kept
        print(out[-1], file=sys.stderr, flush=True)
    out += ["", "| stages of 1, 4 and 5 claims, Holm in each, correlation 0.5 | any wrong support |", "|---|---:|"]
    for title, share, kept in gates(families):
        out.append(f"| {title} | {100 * share:.1f}%{'' if kept else ' **not kept**'} |")
        good &= kept
    return "\n".join(out), good


def main(arguments: list[str] | None = None) -> int:
    """Simulate, print, and tell by the exit code whether promises are kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--families", type=int, default=2000)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args(arguments)
    text, good = table(asked.families)
    print(text)
    if asked.write is not None:
        page = asked.write.read_text(encoding="utf-8")
        whole = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.DOTALL)
        asked.write.write_text(whole, encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
