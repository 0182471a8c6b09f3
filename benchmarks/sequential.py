"""Intervals that are looked at after every row: how often a true null is rejected, and how many rows a rule saves.

    python benchmarks/sequential.py > table.md        # or one part: nulls, savings

Nulls: 2,000 runs of 2,000 rows each, a look after every row from the one that is named on: the share of runs with a
look at which the 95% interval misses the truth. Savings: 40 runs of at most 2,000 rows, with the looks that a run has:
rows that a rule uses, beside the fixed number with which a t interval is as narrow (or has 80% power).
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from causalcircuit.inference import Sample, infer, looks
from causalcircuit.inference._bounded import Bounded, bets
from causalcircuit.inference._mixture import BURN_IN, reached, spread_at
from causalcircuit.inference._student import lengthening, skew_factor
from causalcircuit.query import Interval, Options, Term
from causalcircuit.query.until import Until

RUNS, ROWS, PART, SAVED = 2000, 2000, 250, 40
Draw = Callable[[tuple[int, int]], np.ndarray]


def shapes(rng: np.random.Generator) -> dict[str, Draw]:
    """Outcomes with mean 0."""
    return {
        "normal": lambda size: rng.normal(size=size),
        "uniform": lambda size: rng.random(size) - 0.5,
        "exponential": lambda size: rng.exponential(size=size) - 1,
        "log-normal": lambda size: rng.lognormal(size=size) - math.exp(0.5),
        "t with 3 df": lambda size: rng.standard_t(3, size=size),
        "0 or 1, mean 0.1": lambda size: (rng.random(size) < 0.1) - 0.1,
    }


def asymptotic_wrong(values: np.ndarray, horizon: int) -> np.ndarray:
    """[runs, rows] where the interval misses 0."""
    n = np.arange(1, values.shape[1] + 1)
    one, two, three = (np.cumsum(values**k, axis=1) for k in (1, 2, 3))
    mean = one / n
    squares = np.maximum(two - n * mean**2, 0)
    g = spread_at(horizon, 0.95)
    q = np.array([math.inf, *(reached(int(k), g, 0.025) for k in n[1:])])
    with np.errstate(all="ignore"):
        se = np.where(squares > 1e-12 * two, np.sqrt(squares / (n - 1) / n), math.inf)
        skew = skew_factor(n.astype(float)) * (three - 3 * mean * two + 2 * n * mean**3) / squares**1.5
        skew = np.where(np.isfinite(skew), skew, 0.0)
        more = lengthening(q)
        low, high = mean - se * (q + np.maximum(-skew, 0) * more), mean + se * (q + np.maximum(skew, 0) * more)
        return np.asarray((low > 0) | (high < 0))


def t_wrong(values: np.ndarray) -> np.ndarray:
    """[runs, rows] where Student's interval misses 0."""
    from scipy.stats import t

    n = np.arange(1, values.shape[1] + 1)
    mean = np.cumsum(values, axis=1) / n
    var = (np.cumsum(values**2, axis=1) - n * mean**2) / np.maximum(n - 1, 1)
    with np.errstate(all="ignore"):
        return np.asarray(np.abs(mean) > t.ppf(0.975, np.maximum(n - 1, 1)) * np.sqrt(np.maximum(var, 0) / n))


