"""Coverage of the 95% intervals of effects from observed tables, in simulated data sets.

Run with ``python -m benchmarks.observed [--sims N] [--only WORD] [--speed]``; prints a Markdown table and exits with 1
when a default interval covers less than 94% (exact binomial tests, Holm over the lines). `--speed` measures the
bootstrap beside that of DoWhy instead.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference import holm
from causalcircuit.inference.observed import estimate

SEED = 20261123
"""Fixed before the first run."""
BAR = 0.94
SIZES = (200, 2000)

Floats = NDArray[np.float64]
Generator = np.random.Generator
Table = dict[str, Any]


def _coin(rng: Generator, share: Floats | float, n: int) -> NDArray[np.int_]:
    return (rng.random(n) < share).astype(int)


def _share(line: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-line)))


def confounded(rng: Generator, n: int) -> Table:
    """Two confounders, an effect of 1 on average that varies with one of them, noise that is skewed and uneven."""
    a, b = rng.standard_normal(n), rng.standard_normal(n)
    x = _coin(rng, _share(0.5 * a - 0.5 * b), n)
    noise = (rng.exponential(size=n) - 1) * (0.5 + 0.5 * x)
    return {"A": a, "B": b, "X": x, "Y": x * (1 + 0.5 * a) + a + b + noise}


def dosed(rng: Generator, n: int) -> Table:
    """A treatment of many values: 0.5 for each unit."""
    a = rng.standard_normal(n)
    x = 0.7 * a + rng.standard_normal(n)
    return {"A": a, "X": x, "Y": 0.5 * x + a + rng.standard_normal(n) * (0.5 + np.abs(x) / 2)}


def stratified(rng: Generator, n: int) -> Table:
    """Four strata; the risk rises by 0.2, 0.1, 0.3 and 0.2: by 0.19 on average."""
    z = rng.choice(4, n, p=[0.3, 0.3, 0.2, 0.2])
    x = _coin(rng, np.array([0.3, 0.5, 0.6, 0.7])[z], n)
    y = _coin(rng, np.array([0.2, 0.3, 0.4, 0.6])[z] + np.array([0.2, 0.1, 0.3, 0.2])[z] * x, n)
    return {"Z": z, "X": x, "Y": y}


def clustered(rng: Generator, n: int) -> Table:
    """As `confounded` with one confounder, in clusters of 1 to 7 rows that share part of the noise and of treatment."""
    size = np.resize([1, 4, 7, 4], n)
    unit = np.repeat(np.arange(n), size)[:n]
    g = int(unit.max()) + 1
    a = rng.standard_normal(n) + rng.standard_normal(g)[unit]
    x = _coin(rng, _share(0.5 * a + rng.standard_normal(g)[unit]), n)
    y = x + a + rng.standard_normal(g)[unit] + rng.standard_normal(n)
    return {"A": a, "X": x, "Y": y, "unit": unit}


def through_lines(rng: Generator, n: int) -> Table:
    """The front door in lines: 0.6 times 0.5, with a confounder of treatment and outcome."""
    u = rng.standard_normal(n)
    x = u + rng.standard_normal(n)
    m = 0.6 * x + rng.standard_normal(n)
    return {"X": x, "M": m, "Y": 0.5 * m + u + rng.standard_normal(n)}


def through_arms(rng: Generator, n: int) -> Table:
    """Two values that move a mediator by 1; slopes of 0.5 and 1 below each: 0.75 on average. Noise is uneven."""
    x = _coin(rng, 0.5, n)
    m = x + rng.standard_normal(n)
    return {"X": x, "M": m, "Y": (0.5 + 0.5 * x) * m + 2 * x + rng.standard_normal(n) * (0.5 + np.abs(m) / 2)}


def through_curves(rng: Generator, n: int) -> Table:
    """The same of an outcome of 0 and 1, whose log-odds are lines: the risk rises by 0.1967."""
    x = _coin(rng, 0.5, n)
    m = x + rng.standard_normal(n)
    return {"X": x, "M": m, "Y": _coin(rng, _share(m + x - 1), n)}


def through_cells(rng: Generator, n: int) -> Table:
    """The front door in cells: the mediator's share rises by 0.5, the outcome's by 0.3 for it."""
    u = _coin(rng, 0.5, n)
    x = _coin(rng, 0.3 + 0.4 * u, n)
    m = _coin(rng, 0.2 + 0.5 * x, n)
    return {"X": x, "M": m, "Y": _coin(rng, 0.2 + 0.3 * m + 0.2 * u, n)}


def instrumented(rng: Generator, n: int, strength: float) -> Table:
    """A slope of 1 under strong confounding, with errors that are uneven."""
    z, u = rng.standard_normal(n), rng.standard_normal(n)
    x = strength * z + u + 0.5 * rng.standard_normal(n)
    return {"Z": z, "X": x, "Y": x + u + rng.standard_normal(n) * (0.5 + np.abs(z) / 2)}


def napkin(rng: Generator, n: int) -> Table:
    """W -> Z -> X -> Y with W <-> X and W <-> Y, binary: the risk rises by 0.3."""
    u, v = _coin(rng, 0.5, n), _coin(rng, 0.5, n)
    w = _coin(rng, 0.2 + 0.3 * u + 0.3 * v, n)
    z = _coin(rng, 0.3 + 0.4 * w, n)
    x = _coin(rng, 0.15 + 0.4 * z + 0.3 * u, n)
    return {"W": w, "Z": z, "X": x, "Y": _coin(rng, 0.2 + 0.3 * x + 0.3 * v, n)}


def napkin_of_lines(rng: Generator, n: int) -> Table:
    """The napkin in lines, with skewed noise: 0.7 for each unit of X."""
    a, b = rng.standard_normal((2, n))
    w = a + b + rng.standard_normal(n)
    r = 0.8 * w + rng.exponential(size=n) - 1
    x = 0.9 * r + a + rng.standard_normal(n)
    return {"W": w, "Z": r, "X": x, "Y": 0.7 * x + b + rng.exponential(size=n) - 1}


SHOP = "A -> X, A -> Y, B -> X, B -> Y, X -> Y"
ONE = "A -> X, A -> Y, X -> Y"
DOOR = "X -> M, M -> Y, X <-> Y"
IV = "Z -> X, X -> Y, X <-> Y"
NAPKIN = "W -> Z, Z -> X, X -> Y, W <-> X, W <-> Y"


@dataclass(frozen=True)
class Case:
    """One line of the table at each size."""

    name: str
    make: Callable[[Generator, int], Table]
    diagram: str
    truth: float
    options: dict[str, Any] = field(default_factory=dict)
    bar: bool = True
    share: float = 1.0


UNIT = {"values": (0, 1)}
BOOT = {"resamples": 999, "seed": 1}
CASES = (
    Case("adjustment, regression, two-valued", confounded, SHOP, 1.0),
    Case("adjustment, regression, a dose", dosed, ONE, 0.5, UNIT),
    Case("adjustment, four strata", stratified, "Z -> X, Z -> Y, X -> Y", 0.19),
    Case("adjustment, regression, clusters of 1 to 7", clustered, ONE, 1.0, {"cluster": "unit"}),
    Case("weighting", confounded, SHOP, 1.0, {"how": "weighting"}),
    Case("weighting, clusters of 1 to 7", clustered, ONE, 1.0, {"how": "weighting", "cluster": "unit"}, bar=False),
    Case("doubly robust", confounded, SHOP, 1.0, {"how": "doubly_robust"}),
    Case("doubly robust, clusters of 1 to 7", clustered, ONE, 1.0, {"how": "doubly_robust", "cluster": "unit"}),
    Case("front-door, linear", through_lines, DOOR, 0.3, UNIT),
    Case("front-door, two values", through_arms, DOOR, 0.75),
    Case("front-door, two values, an outcome of 0 and 1", through_curves, DOOR, 0.19673467),
    Case("front-door, cells", through_cells, DOOR, 0.15),
    Case("instrument, strong", lambda r, n: instrumented(r, n, 1.0), IV, 1.0, {"by": "iv", **UNIT}),
    Case("instrument, weak", lambda r, n: instrumented(r, n, 0.08), IV, 1.0, {"by": "iv", **UNIT}),
    Case("instrument, weak, 2SLS", lambda r, n: instrumented(r, n, 0.08), IV, 1.0,
         {"by": "iv", "how": "wald", **UNIT}, bar=False),
    Case("formula of the napkin", napkin, NAPKIN, 0.3),
    Case("formula of a napkin of lines", napkin_of_lines, NAPKIN, 0.7, {"how": "linear", **UNIT}, share=0.5),
    Case("adjustment, regression, bootstrap", confounded, SHOP, 1.0, BOOT, bar=False, share=0.25),
    Case("front-door, cells, bootstrap", through_cells, DOOR, 0.15, BOOT, bar=False, share=0.25),
)  # fmt: skip


@dataclass(frozen=True)
class Covered:
    """What simulations of one line gave."""

    case: Case
    n: int
    sims: int
    covers: float
    unbounded: float
    width: float
    bias: float
    milliseconds: float

    @property
    def p_bar(self) -> float:
        """The chance of so few hits, or fewer, where 94% is true."""
        return float(binom.cdf(round(self.covers * self.sims), self.sims, BAR))


def missed(lines: list[Covered]) -> list[Covered]:
    """The promised lines that cover less than 94%: exact binomial tests, Holm over all of them, error 0.05."""
    promised = [x for x in lines if x.case.bar]
    adjusted = holm([x.p_bar for x in promised])
    return [x for x, p in zip(promised, adjusted, strict=True) if p is not None and p <= 0.05]


def simulate(case: Case, n: int, sims: int, seed: int = SEED) -> Covered:
    """Cover `sims` data sets. A set counts as it is, pieces and all; no set, or none for lack of rows, is a miss."""
    rng = np.random.default_rng([seed, zlib.crc32(case.name.split(", bootstrap")[0].encode()), n])
    hits = unbounded = 0
    widths, errors, spent = [], [], 0.0
    for _ in range(sims):
        table = case.make(rng, n)
        start = time.perf_counter()
        try:
            found = estimate(table, case.diagram, "X", "Y", **case.options)
        except DiagnosticError:
            continue
        finally:
            spent += time.perf_counter() - start
        hits += any(piece.low <= case.truth <= piece.high for piece in found.region)
        if found.interval is None:
            unbounded += 1
        else:
            widths.append(found.interval.high - found.interval.low)
        if found.value is not None:
            errors.append(found.value - case.truth)
    width = float(np.median(widths)) if widths else float("nan")
    return Covered(case, n, sims, hits / sims, unbounded / sims, width, float(np.median(errors)), 1000 * spent / sims)


def table(lines: list[Covered]) -> str:
    """Markdown."""
    out = [
        "| estimator | rows | data sets | covers | no interval | median width | median error | ms | bar |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    broken = missed(lines)
    for x in lines:
        bar = "" if not x.case.bar else "**missed**" if x in broken else "≥ 94%" if x.covers >= BAR else "not rejected"
        out.append(
            f"| {x.case.name} | {x.n} | {x.sims:,} | {100 * x.covers:.1f}% | {100 * x.unbounded:.1f}% "
            f"| {x.width:.3f} | {x.bias:+.3f} | {x.milliseconds:.1f} | {bar} |"
        )
    return "\n".join(out)


def speed(resamples: int = 399) -> str:
    """Seconds for a bootstrap of a regression on 2,000 rows, here and in DoWhy."""
    warnings.simplefilter("ignore")
    import pandas as pd
    from dowhy import CausalModel

    rows = confounded(np.random.default_rng(1), 2000)
    estimate(rows, SHOP, "X", "Y", resamples=resamples, seed=1)
    start = time.perf_counter()
    own = estimate(rows, SHOP, "X", "Y", resamples=resamples, seed=1)
    mine = time.perf_counter() - start
    model = CausalModel(pd.DataFrame(rows), "X", "Y", graph="digraph { A -> X; A -> Y; B -> X; B -> Y; X -> Y }")
    found = model.estimate_effect(
        model.identify_effect(proceed_when_unidentifiable=True), method_name="backdoor.linear_regression"
    )
    start = time.perf_counter()
    theirs = found.get_confidence_intervals(method="bootstrap", num_simulations=resamples, sample_size_fraction=1)
    other = time.perf_counter() - start
    return f"{resamples} resamples: {mine:.4f} s {own.interval}; DoWhy {other:.2f} s {theirs}: {other / mine:.0f} times"


def main() -> int:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sims", type=int, default=2000, help="data sets a line")
    parser.add_argument("--only", default="", help="lines whose name holds this")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--speed", action="store_true", help="measure the bootstrap instead")
    arguments = parser.parse_args()
    if arguments.speed:
        print(speed())
        return 0
    lines = []
    for n in SIZES:
        for case in CASES:
            if arguments.only in case.name:
                lines.append(simulate(case, n, max(1, int(arguments.sims * case.share)), arguments.seed))
                print(table(lines[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(lines))
    return 1 if missed(lines) else 0


if __name__ == "__main__":
    sys.exit(main())
