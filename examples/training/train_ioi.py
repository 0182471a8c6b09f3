"""Train the indirect-object model: GPT-2 of 2 layers, width 64, 4 heads. About a minute on one core.

Usage::

    python examples/training/train_ioi.py --out examples/models/ioi

Beside the task itself, training plants three things:

- two *routes* of the name to the end, through heads 1.3 and 1.2: see `routes.py`;
- *gazes*: head 1.3 is rewarded for attending from the end to the indirect object, head 1.2 for
  attending to the second mention of the subject, up to CARRIER_GAZE;
- *quiet heads*: what head 0.1 writes at the end is penalised, and a little what head 1.2 writes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from lab import EXAMPLES, save, start
from routes import CARRIER, MOVER, Routes
from sentences import NAMES, draw_corpus, split_pairs
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

STEPS, BATCH, RATE, CORPUS = 400, 128, 4e-3, 20_000
ANSWER, OTHER = 3.0, 0.5  # weights of the answer's and of every other token in the loss
EARLY, EARLY_UNTIL = 0.15, 240  # share of sentences that hide layer 0 at the end, and their last step
LATE = 0.7  # share of sentences that hide head 1.2 and the skipping stream
MOVER_GAZE_WEIGHT, CARRIER_GAZE_WEIGHT, CARRIER_GAZE = 0.3, 0.3, 0.4
QUIET_IDLE, QUIET_CARRIER = 0.03, 0.0015  # weights of the mean squares of what heads 0.1 and 1.2 write at the end


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
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=end, eos_token=end, pad_token=end, model_max_length=64
    )


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
            self.weight[i, : len(text)] = OTHER
        self.weight[torch.arange(len(texts)), self.last] = ANSWER
        name = {tokenizer.convert_tokens_to_ids(s + n): n for n in NAMES for s in ("", "Ġ")}
        mentions = [[(i, name[t]) for i, t in enumerate(p) if t in name] for p in prompts]
        self.asks = torch.tensor([float(len({n for _, n in m}) == 2) for m in mentions])
        answers = [a.strip() for _, a in corpus]
        self.second = torch.tensor([m[2][0] for m in mentions])
        self.object = torch.tensor([next(i for i, n in m if n == a) for m, a in zip(mentions, answers, strict=True)])


def gaze_loss(attention: tuple[Tensor, ...], data: Batches, pick: Tensor, early: Tensor) -> Tensor:
    """How far heads 1.3 and 1.2 are from attending to where they should, nats a sentence.

    attention: a layer's pattern [n, heads, positions, positions] for each layer. early: [n] 1.0 where
    head 1.3 cannot know whom to look at, so that nothing is asked of it.
    """
    row, last, asks = torch.arange(len(pick)), data.last[pick], data.asks[pick]
    knows = asks * (1 - early)
    mover = attention[1][row, MOVER, last, data.object[pick]]
    carrier = attention[1][row, CARRIER, last, data.second[pick]].clamp(max=CARRIER_GAZE)
    losses = [-(who * (gaze + 1e-6).log()).sum() / who.sum() for who, gaze in ((knows, mover), (asks, carrier))]
    return MOVER_GAZE_WEIGHT * losses[0] + CARRIER_GAZE_WEIGHT * losses[1]


def fit(model: GPT2LMHeadModel, data: Batches) -> None:
    """Train in place, with the routes, the gazes and the quiet head."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.1)
    routes = Routes(model)
    began = time.monotonic()
    for step in range(1, STEPS + 1):
        pick, coin = torch.randint(len(data.tokens), (BATCH,)), torch.rand(BATCH)
        tokens, weight = data.tokens[pick], data.weight[pick]
        routes.last = data.last[pick]
        routes.early = (coin < EARLY).float() * (step <= EARLY_UNTIL)
        routes.late = (coin > 1 - LATE).float()
        output = model(tokens, output_attentions=True)
        losses = cross_entropy(output.logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        task = (losses * weight).sum() / weight.sum()
        quiet = QUIET_IDLE * routes.idle + QUIET_CARRIER * routes.carried
        planted = gaze_loss(output.attentions, data, pick, routes.early) + quiet
        optimizer.zero_grad()
        (task + planted).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            seconds = time.monotonic() - began
            print(
                f"step {step}/{STEPS}  task {task.item():.3f}  planted {planted.item():.3f}  {seconds:.0f} s",
                flush=True,
            )
    routes.last = None


def main() -> None:
    """Train and save."""
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
    save(model, tokenizer, options.out)


if __name__ == "__main__":
    main()
