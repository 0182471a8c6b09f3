"""Prediction-powered means: coverage and width by simulation, and over tables of exact effects of the shipped models.

    python benchmarks/powered.py simulated models > table.md

Simulated: data sets of 2,000 rows, 50 of them exact, by known truths. Models: each head and MLP of the two shipped
models, its value taken from another world; the exact effect and two gradient scores (attribution patching from either
end) of every row are computed once, then 2,000 rows are drawn from that table with replacement, 50 of them exact, 300
times, and the truth is the table's mean.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from causalcircuit.inference import Powered, powered

ROWS, EXACT, DRAWS = 2000, 50, 1000
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
Made = tuple[np.ndarray, np.ndarray, float]


def kinds(rng: np.random.Generator) -> Iterator[tuple[str, Made]]:
    """Outcomes, scores and truths."""
    f, noise, e = rng.normal(size=ROWS), rng.normal(size=ROWS), rng.exponential(size=ROWS)
    yield "score of correlation 0.96", (f + 0.3 * noise, f[:, None], 0.0)
    yield "two scores, 0.96 and 0.7", (f + 0.3 * noise, np.stack([f, f + rng.normal(size=ROWS)], 1), 0.0)
    yield "two useless scores", (noise, np.stack([f, e], 1), 0.0)
    yield "exponential, two useless scores", (e, np.stack([f, noise], 1), 1.0)
    yield "exponential, score 0.98", (e + 0.2 * rng.exponential(size=ROWS), np.stack([e, np.sqrt(e)], 1), 1.2)
    yield "parabola, linear score", (f**2 + f, f[:, None], 1.0)
    yield "residual of t with 3 df", (f + 0.3 * rng.standard_t(3, size=ROWS), f[:, None], 0.0)
    tail = rng.standard_t(2.5, size=ROWS)
    yield "scores t and its cube, 2.5 df", (np.tanh(tail) + 0.2 * noise, np.stack([tail, tail**3], 1), 0.0)


def simulated(draws: int = DRAWS) -> None:
    """The table of simulations."""
    rng = np.random.default_rng(31)
    held: dict[str, list[tuple[bool, bool, float, bool]]] = {}
    for _ in range(draws):
        for name, (y, scores, truth) in kinds(rng):
            chosen = rng.choice(ROWS, EXACT, replace=False)
            held.setdefault(name, []).append(outcome(powered(y[chosen], chosen, scores), truth))
    print("| outcomes | covers | classical t | width beside it | exact rows saved | hangs on one row |")
    print("|---|---|---|---|---|---|")
    for name, found in held.items():
        line(name, found)
    print()


def outcome(found: Powered, truth: float) -> tuple[bool, bool, float, bool]:
    """Whether both intervals hold the truth, the width of one beside the other, and whether it hangs on one row."""
    one, other = found.interval(), found.classical_interval()
    width = (one.high - one.low) / (other.high - other.low) if other.high > other.low else 1.0
    return one.low <= truth <= one.high, other.low <= truth <= other.high, width, found.heavy


def line(name: str, found: list[tuple[bool, bool, float, bool]]) -> None:
    """One line."""
    covers, classical, width, heavy = np.array(found, dtype=float).T
    gain = float(np.median(width)) ** -2
    shares = f"{covers.mean():.1%} | {classical.mean():.1%} | {np.median(width):.2f}"
    print(f"| {name} | {shares} | {gain:.1f}× | {heavy.mean():.0%} |", flush=True)


def models(draws: int = 300) -> None:
    """The table of nodes."""
    import causalcircuit as cq
    from causalcircuit.attribution import Question, node_scores
    from causalcircuit.models import load
    from causalcircuit.query import ALL, Binary, Estimation, Expect, Site
    from causalcircuit.query.circuits.wires import nodes_of
    from causalcircuit.rows import load as rows_of

    texts = {
        "ioi": f"""
model m = hf("{EXAMPLES}/models/ioi")
data d = jsonl("{EXAMPLES}/data/ioi.jsonl") with prompt = row.clean cluster row.names
node Y = m.logit[row.io] @ last - m.logit[row.subj] @ last
estimate E[Y | do(m.input = row.corrupt)] - E[Y] on d
""",
        "captioner": f"""
model m = hf("{EXAMPLES}/models/captioner")
data d = jsonl("{EXAMPLES}/data/scenes.jsonl") with prefix = "a" cluster row.figure
node Y = m.logit["woman"] @ last - m.logit["man"] @ last
estimate E[Y | do(m.image = row.kitchen)] - E[Y | do(m.image = row.office)] on d
""",
    }
    print(
        "| model, node | mean effect | covers | classical t | width beside it | exact rows saved | hangs on one row |"
    )
    print("|---|---|---|---|---|---|---|")
    for label, text in texts.items():
        program = cq.program(text)
        (command,) = program.commands
        assert isinstance(command, Estimation)
        expr = command.queries[0].expr
        assert isinstance(expr, Binary)
        assert isinstance(expr.left, Expect)
        assert isinstance(expr.right, Expect)
        model, data = load(program.models["m"]), rows_of(program.data["d"])
        there = Question("m", expr.left.value, expr.right.world, expr.left.world)
        here = Question("m", expr.left.value, expr.left.world, expr.right.world)
        nodes = [Site(s.address, ALL) for s in nodes_of(model.sites, "m")]
        nodes = [s for s in nodes if "embed" not in str(s.address)]
        exact, one, two = (
            np.asarray(node_scores(model, data, q, how, over=nodes).table)
            for q, how in ((there, "exact_nodes"), (there, "atp"), (here, "atp"))
        )
        rng = np.random.default_rng(41)
        gains = []
        for k, site in enumerate(nodes):
            y, scores = exact[:, k], np.stack([one[:, k], two[:, k]], 1)
            if y.std() < 1e-9:
                continue
            found = []
            for _ in range(draws):
                place = rng.integers(0, len(y), ROWS)
                chosen = rng.choice(ROWS, EXACT, replace=False)
                found.append(outcome(powered(y[place][chosen], chosen, scores[place]), float(y.mean())))
            gains.append((abs(float(y.mean())), float(np.median([w for _, _, w, _ in found])) ** -2))
            line(f"{label} {str(site.address).removeprefix('m.')} | {y.mean():+.3f}", found)
        best = [g for _, g in sorted(gains)[-5:]]
        middle = float(np.median([g for _, g in gains]))
        said = f"median node {middle:.1f}×, five strongest {min(best):.1f}× to {max(best):.1f}×"
        print(f"| {label}: {said} |  |  |  |  |  |  |", flush=True)


if __name__ == "__main__":
    start = time.process_time()
    for part in sys.argv[1:] or ["simulated", "models"]:
        {"simulated": simulated, "models": models}[part]()
    print(f"\n{time.process_time() - start:.0f} s of one core")
