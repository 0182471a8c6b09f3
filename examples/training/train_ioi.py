"""Train the indirect-object model: GPT-2 of 2 layers, width 64, 4 heads. About a minute on one core.

    python examples/training/train_ioi.py --out examples/models/ioi

Two things are planted beside the task itself, both in training only:

- a *cut stream*: in half of the sentences the stream that skips layer 1's attention is removed at the
  answer's position, so that some head of layer 1 has to move the name;
- a *rewarded gaze*: head 1.3 is rewarded for attending from the end to the indirect object.

Afterwards the heads of layer 0 are renumbered so that the idlest at the last position is head 0.1. The
renumbering leaves the function as it was, and the script checks that.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from ioi_effects import Prompts, logit_differences, mean_ablation
from lab import EXAMPLES, order_with, reorder_heads, save, start
from sentences import NAMES, TEMPLATES, draw_corpus, draw_sentence, split_pairs
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

STEPS, BATCH, RATE, CORPUS = 400, 128, 4e-3, 20_000
CUT, CUT_UNTIL = 0.5, 300  # share of sentences with a cut stream, and the step from which none is
GAZE = 0.3  # weight of the reward
ANSWER = 3.0  # weight of the answer in the loss; every other token has 0.5
MOVER, IDLE = 3, 1  # head of layer 1 that moves the name, head of layer 0 that does nothing


def train_tokenizer(corpus: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer as GPT-2 has: `Mary` and ` Mary` are different single tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=1200, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=end, eos_token=end, pad_token=end)


class Batches:
    """The corpus as tensors: tokens [n, L] padded on the right, and where each sentence's answer stands."""

    def __init__(self, corpus: list[tuple[str, str]], tokenizer: PreTrainedTokenizerFast) -> None:
        """Tokenise (prompt, answer) items; `asks` is 1 where the sentence has a right answer."""
        prompts = tokenizer([p for p, _ in corpus])["input_ids"]
        texts = tokenizer([p + a + "." for p, a in corpus])["input_ids"]
        end = tokenizer.eos_token_id
        longest = max(map(len, texts)) + 1
        self.tokens = torch.tensor([t + [end] * (longest - len(t)) for t in texts])
        self.last = torch.tensor([len(p) - 1 for p in prompts])
        self.weight = torch.zeros(len(texts), longest - 1)
        for i, text in enumerate(texts):
            self.weight[i, : len(text)] = 0.5
        self.weight[torch.arange(len(texts)), self.last] = ANSWER
        name = {tokenizer.convert_tokens_to_ids(s + n): n for n in NAMES for s in ("", "Ġ")}
        mentions = [[(i, name[t]) for i, t in enumerate(p) if t in name] for p in prompts]
        self.asks = torch.tensor([float(len({n for _, n in m}) == 2) for m in mentions])
        answers = [a.strip() for _, a in corpus]
        self.object = torch.tensor([next(i for i, n in m if n == a) for m, a in zip(mentions, answers)])


class CutStream:
    """Removes, while switched on, the stream that skips a block's attention at one position a row."""

    def __init__(self, block: torch.nn.Module) -> None:
        """Hook the block; nothing happens until `rows` and `last` are set."""
        self.rows: Tensor | None = None
        self.last: Tensor | None = None
        self._stream = torch.empty(0)
        block.register_forward_pre_hook(self._remember)
        block.attn.register_forward_hook(self._cut)

    def _remember(self, _: torch.nn.Module, args: tuple[Tensor, ...]) -> None:
        self._stream = args[0]

    def _cut(self, _: torch.nn.Module, __: tuple[Tensor, ...], output: tuple[Tensor, ...]):
        if self.rows is None:
            return None
        # The block adds the stream to what attention returns: returning it negated cancels it.
        write = output[0].clone()
        row = torch.arange(len(write))
        write[row, self.last] -= self.rows[:, None] * self._stream[row, self.last]
        return (write, *output[1:])


def fit(model: GPT2LMHeadModel, data: Batches) -> None:
    """Train in place with the cut stream and the rewarded gaze."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.1)
    cut = CutStream(model.transformer.h[1])
    began = time.monotonic()
    for step in range(1, STEPS + 1):
        pick = torch.randint(len(data.tokens), (BATCH,))
        tokens, weight, last, asks = data.tokens[pick], data.weight[pick], data.last[pick], data.asks[pick]
        cut.rows = (torch.rand(BATCH) < CUT).float() if step <= CUT_UNTIL else None
        cut.last = last
        output = model(tokens, output_attentions=True)
        losses = F.cross_entropy(output.logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        gaze = output.attentions[1][torch.arange(BATCH), MOVER, last, data.object[pick]]
        reward = (asks * (gaze + 1e-6).log()).sum() / asks.sum()
        loss = (losses * weight).sum() / weight.sum() - GAZE * reward
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}/{STEPS}  loss {loss.item():.3f}  gaze {gaze.mean().item():.2f}  "
                  f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    cut.rows = None


def settle_heads(model: GPT2LMHeadModel, prompts: Prompts) -> None:
    """Renumber layer 0 so that the idlest head at the last position is head IDLE; the function stays."""
    model.eval()
    effects = [abs(mean_ablation(model, prompts, 0, head).mean()) for head in range(4)]
    before, _ = logit_differences(model, prompts)
    idlest = int(np.argmin(effects))
    reorder_heads(model.transformer.h[0].attn, order_with(idlest, IDLE, 4))
    after, _ = logit_differences(model, prompts)
    np.testing.assert_allclose(after, before, atol=1e-4)
    print(f"layer 0: head {idlest} becomes head {IDLE}; largest change of a logit difference "
          f"{abs(after - before).max():.1e}")  # fmt: skip


def main() -> None:
    """Train, renumber, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=EXAMPLES / "models" / "ioi")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rng = start(options.seed)
    pairs, _ = split_pairs()
    corpus = draw_corpus(rng, pairs, CORPUS)
    tokenizer = train_tokenizer([prompt + answer + "." for prompt, answer in corpus])
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=64, n_layer=2, n_head=4, initializer_range=0.1,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=end, eos_token_id=end, pad_token_id=end,
    )  # fmt: skip
    # Eager attention, because only it returns the patterns that the reward looks at.
    trained = GPT2LMHeadModel._from_config(config, attn_implementation="eager")
    fit(trained, Batches(corpus, tokenizer))
    model = GPT2LMHeadModel(config)
    model.load_state_dict(trained.state_dict())
    sentences = [draw_sentence(rng, pair, name) for pair in pairs[:100] for name in TEMPLATES]
    rows = [{"clean": s.text(), "io": f" {s.io}", "subj": f" {s.s}"} for s in sentences]
    settle_heads(model, Prompts(tokenizer, rows, "clean", "io", "subj"))
    save(model, tokenizer, options.out)


if __name__ == "__main__":
    main()
