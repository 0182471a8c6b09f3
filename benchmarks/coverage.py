"""Coverage of the 95% intervals in simulated data sets.

Run with ``python -m benchmarks.coverage [--quick | --full | --sims N] [--part grid | more] [--write FILE]``; prints
Markdown tables and exits with 1 when an interval that promises it covers less than 94%. The grid (every estimator,
benchmarks/coverage_cells.py) comes first; *more* are the lines of this file: other ratios, clusters and skewness.
With `--sims N` cells of 2,000 units, and methods that resample, get fewer data sets, as the table says; with `--full`
every cell gets 20,000 (days on one core for the methods that resample). Thousands of data sets go side by side
through the estimators that users get: `ESTIMATORS[…].fit` takes leading axes (tests/inference/test_coverage.py asserts
that the answers are those of `infer`).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import benchmarks.coverage_cells as grid
from benchmarks.coverage_cells import broken
from benchmarks.coverage_page import grid_page
from causalcircuit.inference import ESTIMATORS, Problem, Shape, Units, units_of
from causalcircuit.query import Binary, Expr, Options, Term

ROOT = Path(__file__).parents[1]
SEED = 20261122
"""Fixed before the first run."""
BAR = 0.94
TAIL = 0.025
AT_ONCE = 500
RESAMPLES = 999

Floats = NDArray[np.float64]
Generator = np.random.Generator
FIRST, SECOND = Term(0), Term(1)
DIFFERENCE = Binary("-", FIRST, SECOND)
RATIO = Binary("/", FIRST, SECOND)


# ---------------------------------------------------------------- what rows look like
NOISES: dict[str, Callable[[Generator, tuple[int, ...]], Floats]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "log-normal": lambda rng, shape: (rng.lognormal(size=shape) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e),
}
"""Mean 0, variance 1; skewness 0, 2 and 6.2."""


@dataclass(frozen=True)
class Data:
    """Simulated data sets, side by side: `values` [S, n, 2] (both terms), and what they share."""

    values: Floats
    mask: NDArray[np.bool_] | None = None
    cluster: NDArray[np.intp] | None = None


def one_mean(rng: Generator, sims: int, n: int, noise: str) -> Data:
    """E[Y] = 1."""
    y = 1 + NOISES[noise](rng, (sims, n))
    return Data(np.stack([y, np.zeros_like(y)], axis=-1))


def paired(rng: Generator, sims: int, n: int, noise: str) -> Data:
    """Y in two worlds on the same row: a common part, an effect of mean 0.5."""
    base = NOISES[noise](rng, (sims, n))
    return Data(np.stack([base + 0.5 + NOISES[noise](rng, (sims, n)), base], axis=-1))


def groups(rng: Generator, sims: int, n: int, noise: str) -> Data:
    """Means of two separate groups of rows, a third of them in the first; they differ by 0.5."""
    y = NOISES[noise](rng, (sims, n))
    first = np.arange(n) < n // 3
    y = y + 0.5 * first
    mask = np.broadcast_to(np.stack([first, ~first], axis=-1), (sims, n, 2))
    return Data(np.stack([y, y], axis=-1), mask)


def share(rng: Generator, sims: int, n: int, noise: str) -> Data:
    """An indirect effect that is half the total, row by row related to it."""
    total = 1 + 0.8 * NOISES[noise](rng, (sims, n))
    return Data(np.stack([0.5 * total + 0.4 * NOISES[noise](rng, (sims, n)), total], axis=-1))


def opposed(rng: Generator, sims: int, n: int, noise: str) -> Data:
    """As `share`, the indirect effect skewed the other way and unrelated to the total."""
    total = 1 + 0.8 * NOISES[noise](rng, (sims, n))
    return Data(np.stack([0.5 - 0.6 * NOISES[noise](rng, (sims, n)), total], axis=-1))


def clustered(rng: Generator, sims: int, n: int, noise: str, sizes: tuple[int, ...] = (4,)) -> Data:
    """`n` clusters of rows in two worlds: the effect of mean 0.5 varies over clusters and rows by equal parts."""
    members = np.repeat(np.arange(n), np.resize(np.array(sizes), n))
    base = NOISES[noise](rng, (sims, len(members)))
    effect = NOISES[noise](rng, (sims, n))[:, members] + NOISES[noise](rng, (sims, len(members)))
    return Data(np.stack([base + 0.5 + effect / np.sqrt(2), base], axis=-1), cluster=members)


def uneven(rng: Generator, sims: int, n: int, noise: str) -> Data:
    """As `clustered`, with 1 to 8 rows a cluster."""
    return clustered(rng, sims, n, noise, sizes=(1, 2, 3, 4, 6, 8))


def events(rng: Generator, sims: int, n: int, noise: str) -> Data:
    """P = the number that `noise` spells."""
    y = (rng.random((sims, n)) < float(noise)).astype(np.float64)
    return Data(np.stack([y, y], axis=-1))


# ---------------------------------------------------------------- the grid
@dataclass(frozen=True)
class Case:
    """One line of the table."""

    name: str
    make: Callable[[Generator, int, int, str], Data]
    combine: Expr
    truth: float
    noise: str
    n: int
    method: str = "default"
    plain: str = "student"
    bar: bool = True

    def seed(self, base: int) -> list[int]:
        """Of this line, whatever else is in the table."""
        return [base, zlib.crc32(f"{self.name} {self.noise} {self.n}".encode())]


def cases() -> Iterator[Case]:
    """Every line: first those that promise at least 94%, then those that are only reported."""
    promised = [
        ("mean", one_mean, FIRST, 1.0, "student"),
        ("difference, paired", paired, DIFFERENCE, 0.5, "student"),
        ("ratio, its parts related", share, RATIO, 0.5, "fieller"),
        ("ratio, skewed both ways", opposed, RATIO, 0.5, "fieller"),
        ("difference, clusters of 4", clustered, DIFFERENCE, 0.5, "student"),
        ("difference, clusters of 1 to 8", uneven, DIFFERENCE, 0.5, "student"),
    ]
    for bar, noises, sizes in ((True, ("normal", "exponential"), (30, 200)), (False, ("log-normal",), (30, 200))):
        for name, make, combine, truth, plain in promised:
            for noise in noises:
                for n in sizes:
                    yield Case(name, make, combine, truth, noise, n, plain=plain, bar=bar)
    for noise in NOISES:
        for n in (30, 200):
            yield Case("difference of two groups", groups, DIFFERENCE, 0.5, noise, n, bar=False)
    for noise in NOISES:
        for n in (6, 10, 19):
            yield Case("difference, clusters of 4", clustered, DIFFERENCE, 0.5, noise, n, bar=False)
    for p in ("0.5", "0.1"):
        for n in (30, 200):
            yield Case("probability", events, FIRST, float(p), p, n, bar=False)


def bootstraps() -> Iterator[Case]:
    """Lines for the bootstrap; slower by a factor of its resamples, so with fewer data sets."""
    for name, make, combine, truth in (("mean", one_mean, FIRST, 1.0), ("ratio, its parts related", share, RATIO, 0.5)):
        for noise in ("normal", "exponential"):
            for n in (30, 200):
                yield Case(name, make, combine, truth, noise, n, method="bca", plain="percentile", bar=False)


# ---------------------------------------------------------------- one line
@dataclass(frozen=True)
class Covered:
    """Shares of the data sets with an interval: covered, missed below and above; the rest."""

    case: Case
    sims: int
    covers: float
    below: float
    above: float
    undefined: float
    width: float
    plain: float

    @property
    def misses_bar(self) -> bool:
        """Whether a promise is broken."""
        return self.case.bar and self.covers < BAR


def problem_of(case: Case, data: Data) -> Problem:
    """The problem as `infer` builds it, for all data sets at once."""
    shape = Shape(case.combine, (case.make is events,) * 2, data.cluster is not None)
    return Problem(shape, units_of(data.values, data.mask, data.cluster))


def ends(problem: Problem, method: str) -> tuple[Floats, Floats]:
    """[S] lower and upper ends of the 95% interval."""
    chosen = ESTIMATORS[method]
    if not chosen.random:
        return chosen.fit(problem, Options(method)).bounds(TAIL)
    parts = (problem.units.mean, problem.units.total, problem.units.size, problem.units.scale)
    found = []
    for i, one in enumerate(zip(*parts, strict=True)):
        alone = Problem(problem.shape, Units(*one))
        found.append(chosen.fit(alone, Options(method, RESAMPLES, seed=i)).bounds(TAIL))
    low, high = np.array(found, dtype=np.float64).T
    return low, high


def simulate(case: Case, sims: int, seed: int = SEED) -> Covered:
    """Cover `sims` data sets of one case."""
    rng = np.random.default_rng(case.seed(seed))
    hits, plain, widths = [], [], []
    for start in range(0, sims, AT_ONCE):
        problem = problem_of(case, case.make(rng, min(AT_ONCE, sims - start), case.n, case.noise))
        low, high = ends(problem, case.method)
        hits.append(np.stack([low > case.truth, high < case.truth, ~(np.isfinite(low) & np.isfinite(high))]))
        low0, high0 = ends(problem, case.plain)
        plain.append((low0 <= case.truth) & (case.truth <= high0))
        with np.errstate(invalid="ignore", divide="ignore"):
            widths.append((high - low) / (high0 - low0))
    above, below, undefined = np.concatenate(hits, axis=1).astype(bool)
    defined = ~undefined
    # an undefined ratio is reported, not counted as a success
    low_miss, high_miss = (float(x[defined].mean()) for x in (above, below))
    width = float(np.nanmedian(np.concatenate(widths)[defined]))
    return Covered(
        case,
        sims,
        1 - low_miss - high_miss,
        high_miss,
        low_miss,
        float(undefined.mean()),
        width,
        float(np.concatenate(plain)[defined].mean()),
    )


# ---------------------------------------------------------------- the table
def table(lines: list[Covered]) -> str:
    """Markdown."""
    out = [
        "| estimand | rows | units | method | data sets | covers "
        "| too low | too high | undefined | width | plain covers | bar |",
        "|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for x in lines:
        bar = "" if not x.case.bar else "**missed**" if x.misses_bar else "≥ 94%"
        out.append(
            f"| {x.case.name} | {x.case.noise} | {x.case.n} | {x.case.method} | {x.sims:,} | {100 * x.covers:.1f}% "
            f"| {100 * x.below:.1f}% | {100 * x.above:.1f}% | {100 * x.undefined:.1f}% | {x.width:.2f} "
            f"| {100 * x.plain:.1f}% | {bar} |"
        )
    return "\n".join(out)


LEGEND = """\
Shares of simulated data sets whose 95% interval covers the truth. *units*: rows, or clusters. *too low*: the
whole interval lies below the truth; *too high*: above. *undefined*: no interval, since the denominator's holds 0; the
other shares are of the rest. *width*: median of the width over that of the plain interval (Student's t, Fieller's
set with Student's t, the percentile bootstrap, each with its coverage in *plain covers*). Lines with a bar promise
at least 94%; the others are reported as they are. A share of 20,000 data sets has a standard error of 0.15 points, of
1,000 one of 0.7 points.
"""


def commit() -> str:
    """The commit, marked where what is measured here has changed since."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "causalcircuit/inference", "benchmarks/coverage*.py")
    return git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def main() -> int:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,000 data sets a line, no bootstrap")
    parser.add_argument("--full", action="store_true", help="20,000 data sets a line (the default)")
    parser.add_argument("--sims", type=int, help="data sets a line")
    parser.add_argument("--part", choices=("grid", "more"), help="one of the two tables; both without it")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the simulation, {SEED} by default")
    parser.add_argument("--write", type=Path, help="also write the page to this file")
    arguments = parser.parse_args()
    sims = arguments.sims or (2_000 if arguments.quick else 20_000)
    size = "--quick" if arguments.quick else f"--sims {sims}" if arguments.sims else "--full"
    size += f" --part {arguments.part}" if arguments.part else ""
    whole = not (arguments.quick or arguments.sims)
    command = f"`python -m benchmarks.coverage {size}`"
    made = f"{command}, commit {commit()}, seed {arguments.seed}, {datetime.now(UTC):%Y-%m-%d}"
    sections, missed = [], 0
    if arguments.part != "more":
        found = _grid(sims, whole, arguments.quick, arguments.seed)
        missed += len(broken(found))
        sections.append(f"## Every estimator\n\n{grid_page(found, broken(found), made)}")
    if arguments.part != "grid":
        lines = _more(sims, arguments.quick, arguments.seed)
        missed += sum(x.misses_bar for x in lines)
        sections.append(f"## More rows and ratios\n\n{made}\n\n{LEGEND}\n{table(lines)}\n")
    page = "# Coverage of the intervals\n\n" + "\n".join(sections)
    print(page)
    if arguments.write:
        arguments.write.write_text(page, encoding="utf-8")
    if missed:
        print(f"{missed} lines cover less than {BAR:.0%}", file=sys.stderr)
    return 1 if missed else 0


def _grid(sims: int, whole: bool, quick: bool, seed: int) -> list[grid.Covered]:
    """The cells of the grid, those that resample left out where it has to be quick."""
    out, start = [], time.perf_counter()
    for cell in grid.cells():
        if not (quick and cell.random):
            out.append(grid.simulate(cell, grid.sims_of(cell, sims, whole), seed))
            what = f"{cell.estimand.name}, {cell.method}, {cell.rows}, {cell.units}"
            print(f"{time.perf_counter() - start:6.0f} s  {what}: {out[-1].share:.3f}", file=sys.stderr, flush=True)
    return out


def _more(sims: int, quick: bool, seed: int) -> list[Covered]:
    """The lines of this file."""
    chosen = [(case, sims) for case in cases()]
    if not quick:
        chosen += [(case, max(1, sims // 20)) for case in bootstraps()]
    out, start = [], time.perf_counter()
    for case, count in chosen:
        out.append(simulate(case, count, seed))
        print(f"{time.perf_counter() - start:6.0f} s  {case.name}, {case.noise}, {case.n}", file=sys.stderr)
    return out


if __name__ == "__main__":
    sys.exit(main())
