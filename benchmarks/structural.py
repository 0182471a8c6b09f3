"""Coverage of the 95% intervals of structural models, and the size of the tests of a diagram, in simulated data sets.

Run with ``python -m benchmarks.structural [--sims N] [--only WORD] [--size]``; prints a Markdown table and exits with 1
when a default interval covers less than 94% (exact binomial tests, Holm over the lines). `--size` measures how often
true independences are rejected instead.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import binom, norm

from benchmarks.observed import BAR, SEED, SIZES, Floats, Generator, Table, _coin
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference import holm
from causalcircuit.inference.observed._result import Observed
from causalcircuit.scm import StructuralModel, falsify, fit

MEDIATED = "X -> M, M -> Y, X -> Y"
TREATED = "Z -> X, Z -> M, Z -> Y, X -> M, M -> Y, X -> Y"


def lines(rng: Generator, n: int) -> Table:
    """A total effect of 1 (0.8 × 0.5 through M, 0.6 directly), with noise that is skewed and uneven."""
    x = _coin(rng, 0.5, n)
    m = 0.8 * x + (rng.exponential(size=n) - 1) * (0.5 + x)
    return {"X": x, "M": m, "Y": 0.5 * m + 0.6 * x + rng.standard_normal(n) * (0.5 + np.abs(m))}


def gaussian(rng: Generator, n: int) -> Table:
    """The same with Gaussian noise of variance 1."""
    x = rng.standard_normal(n)
    m = 0.8 * x + rng.standard_normal(n)
    return {"X": x, "M": m, "Y": 0.5 * m + 0.6 * x + rng.standard_normal(n)}


def clustered(rng: Generator, n: int) -> Table:
    """The same in clusters of four that share part of the noise."""
    g = np.arange(n) // 4
    x = _coin(rng, 0.5, n)
    m = 0.8 * x + rng.standard_normal(n)[g] + rng.standard_normal(n)
    y = 0.5 * m + 0.6 * x + rng.standard_normal(n)[g] + rng.standard_normal(n)
    return {"X": x, "M": m, "Y": y, "unit": g}


def shared(rng: Generator, n: int) -> Table:
    """X and Y share an error without a bow: the effect of X runs through M alone, 0.4."""
    u = rng.standard_normal(n)
    x = u + rng.standard_normal(n)
    m = 0.8 * x + rng.standard_normal(n)
    return {"X": x, "M": m, "Y": 0.5 * m + u + rng.standard_normal(n)}


def instrumented(rng: Generator, n: int) -> Table:
    """A bow with a strong instrument: 1 a unit."""
    u, z = rng.standard_normal(n), rng.standard_normal(n)
    x = z + u + rng.standard_normal(n)
    return {"Z": z, "X": x, "Y": x + u + rng.standard_normal(n)}


def cells(rng: Generator, n: int) -> Table:
    """Binary and three-valued columns: P(Y) rises by 0.1 directly and 0.5 × 0.2 through M."""
    z = rng.integers(0, 3, n)
    x = _coin(rng, 0.2 + 0.2 * z, n)
    m = _coin(rng, 0.2 + 0.5 * x, n)
    return {"Z": z, "X": x, "M": m, "Y": _coin(rng, 0.1 + 0.1 * x + 0.2 * m + 0.15 * z, n)}


def cut(rng: Generator, n: int) -> Table:
    """An outcome of many values, read as means: 1 × 0.5."""
    out = cells(rng, n)
    return {**out, "Y": out["Y"] + out["M"] + rng.exponential(size=n) * (1 + out["X"]) - out["X"]}


def curved(rng: Generator, n: int) -> Table:
    """E[Y | do(X = x)] = 0.5 x² + 0.3 x: 0.8 from 0 to 1."""
    x = rng.standard_normal(n)
    m = x**2 + 0.5 * rng.standard_normal(n)
    return {"X": x, "M": m, "Y": 0.5 * m + 0.3 * x + rng.standard_normal(n)}


Ask = Callable[[StructuralModel], Observed]


@dataclass(frozen=True)
class Case:
    """One line of the table at each size."""

    name: str
    make: Callable[[Generator, int], Table]
    diagram: str
    truth: float
    ask: Ask
    options: dict[str, Any] = field(default_factory=dict)
    bar: bool = True
    share: float = 1.0


def _total(model: StructuralModel) -> Observed:
    return model.effect("X", "Y", (0, 1))


def _path(model: StructuralModel) -> Observed:
    return model.effect("X", "Y", (0, 1), through=[("X", "M", "Y")])


CELLS = {"mechanisms": "discrete"}
CURVES = {"mechanisms": "additive_noise", "degree": 2, "resamples": 399, "seed": 1}
TAIL = float(norm.sf((0.5 - 1) / np.sqrt(1 + 0.25)))
CASES = (
    Case("linear, total effect", lines, MEDIATED, 1.0, _total),
    Case("linear, path", lines, MEDIATED, 0.4, _path),
    Case("linear, path, clusters of 4", clustered, MEDIATED, 0.4, _path, {"cluster": "unit"}),
    Case("linear, probability", gaussian, MEDIATED, TAIL, lambda s: s.probability("Y", (">", 0.5), {"X": 1})),
    Case("linear, among X = 1, had X been 0", gaussian, MEDIATED, 0.0, lambda s: s.mean("Y", {"X": 0}, {"X": 1})),
    Case("linear, shared error", shared, "X -> M, M -> Y, X <-> Y", 0.4, _total),
    Case("linear, bow with an instrument", instrumented, "Z -> X, X -> Y, X <-> Y", 1.0, _total),
    Case("discrete, total effect", cells, TREATED, 0.2, _total, CELLS),
    Case("discrete, path", cells, TREATED, 0.1, _path, CELLS),
    Case("discrete, among the treated", cells, TREATED, 0.2, lambda s: s.effect("X", "Y", given={"X": 1}), CELLS),
    Case("discrete, outcome cut in 4", cut, TREATED, 0.7, _total, {**CELLS, "bins": 4}),
    Case("additive noise, total effect", curved, MEDIATED, 0.8, _total, CURVES, bar=False, share=0.04),
)


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


def missed(found: list[Covered]) -> list[Covered]:
    """The promised lines that cover less than 94%: exact binomial tests, Holm over all of them, error 0.05."""
    promised = [x for x in found if x.case.bar]
    adjusted = holm([x.p_bar for x in promised])
    return [x for x, p in zip(promised, adjusted, strict=True) if p is not None and p <= 0.05]


def simulate(case: Case, n: int, sims: int) -> Covered:
    """Cover `sims` data sets; no interval, or a refusal, is a miss."""
    rng = np.random.default_rng([SEED, zlib.crc32(case.name.encode()), n])
    hits = unbounded = 0
    widths, errors, spent = [], [], 0.0
    for _ in range(sims):
        table = case.make(rng, n)
        start = time.perf_counter()
        try:
            found = case.ask(fit(table, case.diagram, **case.options))
        except DiagnosticError:
            unbounded += 1
            continue
        finally:
            spent += time.perf_counter() - start
        if found.interval is None:
            unbounded += 1
        else:
            hits += found.interval.low <= case.truth <= found.interval.high
            widths.append(found.interval.high - found.interval.low)
        if found.value is not None:
            errors.append(found.value - case.truth)
    width = float(np.median(widths)) if widths else float("nan")
    bias = float(np.median(errors)) if errors else float("nan")
    return Covered(case, n, sims, hits / sims, unbounded / sims, width, bias, 1000 * spent / sims)


def printed(found: list[Covered]) -> str:
    """Markdown."""
    out = [
        "| question | rows | data sets | covers | no interval | median width | median error | ms | promised |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    broken = missed(found)
    for x in found:
        bar = "" if not x.case.bar else "**missed**" if x in broken else "≥ 94%" if x.covers >= BAR else "not rejected"
        out.append(
            f"| {x.case.name} | {x.n} | {x.sims:,} | {100 * x.covers:.1f}% | {100 * x.unbounded:.1f}% "
            f"| {x.width:.3f} | {x.bias:+.3f} | {x.milliseconds:.1f} | {bar} |"
        )
    return "\n".join(out)


# ---- the size of the tests of a diagram


def uneven(rng: Generator, n: int) -> Table:
    """Numbers given a number, with noise that is skewed and grows."""
    z = rng.exponential(size=n)
    a = z + rng.exponential(size=n) * (1 + z) / 2
    return {"Z": z, "A": a, "B": -z + rng.standard_normal(n) * np.sqrt(z + 0.1)}


def levels(rng: Generator, n: int) -> Table:
    """Three values each, given three strata."""
    z = rng.integers(0, 3, n)
    low = np.array([[0.1, 0.5], [0.3, 0.6], [0.2, 0.3]])[z]
    high = np.array([[0.2, 0.9], [0.3, 0.5], [0.6, 0.8]])[z]
    return {"Z": z, "A": (rng.random((n, 1)) > low).sum(axis=1), "B": (rng.random((n, 1)) > high).sum(axis=1)}


def rare(rng: Generator, n: int) -> Table:
    """Two events of 5 to 15%."""
    z = rng.integers(0, 2, n)
    return {"Z": z, "A": _coin(rng, 0.05 + 0.1 * z, n), "B": _coin(rng, 0.05 + 0.1 * z, n)}


def grouped(rng: Generator, n: int) -> Table:
    """Numbers in clusters of four, each with a part of its own."""
    g, z = np.arange(n) // 4, rng.integers(0, 2, n)
    a, b = (z + rng.standard_normal(n)[g] + rng.standard_normal(n) for _ in range(2))
    return {"Z": z, "A": a, "B": b, "unit": g}


def size(sims: int) -> str:
    """How often `A _||_ B | Z` is rejected where it is true."""
    out = ["| columns | rows | data sets | at .05 | at .01 |", "|---|---:|---:|---:|---:|"]
    for make in (uneven, levels, rare, grouped):
        for n in (60, *SIZES):
            rng = np.random.default_rng([SEED, zlib.crc32(make.__name__.encode()), n])
            ps: list[float] = []
            for _ in range(sims if n < 2000 else sims // 4):
                table = make(rng, n)
                try:
                    found = falsify(table, "Z -> A, Z -> B", cluster="unit" if "unit" in table else None)
                except DiagnosticError:  # a constant column, by chance
                    continue
                ps += [t.p for t in found.tests if t.p is not None]
            at: Floats = np.array(ps)
            name = (make.__doc__ or "").rstrip(".")
            out.append(f"| {name} | {n} | {len(ps):,} | {np.mean(at < 0.05):.3f} | {np.mean(at < 0.01):.3f} |")
    return "\n".join(out)


def main() -> int:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sims", type=int, default=2000, help="data sets a line")
    parser.add_argument("--only", default="", help="lines whose name holds this")
    parser.add_argument("--size", action="store_true", help="measure the tests of a diagram instead")
    arguments = parser.parse_args()
    if arguments.size:
        print(size(arguments.sims))
        return 0
    found = []
    for case in (c for c in CASES if arguments.only in c.name):
        for n in SIZES:
            sims = max(1, int(arguments.sims * case.share * (1.0 if n < 2000 else 0.5)))
            found.append(simulate(case, n, sims))
            print(found[-1].case.name, n, found[-1].covers, file=sys.stderr, flush=True)
    print(printed(found))
    return 1 if missed(found) else 0


if __name__ == "__main__":
    sys.exit(main())
