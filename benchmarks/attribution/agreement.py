"""How near each method of attribution is to exact patching, on the shipped models.

Run with ``python -m benchmarks.attribution.agreement [--model ioi|captioner] [--rows N] [--nodes] [--methods …]``;
prints a Markdown table, of wires or of nodes: heads with their queries, keys and values, MLPs, embeddings. Rows are
the first N of the data in an order drawn with the seed below, which was fixed before the first run.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

if TYPE_CHECKING:
    from causalcircuit.query import Site, SiteTable

ROOT = Path(__file__).parents[2]
SEED = 20261122
METHODS = (
    "eap", "eap_ig(5)", "eap_ig(10)", "eap_ig_activations(5)", "eap_ig_activations(10)", "relp", "gradcam_pp", "ifr",
)  # fmt: skip
NODE_METHODS = ("atp", "atp_star")
QUESTIONS = {
    "ioi": """
model gpt2 = hf("./models/ioi")
data  ioi  = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
circuit C = attribute(LD, from = corrupt, to = do(), method = eap) on ioi
""",
    "captioner": """
model cap    = hf("./models/captioner")
data  scenes = jsonl("./data/scenes.jsonl") with prefix = "a" cluster row.figure
node W = cap.logit["woman"] @ last - cap.logit["man"] @ last
let kitchen = do(cap.image = row.kitchen)
let office  = do(cap.image = row.office)
circuit C = attribute(W, from = office, to = kitchen, method = eap) on scenes
""",
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Of one method with exact patching, over means across rows.

    Attributes:
        pearson, spearman: over all wires. tenth: Spearman over the tenth that is strongest by exact patching.
        top: the share of the ten strongest that both have. seconds: it took.
    """

    pearson: float
    spearman: float
    tenth: float
    top: float
    seconds: float


def agreement(found: Floats, exact: Floats, seconds: float = 0.0) -> Agreement:
    """Of scores [wires] with exact ones."""
    strong = np.argsort(-np.abs(exact), kind="stable")
    tenth = strong[: max(round(len(exact) / 10), 3)]
    top = set(strong[:10].tolist()) & set(np.argsort(-np.abs(found), kind="stable")[:10].tolist())
    return Agreement(
        _pearson(found, exact),
        _pearson(rankdata(found), rankdata(exact)),
        _pearson(rankdata(found[tenth]), rankdata(exact[tenth])),
        len(top) / min(10, len(exact)),
        seconds,
    )


def _pearson(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def compared(name: str, rows: int, methods: Sequence[str], nodes: bool = False) -> Iterator[tuple[str, Agreement]]:
    """Each method on the same rows of a shipped model; exact patching first, against itself."""
    from causalcircuit.attribution import NodeScores, Question, Scores, node_scores, scores
    from causalcircuit.check import check_text
    from causalcircuit.models import load as load_model
    from causalcircuit.query.circuits.formulas import Attributed
    from causalcircuit.rows import load

    program = check_text(QUESTIONS[name], folder=ROOT / "examples")
    asked = program.circuits["C"].formula
    if not isinstance(asked, Attributed):
        raise TypeError("no attribution")
    data = load(asked.data)
    data = data.take(np.sort(np.random.default_rng(SEED).permutation(data.n)[:rows]).tolist())
    model = load_model(program.models[asked.model])
    question = Question(asked.model, asked.readout, asked.start, asked.end)
    over = tuple(every_node(model.sites, asked.model)) if nodes else ()

    def scored(method: str, numbers: Sequence[float] = ()) -> Scores | NodeScores:
        how = node_scores if nodes else scores
        return how(model, data, question, method, numbers, over=over)

    truth = scored("exact_nodes" if nodes else "exact")
    exact = truth.table.mean(0)
    what = f"{len(exact)} {'nodes' if nodes else 'wires'}, {data.n} rows"
    yield f"exact: {what}", agreement(exact, exact, truth.seconds)
    for method in methods:
        spelled = re.fullmatch(r"(\w+?)(?:\((\d+)\))?", method)
        if spelled is None:
            raise ValueError(method)
        found = scored(spelled[1], [float(spelled[2])] if spelled[2] else ())
        yield method, agreement(found.table.mean(0), exact, found.seconds)


def every_node(table: SiteTable, model: str) -> Iterator[Site]:
    """Heads, MLPs and embeddings, and what heads read by."""
    from causalcircuit.query.circuits.wires import nodes_of, reads_of

    for node in nodes_of(table, model):
        yield node
        yield from (read for read in reads_of(table, node) if read.address.path[-1].name in ("q", "k", "v"))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=[*QUESTIONS], action="append")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--nodes", action="store_true")
    parser.add_argument("--methods", nargs="*")
    asked = parser.parse_args()
    for name in asked.model or QUESTIONS:
        print(f"\n### {name}\n")
        print("| method | Pearson | Spearman | Spearman, strongest tenth | top-10 overlap | seconds |")
        print("|---|---|---|---|---|---|")
        methods = asked.methods or (NODE_METHODS if asked.nodes else METHODS)
        for method, a in compared(name, asked.rows, methods, asked.nodes):
            numbers = (f"{x:.3f}" for x in (a.pearson, a.spearman, a.tenth))
            print(f"| {method} | {' | '.join(numbers)} | {a.top:.1f} | {a.seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
