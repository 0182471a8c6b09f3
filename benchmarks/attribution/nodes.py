"""What attribution patching of all nodes costs, beside the passes that it needs at least.

`python -m benchmarks.attribution.nodes [--rounds 9]`: CPU seconds of one thread, in turns, medians; the shape of GPT-2
small with random weights (12 layers, 12 heads, width 768, 5000 words), 8 pairs of texts of 16 tokens, float32.
The least are two forward passes and one backward. Before anything is timed, the scores of some nodes are held against
differences of the engine's worlds, in which a node goes a little of its way.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import causalcircuit as cq
import causalcircuit.rows as rows
from benchmarks.attribution.speed import PROGRAM, least, timed
from benchmarks.interventions.task import Task, task
from benchmarks.interventions.workloads import WORKLOADS
from causalcircuit.attribution import METHODS, Question
from causalcircuit.attribution.nodes import NodeBench, NodeChunk
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel, load
from causalcircuit.query import (
    ALL,
    FACTUAL,
    Address,
    Assignment,
    Binary,
    Cell,
    Counterfactual,
    Number,
    Part,
    Site,
    World,
)
from causalcircuit.rows import Dataset

PAIRS, STEP, BOUND = 8, 0.005, 0.02


def asked(made: Task) -> tuple[LoadedModel, Dataset, Question]:
    """The question on a loaded model."""
    program = cq.program(PROGRAM.format(folder=made.folder, data=made.data))
    named = {v: k for k, v in program.names.items()}
    question = Question("lm", named["LD"], FACTUAL, named["source"])  # type: ignore[arg-type]
    return load(program.models["lm"]), rows.load(program.data["pairs"]), question


def scores(bench: NodeBench, method: str) -> torch.Tensor:
    """[rows, nodes] of all rows in one pass."""
    return METHODS[method](NodeChunk(bench, range(bench.rows.data.n)))


def neurons(bench: NodeBench) -> tuple[Site, ...]:
    """All neurons, beside heads and the rest."""
    tower = bench.rows.model.sites.readout_tower
    each = ((Part("layer", i), Part("mlp"), Part("neuron", k)) for i in range(tower.layers) for k in range(tower.mlp))
    return (*bench.sites, *(Site(Address("lm", path), ALL) for path in each))


def check(bench: NodeBench) -> None:
    """Scores against differences of worlds: float32 and a step leave them a few per cent apart."""
    question, model, data = bench.rows.question, bench.rows.model, bench.rows.data
    found = scores(bench, "atp").double().numpy()
    chosen = np.argsort(-np.abs(found).max(0))[:5]
    for i in chosen:
        node = bench.sites[i]
        way = Binary("*", Number(STEP), Binary("-", Counterfactual(node, question.end), node))
        cells = [Cell(question.readout, World((Assignment(node, Binary(sign, node, way)),))) for sign in ("+", "-")]
        plan = make_plan(cells, data, {"lm": model.sites})
        up, down = (execute(prepare(plan, {"lm": model}, data)).cells[c] for c in cells)
        gap = np.abs((up - down) / (2 * STEP) - found[:, i]).max() / np.abs(found[:, i]).max()
        if gap > BOUND:
            raise SystemExit(f"{node.address} is off by {gap:.1e}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="turns of each, by default 9")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    made = task(WORKLOADS["exact"], Path(".cache/benchmarks"), rows=PAIRS)
    model, data, question = asked(made)
    bench = NodeBench(model, data, question)
    check(bench)
    with_neurons = NodeBench(model, data, question, neurons(bench))
    floor = least(made, 1)
    lines: list[tuple[str, NodeBench, Callable[[], object]]] = [
        ("`atp`, heads, MLPs and the embedding", bench, lambda: scores(bench, "atp")),
        ("`atp`, all neurons beside them", with_neurons, lambda: scores(with_neurons, "atp")),
        ("`atp_star`, heads, MLPs and the embedding", bench, lambda: scores(bench, "atp_star")),
    ]
    print("| nodes | least passes | all scores | ratio |\n|---|---:|---:|---:|")
    for title, one, own in lines:
        floor(), own()
        taken = [(timed(floor), timed(own)) for _ in range(rounds)]
        low, high = (statistics.median(x) for x in zip(*taken, strict=True))
        ratios = sorted(b / a for a, b in taken)
        print(
            f"| {title}: {len(one.sites):,} | {low:.2f} s | {high:.2f} s | {statistics.median(ratios):.2f}× "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
