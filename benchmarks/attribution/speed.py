"""What all wires of a model cost, beside the passes that no method can do without.

`python -m benchmarks.attribution.speed [--rounds 5]`: CPU seconds of one thread, in turns, medians; the shape of GPT-2
small with random weights (12 layers, 12 heads, width 768, a vocabulary of 5000), texts of 16 tokens, float32.

The least for EAP are two forward passes and one backward; for EAP-IG(5) one forward and five forward-backward passes.
Before anything is timed, the closed forms of reads are held against autograd, to 1e-4 of the largest score.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

import causalcircuit as cq
import causalcircuit.rows as rows
from benchmarks.interventions.task import Task, task
from benchmarks.interventions.workloads import WORKLOADS
from causalcircuit.attribution import METHODS, Question
from causalcircuit.attribution.bench import Bench, Chunk
from causalcircuit.attribution.passes import Rows
from causalcircuit.models import load
from causalcircuit.query import FACTUAL

PROGRAM = """\
model lm = hf("{folder}")
data pairs = jsonl("{data}") with prompt = row.base
node LD = lm.logit[row.good] @ last - lm.logit[row.bad] @ last
let source = do(lm.input = row.source)
estimate E[LD | source] on pairs
"""
LINES: tuple[tuple[str, str, tuple[float, ...], int], ...] = (
    ("EAP, 8 pairs", "eap", (), 8),
    ("EAP-IG(5), 2 pairs", "eap_ig", (5,), 2),
)


def bench_of(made: Task) -> tuple[Bench, float]:
    """The question, laid out, and the seconds of that; the model is loaded before."""
    program = cq.program(PROGRAM.format(folder=made.folder, data=made.data))
    named = {v: k for k, v in program.names.items()}
    question = Question("lm", named["LD"], FACTUAL, named["source"])  # type: ignore[arg-type]
    model, data = load(program.models["lm"]), rows.load(program.data["pairs"])
    begun = time.process_time()
    return Bench(Rows(model, data, question)), time.process_time() - begun


def least(made: Task, steps: int) -> Callable[[], None]:
    """The passes alone, on the native model."""
    hf = made.model()
    embed = hf.get_input_embeddings()

    def run() -> None:
        with torch.no_grad():
            hf(input_ids=made.source)
        for _ in range(steps):
            inputs = embed(made.base).detach().requires_grad_()
            made.difference(hf(inputs_embeds=inputs).logits[:, -1]).sum().backward()  # type: ignore[no-untyped-call]

    return run


def timed(run: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    begun = time.process_time()
    run()
    return time.process_time() - begun


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each, by default 5")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print("| wires | least passes | all scores | ratio | laying out, once a question |\n|---|---:|---:|---:|---:|")
    for title, method, numbers, count in LINES:
        made = task(WORKLOADS["exact"], Path(".cache/benchmarks"), rows=count)
        bench, laid = bench_of(made)
        _agree(bench)
        floor = least(made, int(numbers[0]) if numbers else 1)

        def own(bench: Bench = bench, method: str = method, numbers: tuple[float, ...] = numbers) -> torch.Tensor:
            return METHODS[method](Chunk(bench, range(bench.rows.data.n)), *numbers)

        floor(), own()
        taken = [(timed(floor), timed(own)) for _ in range(rounds)]
        low, high = (statistics.median(x) for x in zip(*taken, strict=True))
        ratio = statistics.median(b / a for a, b in taken)
        print(
            f"| {title}, {len(bench.wiring):,} wires | {low:.2f} s | {high:.2f} s | {ratio:.2f}× | {laid:.1f} s |",
            flush=True,
        )


def _agree(bench: Bench) -> None:
    """Closed forms against autograd, on one pair."""
    quick = METHODS["eap"](Chunk(bench, range(1)))
    kept, bench.streams.quick = bench.streams.quick, {}
    slow = METHODS["eap"](Chunk(bench, range(1)))
    bench.streams.quick = kept
    gap = float((quick - slow).abs().max() / slow.abs().max())
    if not kept or gap > 1e-4:
        raise SystemExit(f"{len(kept)} closed forms are off by {gap:.1e} of the largest score")


if __name__ == "__main__":
    main()
