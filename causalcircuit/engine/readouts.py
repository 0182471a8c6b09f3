"""Readouts from logits, in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from causalcircuit.engine.batches import Slot
from causalcircuit.engine.prepared import ReadoutRead


def read_out(read: ReadoutRead, slot: Slot, logits: Tensor, left: tuple[int, ...]) -> Tensor:
    """[rows] one readout on the rows of a slot.

    Args:
        read: what is read.
        slot: where its rows stand in the batch.
        logits: [items, positions, vocabulary] of the batch.
        left: the shift of each item's positions by padding.
    """
    answers = [_answer(read, j, slot, logits, left) for j in range(len(read.answers[0]))]
    if read.readout.kind == "logit":
        return answers[0]
    if read.readout.per_token:
        lengths = [max(1, len(read.answers[row][0])) for row in slot.rows]
        return answers[0] / torch.tensor(lengths, dtype=torch.float64, device=logits.device)
    together = answers[0] if len(answers) == 1 else torch.stack(answers).logsumexp(0)
    return together if read.readout.kind == "logprob" else together.exp()


def probabilities(
    read: ReadoutRead, tokens: tuple[int, ...], slot: Slot, logits: Tensor, left: tuple[int, ...]
) -> Tensor:
    """[rows] the probability of one token a row where `read` predicts its answer."""
    first = [items[0] for items in slot.items]
    places = [read.positions[row] + left[item] for row, item in zip(slot.rows, first, strict=True)]
    return logits[first, places].double().softmax(-1)[torch.arange(len(first)), list(tokens)]


def _answer(read: ReadoutRead, j: int, slot: Slot, logits: Tensor, left: tuple[int, ...]) -> Tensor:
    """[rows] the logit of the j-th answer, or its log-probability: of several tokens the sum along them."""
    owner: list[int] = []
    items: list[int] = []
    places: list[int] = []
    tokens: list[int] = []
    for k, (row, own) in enumerate(zip(slot.rows, slot.items, strict=True)):
        answer = read.answers[row][j]
        continuations = slot.setup.continuations[row]
        item = next(i for i, c in zip(own, continuations, strict=True) if c[: len(answer) - 1] == answer[:-1])
        for step, token in enumerate(answer):
            owner.append(k)
            items.append(item)
            places.append(read.positions[row] + step + left[item])
            tokens.append(token)
    steps = torch.arange(len(items))
    if read.readout.kind == "logit":
        return logits[items, places, tokens].double()
    picked = logits[items, places].double().log_softmax(-1)[steps, tokens]
    out = torch.zeros(len(slot.rows), dtype=torch.float64, device=logits.device)
    return out.index_add_(0, torch.tensor(owner, dtype=torch.long, device=logits.device), picked)
