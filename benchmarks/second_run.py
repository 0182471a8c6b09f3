"""What a second run of a file costs beside the first, and what 200 questions cost besides their forward passes.

Run with ``python -m benchmarks.second_run [--pairs N] [--layers N]``; prints Markdown.  Each run is a process of
its own that imports what it needs before the clock starts: the first torch and transformers, the second neither.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

_RUN = """
import json, resource, sys, time
import causalcircuit.runs.execute, causalcircuit.engine.outcomes, causalcircuit.report, causalcircuit.store.outcomes
import causalcircuit.check, causalcircuit.inference, causalcircuit.syntax.parser, causalcircuit.store.ledger
import lark, rich.console, rich.table, scipy.special
from causalcircuit.tools import answering
if sys.argv[2] == "first":
    import torch, transformers, causalcircuit.models
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
start, began = time.perf_counter(), cpu()
code = answering.run(sys.argv[1], answering.Wishes(machine=True, quiet=True))
print(json.dumps([code, time.perf_counter() - start, cpu() - began, "torch" in sys.modules]), file=sys.stderr)
"""


def write_model(folder: Path, layers: int) -> None:
    """Write a GPT-2 of random weights: width 768, 12 heads, a vocabulary of words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = ["<pad>", *(f"w{i}" for i in range(4999))]
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<pad>").save_pretrained(folder)
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=5000, n_layer=layers, n_positions=32)).save_pretrained(folder)


def write_rows(path: Path, pairs: int) -> None:
    """Write prompts of 16 words, each with another prompt and two answers."""
    chance = random.Random(0)

    def text() -> str:
        return " ".join(f"w{chance.randrange(4999)}" for _ in range(16))

    lines = [{"base": text(), "source": text(), "good": f"w{i}", "bad": f"w{i + 999}"} for i in range(pairs)]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")


HEAD = """
model lm = hf("./model")
data pairs = jsonl("./pairs.jsonl") with prompt = row.base
node V = lm.logit[row.good] @ last - lm.logit[row.bad] @ last
let source = do(lm.input = row.source)
let via(H) = E[V | do(H = (H | source))] - E[V]
"""


def sweep(layers: int) -> str:
    """Interchange of every head: a question each."""
    heads = [f"lm.layer[{i}].head[{j}].out @ all" for i in range(layers) for j in range(12)]
    return HEAD + "".join(f"estimate via({h}) on pairs ci 95%\n" for h in heads)


def two_hundred(layers: int) -> str:
    """200 questions of single heads."""
    heads = [(k // 12 % layers, k % 12, k // (12 * layers)) for k in range(200)]
    lines = [
        f"estimate E[V | do(lm.layer[{i}].head[{j}].out @ last = {n})] - E[V] on pairs ci 95%" for i, j, n in heads
    ]
    return HEAD + "\n".join(lines) + "\n"


def seconds(folder: Path, file: str, which: str) -> tuple[float, float, dict[str, object]]:
    """Wall and CPU seconds of one run in a process of its own, and its result.

    Raises:
        RuntimeError: the run failed, or a second one loaded torch.
    """
    environment = {**os.environ, "CAUSALCIRCUIT_STORE": str(folder / "store"), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-c", _RUN, file, which]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    lines = done.stderr.strip().splitlines()
    code, wall, cpu, torch = json.loads(lines[-1]) if done.returncode == 0 and lines else (1, 0.0, 0.0, False)
    if code != 0 or (which == "second" and torch):
        raise RuntimeError(done.stderr)
    result = json.loads(done.stdout)
    result.pop("run")
    return wall, cpu, result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--layers", type=int, default=12)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "model", asked.layers)
        write_rows(folder / "pairs.jsonl", asked.pairs)
        (folder / "sweep.cq").write_text(sweep(asked.layers))
        (folder / "many.cq").write_text(two_hundred(asked.layers))
        print("| file | first run, s | CPU s | second run, s | CPU s | of the first |\n|---|---|---|---|---|---|")
        files = {"sweep.cq": f"{12 * asked.layers} heads × {asked.pairs} pairs", "many.cq": "200 questions"}
        for file, what in files.items():
            wall, cpu, result = seconds(folder, file, "first")
            again, less, same = seconds(folder, file, "second")
            if result != same:
                raise RuntimeError("the second run says something else")
            share = 100 * less / cpu
            print(f"| {what} | {wall:.1f} | {cpu:.1f} | {again:.2f} | {less:.2f} | {share:.2f}% |", flush=True)


if __name__ == "__main__":
    main()
