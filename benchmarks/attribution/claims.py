"""How often claims about circuits are supported and refuted at the border of what they claim, where both are errors.

`python -m benchmarks.attribution.claims --times 1000` prints the table of docs/circuit-claims.md. What is read with
some wires kept is drawn from a distribution in which the claimed number lies exactly at the end of its region.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

import causalcircuit.attribution.claims as claims
from causalcircuit.inference import Finding
from tests.attribution.readings import Readings, claim

Draw = Callable[[int], Finding]
ALPHA = 0.05
EVEN = 0.2533471
"""The normal quantile of 0.6: the end of the region of equivalence."""


def equivalent(rng: np.random.Generator, rows: int, cluster: NDArray[np.intp] | None) -> Finding:
    """The circuit reads higher with probability 0.6; half of the variance is the cluster's."""
    shared = np.zeros(rows) if cluster is None else rng.normal(size=cluster.max() + 1)[cluster] * np.sqrt(0.5)
    own = rng.normal(size=rows) * (1.0 if cluster is None else np.sqrt(0.5))
    higher = np.where(shared + own < EVEN, 1.0, -1.0)
    lab = Readings(lambda m: np.zeros(rows) if m.all() else higher, [0, 1], 2, rows, cluster)
    return claims.found_of(claim("equivalent"), lab, None, ALPHA)


def sufficient(rng: np.random.Generator, seed: int) -> Finding:
    """A random circuit is less faithful with probability 0.9."""
    seen: list[bool] = []

    def reading(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        if mask.all():
            return np.zeros(3)
        first = not seen and mask[:2].all() and not mask[2:].any()
        if first:
            seen.append(True)
        return np.full(3, 0.1 if first else 1.0 if not mask.any() else rng.uniform())

    return claims.found_of(claim("sufficient"), Readings(reading, [0, 1], 12, 3), seed, ALPHA)


def minimal(rng: np.random.Generator, seed: int) -> Finding:
    """Of two wires one matters more than a random one with probability 0.9, the other always."""

    def reading(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        if not mask.any():
            return np.zeros(2)
        if mask[0] and mask[1]:
            whole = not mask[2:].any() or mask.sum() % 2 == 0
            return np.full(2, 5.0 if whole else 5.0 - rng.uniform())
        return np.full(2, 5.0 - (0.9 if mask[0] else 4.0))

    return claims.found_of(claim("minimal"), Readings(reading, [0, 1], 6, 2), seed, ALPHA)


def independent(rng: np.random.Generator, seed: int, clusters: int, *, depends: bool) -> Finding:
    """Four rows a cluster, which share nine tenths of their variance."""
    cluster = np.repeat(np.arange(clusters), 4)
    whole, other = (rng.normal(size=clusters)[cluster] + rng.normal(size=len(cluster)) / 3 for _ in range(2))
    without = np.abs(whole) + 0.2 * rng.normal(size=len(cluster)) if depends else other
    lab = Readings(lambda m: whole if m.all() else without, [0, 1], 3, len(cluster), cluster)
    return claims.found_of(claim("independent", draws=199), lab, seed, ALPHA)


def jointly_necessary(rng: np.random.Generator, rows: int, cluster: NDArray[np.intp] | None) -> Finding:
    """A fifth of the effect is left, skewed from row to row."""
    shared = np.zeros(rows) if cluster is None else rng.normal(size=cluster.max() + 1)[cluster]
    whole = 3 + shared + rng.normal(size=rows)
    left = 0.6 + 0.5 * shared + 0.7 * (rng.exponential(size=rows) - 1)

    def reading(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        return whole if mask.all() else left if mask.any() else np.zeros(rows)

    return claims.found_of(claim("jointly_necessary"), Readings(reading, [0, 1], 3, rows, cluster), None, ALPHA)


def cases(rng: np.random.Generator) -> Iterator[tuple[str, Draw]]:
    """Every line of the table."""
    forty, twelve = np.repeat(np.arange(40), 5), np.repeat(np.arange(12), 5)
    yield "`equivalent`, 30 rows", lambda s: equivalent(rng, 30, None)
    yield "`equivalent`, 200 rows", lambda s: equivalent(rng, 200, None)
    yield "`equivalent`, 200 rows in 40 clusters", lambda s: equivalent(rng, 200, forty)
    yield "`equivalent`, 60 rows in 12 clusters", lambda s: equivalent(rng, 60, twelve)
    yield "`sufficient`, 100 random circuits", lambda s: sufficient(rng, s)
    yield "`minimal`, 100 random wires", lambda s: minimal(rng, s)
    yield "`independent`, 48 rows in 12 clusters", lambda s: independent(rng, s, 12, depends=False)
    yield "`independent`, 160 rows in 40 clusters", lambda s: independent(rng, s, 40, depends=False)
    yield "the same where both depend on each other", lambda s: independent(rng, s, 40, depends=True)
    yield "`jointly_necessary`, 30 rows", lambda s: jointly_necessary(rng, 30, None)
    yield "`jointly_necessary`, 200 rows in 40 clusters", lambda s: jointly_necessary(rng, 200, forty)


def share(ps: list[float | None]) -> str:
    """How many are at most α."""
    known = [p for p in ps if p is not None]
    return f"{100 * sum(p <= ALPHA for p in known) / len(ps):.1f}%" if known else "–"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    times: int = parser.parse_args().times
    claims.backups = lambda lab, leaving: ""  # who takes over is no part of the error
    print("| at its border | supported | refuted |\n|---|---|---|")
    for name, draw in cases(np.random.default_rng(11)):
        found = [draw(s) for s in range(times)]
        print(f"| {name} | {share([f.p for f in found])} | {share([f.p_refute for f in found])} |", flush=True)


if __name__ == "__main__":
    main()
