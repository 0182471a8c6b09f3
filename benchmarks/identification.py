"""How long identification and the search for sets take.

Run with ``python -m benchmarks.identification [--count N]``; prints a Markdown table. Graphs are random and seeded:
arrows from earlier to later vertices, bidirected edges between any two, the question about the last vertex. Simplifying
the formula is part of the time; its derivation is made on demand and timed apart.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

from causalcircuit.causal import Diagram, adjustment_sets, frontdoor_sets, identify, optimal_adjustment_set


def drawn(rng: random.Random, n: int, arrows: float, arcs: float, chain: bool = False) -> Diagram:
    """A random diagram; with `chain`, each vertex causes the next."""
    pairs = list(itertools.combinations(range(n), 2))
    directed = [(f"v{a}", f"v{b}") for a, b in pairs if rng.random() < arrows or (chain and b == a + 1)]
    bidirected = [(f"v{a}", f"v{b}") for a, b in pairs if rng.random() < arcs]
    made = Diagram(tuple(f"v{i}" for i in range(n)), tuple(directed), tuple(bidirected))
    _ = made.frame  # a diagram is numbered once
    return made


def deepest() -> Diagram:
    """Of 6,000 random chains with bidirected edges, the one whose formula nests most: quotients and sums, six deep."""
    arrows = [(i, i + 1) for i in range(11)] + [(0, 8), (0, 9)]
    arcs = [(0, 6), (0, 9), (1, 5), (1, 8), (1, 11), (2, 7), (2, 9), (4, 6), (4, 10), (5, 11), (6, 8), (6, 10), (8, 11)]
    made = Diagram(
        tuple(f"v{i}" for i in range(12)),
        tuple((f"v{a}", f"v{b}") for a, b in arrows),
        tuple((f"v{a}", f"v{b}") for a, b in arcs),
    )
    _ = made.frame
    return made


def timed(question: Callable[[], object]) -> tuple[float, object]:
    """Milliseconds, and the answer."""
    start = time.perf_counter()
    answer = question()
    return (time.perf_counter() - start) * 1e3, answer


def row(name: str, times: list[float], found: int) -> str:
    """A line of the table."""
    return f"| {name} | {len(times)} | {found} | {statistics.median(times):.2f} | {max(times):.2f} |"


def effects(
    rng: random.Random, n: int, arrows: float, arcs: float, chain: bool, count: int
) -> tuple[list[float], list[float]]:
    """Times of ID, and of derivations of what was identified."""
    times, derivations = [], []
    for _ in range(count):
        diagram = drawn(rng, n, arrows, arcs, chain)
        treatment = f"v{rng.randrange(n // 2)}"
        spent, answer = timed(lambda d=diagram, t=treatment, y=f"v{n - 1}": identify(d, y, do=t, by="id"))
        times.append(spent)
        if answer.identified:
            derivations.append(timed(lambda a=answer: a.derivation)[0])
    return times, derivations


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="questions a row")
    count = parser.parse_args().count
    rng = random.Random(7)
    print(f"`python -m benchmarks.identification --count {count}`, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| | questions | identified | median, ms | most, ms |\n|---|---:|---:|---:|---:|")
    for n, arrows, arcs, chain in [
        (7, 0.4, 0.2, False),
        (7, 0.3, 0.15, True),
        (50, 0.1, 0.01, False),
        (50, 0.4, 0.02, False),
        (50, 0.0, 0.01, True),
        (50, 0.1, 0.004, True),
    ]:
        times, derivations = effects(rng, n, arrows, arcs, chain, count)
        kind = f"{n} vertices, {arrows:.0%} arrows{', a chain' if chain else ''}, {arcs:.1%} bidirected"
        print(row(f"ID: {kind}", times, len(derivations)))
        if derivations:
            print(row("its derivation", derivations, len(derivations)))
    diagram = deepest()
    treatments = [v for v in diagram.vertices[:-1] if identify(diagram, "v11", do=v, by="id").identified]
    spent = [timed(lambda t=t: identify(diagram, "v11", do=t, by="id")) for t in treatments * 20]
    print(row("ID: the deepest formula met, 12 vertices", [t for t, _ in spent], len(spent)))
    for arrows, arcs in [(0.02, 0.0), (0.02, 0.005), (0.1, 0.005)]:
        diagrams = [drawn(rng, 200, arrows, arcs) for _ in range(max(count // 10, 3))]
        ends = [f"v{rng.randrange(100)}" for _ in diagrams]
        for name, ask in [
            ("the best adjustment set", lambda d, t: optimal_adjustment_set(d, "v199", do=t)),
            ("100 minimal adjustment sets", lambda d, t: adjustment_sets(d, "v199", do=t, limit=100)),
            ("10 front-door sets", lambda d, t: frontdoor_sets(d, "v199", do=t, limit=10)),
        ]:
            spent = [timed(lambda d=d, t=t, ask=ask: ask(d, t)) for d, t in zip(diagrams, ends, strict=True)]
            found = sum(answer not in (None, ()) or (answer == () and "best" in name) for _, answer in spent)
            print(
                row(f"{name}: 200 vertices, {arrows:.0%} arrows, {arcs:.1%} bidirected", [t for t, _ in spent], found)
            )


if __name__ == "__main__":
    main()
