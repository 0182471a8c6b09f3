"""What it costs to prove a model's sites when it is loaded.

Run with ``python -m benchmarks.proving [--rounds N]``; prints a Markdown table.  Contenders take turns in one
process on one thread; medians of CPU seconds are shown.  A pass forward and backward is one over a batch as the
engine makes it (2,048 positions for a model of text), all activations' gradients kept; and one over the two short
made-up texts that the proof itself uses, which is the smallest pass there is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from causalcircuit.models import Feed, LoadedModel, load
from causalcircuit.models.contract.prove import prove
from causalcircuit.query import ModelRef

ROOT = Path(__file__).parents[1]
_LENGTH = 128


def large(folder: Path, kind: str) -> Path:
    """A model of the shape of a published one, its weights random."""
    shapes = {
        "GPT-2 small (124M)": lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config()),
        "Llama shape (243M)": lambda: transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                vocab_size=32000, hidden_size=1024, intermediate_size=2816, num_hidden_layers=14,
                num_attention_heads=16, num_key_value_heads=4, max_position_embeddings=2048,
            )
        ),
    }  # fmt: skip
    torch.manual_seed(0)
    made = shapes[kind]()
    made.save_pretrained(folder)
    words = {"<unk>": 0, "<pad>": 1} | {f"w{i}": i for i in range(2, 2000)}
    plain = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="<unk>", pad_token="<pad>").save_pretrained(
        folder
    )
    return folder


def both_ways(model: LoadedModel, feeds: list[Feed]) -> Callable[[], None]:
    """A pass forward and backward with the gradient of the first stream, through all of the model."""
    batch = model.batch(feeds)
    first = next(iter(model.taps))

    def run() -> None:
        leaves: list[torch.Tensor] = []

        def add(_: str, value: torch.Tensor) -> torch.Tensor:
            leaves.append(torch.zeros_like(value, requires_grad=True))
            return value + leaves[0]

        with torch.enable_grad():
            output = model.differentiable(batch, [first], add)
            torch.autograd.grad(output.sum(), leaves)

    return run


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def measure(model: LoadedModel, rounds: int) -> tuple[float, float, float]:
    """Median CPU seconds of a proof, of a pass over 2,048 positions, and of one over the probe."""
    ids = list(model.probe.one.ids or ())
    length = min(_LENGTH, model.sites.max_positions or _LENGTH)
    long = [Feed((ids * length)[:length]) for _ in range(2048 // length)] if ids else list(model.probe.even)
    contenders: tuple[Callable[[], object], ...] = (
        lambda: prove(replace(model), model.probe),
        both_ways(model, long),
        both_ways(model, list(model.probe.even)),
    )
    seen: list[list[float]] = [[] for _ in contenders]
    for turn in range(rounds + 1):
        for times, call in zip(seen, contenders, strict=True):
            sample = seconds(call)
            if turn:
                times.append(sample)
    a, b, c = (statistics.median(times) for times in seen)
    return a, b, c


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    day = datetime.now(UTC).date()
    print(f"Measured {day}, medians of {rounds} rounds, CPU seconds on one thread, torch {torch.__version__}.\n")
    print("| model | proof, s | pass of 2,048 positions, s | proof in such passes | pass of the probe, s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch
        folders = {
            "examples/models/ioi": ROOT / "examples/models/ioi",
            **{kind: large(Path(scratch) / kind[:5], kind) for kind in ("GPT-2 small (124M)", "Llama shape (243M)")},
        }
        for name, folder in folders.items():
            model = load(ModelRef("m", name, folder))
            proof, long, short = measure(model, rounds)
            print(f"| {name} | {proof:.2f} | {long:.2f} | {proof / long:.2f} | {short:.3f} |", flush=True)


if __name__ == "__main__":
    main()