def betting_wrong(y: np.ndarray, p: float) -> np.ndarray:
    """[runs, rows] where bets on the truth have paid 40 to 1 on a side."""
    out = np.zeros(y.shape, np.bool_)
    for x, m in ((y, p), (1 - y, 1 - p)):
        stake = np.minimum(bets(Bounded(x, np.ones_like(x), 0.0, 1.0).running()[1], 0.025, ROWS // 3), 0.75 / m)
        out |= np.cumsum(np.log1p(stake * (x - m)), axis=1) >= math.log(40)
    return out


def nulls() -> None:
    """The table of rejected nulls."""
    rng = np.random.default_rng(17)
    firsts = (2, 10, 20, BURN_IN, 60, 100)
    print("| outcomes | method | " + " | ".join(f"from row {f}" for f in firsts) + " |\n|" + "---|" * (len(firsts) + 2))
    for name, draw in shapes(rng).items():
        wrong: dict[str, list[np.ndarray]] = {}
        for _ in range(RUNS // PART):
            values = draw((PART, ROWS))
            wrong.setdefault("asymptotic", []).append(asymptotic_wrong(values, ROWS // 3))
            wrong.setdefault("repeated t", []).append(t_wrong(values))
        line(name, wrong, firsts)
    for p in (0.5, 0.1, 0.02):
        made = [betting_wrong((rng.random((PART, ROWS)) < p).astype(float), p) for _ in range(RUNS // PART)]
        line(f"0 or 1, mean {p:g}", {"betting": made}, firsts)


def line(name: str, wrong: dict[str, list[np.ndarray]], firsts: tuple[int, ...]) -> None:
    """One line for each method."""
    for method, parts in wrong.items():
        shares = [np.concatenate([w[:, f - 1 :].any(axis=1) for w in parts]).mean() for f in firsts]
        print(f"| {name} | {method} | " + " | ".join(f"{100 * s:.1f}%" for s in shares) + " |")


def savings() -> None:
    """The table of rows that a rule uses."""
    rng = np.random.default_rng(23)
    print("\n| outcomes | rule | rows used: median (5% to 95%) | saved | a fixed t needs | wrong or open |")
    print("|---|---|---|---|---|---|")
    for name, draw, truth, event, width in (
        ("normal, sd 1", lambda: rng.normal(size=ROWS), 0.0, False, 0.25),
        ("exponential", lambda: rng.exponential(size=ROWS), 1.0, False, 0.25),
        ("0 or 1, mean 0.5", lambda: (rng.random(ROWS) < 0.5) * 1.0, 0.5, True, 0.12),
        ("0 or 1, mean 0.05", lambda: (rng.random(ROWS) < 0.05) * 1.0, 0.05, True, 0.06),
    ):
        options = Options(until=Until(width=width, horizon=ROWS // 3), seed=1)
        used, misses = [], 0
        for _ in range(SAVED):
            y = draw()
            n, found = stop(y, event, options, partial(_narrow, width))
            used.append(n)
            misses += not found.low <= truth <= found.high
        spread = math.sqrt(truth * (1 - truth)) if event else 1.0
        report(name, f"width < {width:g}", used, misses, (2 * 1.96 * spread / width) ** 2)
    for effect in (1.0, 0.5, 0.3, 0.2):
        options = Options(until=Until(horizon=ROWS // 3), seed=1)
        used, misses = [], 0
        for _ in range(SAVED):
            n, found = stop(rng.normal(effect, 1, size=ROWS), False, options, _decided, 0.90)
            used.append(n)
            misses += found.low <= 0
        report(f"normal, mean {effect:g} sd", "decided: > 0 at .05", used, misses, ((1.645 + 0.842) / effect) ** 2)


def _narrow(width: float, i: Interval) -> bool:
    return i.high - i.low < width


def _decided(i: Interval) -> bool:
    return i.low > 0 or i.high < 0


def stop(
    y: np.ndarray, event: bool, options: Options, enough: Callable[[Interval], bool], level: float = 0.95
) -> tuple[int, Interval]:
    """Rows used, and the interval then."""
    for n in looks(ROWS):
        sample = Sample(y[:n, None], np.ones((n, 1), np.bool_), (event,), Term(0))
        found = infer(sample, replace(options, level=level)).interval
        if found is not None and (enough(found) or n == ROWS):
            return n, found
    raise AssertionError


def report(name: str, rule: str, used: list[int], misses: int, fixed: float) -> None:
    """One line."""
    low, middle, high = np.quantile(used, (0.05, 0.5, 0.95))
    shown = f"{middle:.0f} ({low:.0f} to {high:.0f})"
    print(
        f"| {name} | {rule} | {shown} | {1 - np.mean(used) / ROWS:.0%} | {fixed:.0f} | {misses / len(used):.1%} |",
        flush=True,
    )


if __name__ == "__main__":
    start = time.process_time()
    for part in sys.argv[1:] or ["nulls", "savings"]:
        {"nulls": nulls, "savings": savings}[part]()
    print(f"\n{time.process_time() - start:.0f} s of one core")
