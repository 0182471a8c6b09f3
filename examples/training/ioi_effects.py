"""Effects on the indirect-object model, row by row: accuracy, mean ablations, interchange, gaze."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from heads import edited, of_head, recorded
from numpy.typing import NDArray
from sentences import NAMES
from torch import Tensor
from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase

Row = dict[str, Any]
Floats = NDArray[np.float64]


class Prompts:
    """Rows as batches of equal length, so that nothing is padded.

    Each row holds a prompt in column `prompt` and two answers, one token each, in `good` and `bad`.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], prompt: str, good: str, bad: str
    ) -> None:
        """Tokenise the rows; raises ValueError where an answer is not one token."""
        tokens = [tokenizer(row[prompt])["input_ids"] for row in rows]
        lengths = sorted({len(t) for t in tokens})
        self.size = len(rows)
        self.members = [[i for i, t in enumerate(tokens) if len(t) == n] for n in lengths]
        self.tokens = [torch.tensor([tokens[i] for i in m]) for m in self.members]
        self.good = [_answers(tokenizer, [rows[i][good] for i in m]) for m in self.members]
        self.bad = [_answers(tokenizer, [rows[i][bad] for i in m]) for m in self.members]


def _answers(tokenizer: PreTrainedTokenizerBase, words: list[str]) -> Tensor:
    ids = [tokenizer(word)["input_ids"] for word in words]
    if any(len(i) != 1 for i in ids):
        raise ValueError(f"an answer is not one token: {[w for w, i in zip(words, ids, strict=True) if len(i) > 1]}")
    return torch.tensor(ids)[:, 0]


@torch.no_grad()
def logit_differences(model: GPT2LMHeadModel, prompts: Prompts) -> tuple[Floats, Floats]:
    """[n] logit(good) - logit(bad) at the last position, and [n] 1.0 where good also comes top."""
    differences, right = np.empty(prompts.size), np.empty(prompts.size)
    for members, tokens, good, bad in zip(prompts.members, prompts.tokens, prompts.good, prompts.bad, strict=True):
        logits = model(tokens).logits[:, -1]
        gap = logits.gather(1, good[:, None])[:, 0] - logits.gather(1, bad[:, None])[:, 0]
        differences[members] = gap.numpy()
        right[members] = ((gap > 0) & (logits.argmax(-1) == good)).numpy()
    return differences, right


def mean_ablation(model: GPT2LMHeadModel, prompts: Prompts, layer: int, head: int) -> Floats:
    """[n] change of the logit difference when the head's output at `last` is its mean over the rows."""
    attention = model.transformer.h[layer].attn
    part = of_head(head, attention.head_dim)
    with recorded(attention.c_proj) as seen:
        before, _ = logit_differences(model, prompts)
    mean = torch.cat([x[:, -1, part] for x in seen]).mean(0)

    def ablate(x: Tensor) -> Tensor:
        x[:, -1, part] = mean
        return x

    with edited(attention.c_proj, ablate):
        after, _ = logit_differences(model, prompts)
    return after - before


def interchange(model: GPT2LMHeadModel, base: Prompts, source: Prompts, layer: int) -> Floats:
    """[n] change of the base's logit difference when one stream at the second mention is the source's.

    The stream is what leaves `layer`; the second mention is the only token where source differ.
    """
    block = model.transformer.h[layer + 1] if layer + 1 < model.config.n_layer else model.transformer.ln_f
    before, _ = logit_differences(model, base)
    with recorded(block) as streams:
        logit_differences(model, source)
    pending = iter(zip(base.tokens, source.tokens, streams, strict=True))

    def patch(x: Tensor) -> Tensor:
        ours, theirs, stream = next(pending)
        return torch.where((ours != theirs)[..., None], stream, x)

    with edited(block, patch):
        after, _ = logit_differences(model, base)
    return after - before


@torch.no_grad()
def gaze(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase, prompts: Prompts, head: int
) -> tuple[float, float]:
    """Mean attention of a head of layer 1 from the last position to all mentions of the good and the bad answer.

    The model must run eager attention, which alone returns its patterns. A mention at the start of a
    sentence lacks the answer's leading space; it counts too.
    """
    sums = np.zeros(2)
    for tokens, *answers in zip(prompts.tokens, prompts.good, prompts.bad, strict=True):
        pattern = model(tokens, output_attentions=True).attentions[1][:, head, -1]
        for which, answer in enumerate(answers):
            bare = _answers(tokenizer, [tokenizer.decode(i).strip() for i in answer])
            mention = (tokens == answer[:, None]) | (tokens == bare[:, None])
            sums[which] += (pattern * mention).sum().item()
    return float(sums[0] / prompts.size), float(sums[1] / prompts.size)


@torch.no_grad()
def copied(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase, prompts: Prompts, head: int) -> Floats:
    """[n] 1.0 where, of all names, a head of layer 1 writes the good answer's most strongly at the end.

    What it writes is read off directly: through the final norm, whose scale is the same for every name,
    and the unembedding.
    """
    attention = model.transformer.h[1].attn
    part = of_head(head, attention.head_dim)
    names = torch.tensor(tokenizer.convert_tokens_to_ids([f"Ġ{name}" for name in NAMES]))
    reads = model.lm_head.weight[names] * model.transformer.ln_f.weight
    with recorded(attention.c_proj) as seen:
        logit_differences(model, prompts)
    hits = np.empty(prompts.size)
    for members, good, heads in zip(prompts.members, prompts.good, seen, strict=True):
        write = heads[:, -1, part] @ attention.c_proj.weight[part]
        top = names[((write - write.mean(-1, keepdim=True)) @ reads.T).argmax(-1)]
        hits[members] = (top == good).numpy()
    return hits
