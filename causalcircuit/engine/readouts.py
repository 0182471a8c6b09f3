"""Readouts from logits, in float64: those of a whole pass are read together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from causalcircuit.engine.batches import Slot
from causalcircuit.engine.prepared import ReadoutRead

_PORTION = 1 << 22
"""Logits that are made probabilities at a time."""

Asked = tuple[Slot, ReadoutRead]


@dataclass(eq=False)
class _Steps:
    """The tokens that some readouts are made of.

    Attributes:
        owners: which number each is added to: those of a readout stand together, answer by answer, row by row.
        items, places: the line of logits that predicts it. tokens: its number. count: of numbers in all.
    """

    owners: list[int] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, slot: Slot, read: ReadoutRead, left: tuple[int, ...]) -> None:
        """The answers of a readout on the rows of a slot."""
        for j in range(len(read.answers[0])):
            for row, own in zip(slot.rows, slot.items, strict=True):
                answer = read.answers[row][j]
                item = own[0] if len(answer) == 1 else _item(slot, row, own, answer)
                first = read.positions[row] + left[item]
                for step, token in enumerate(answer):
                    self.owners.append(self.count)
                    self.items.append(item)
                    self.places.append(first + step)
                    self.tokens.append(token)
                self.count += 1


def _item(slot: Slot, row: int, own: tuple[int, ...], answer: tuple[int, ...]) -> int:
    """The item of a row in which an answer is appended."""
    continuations = slot.setup.continuations[row]
    return next(i for i, c in zip(own, continuations, strict=True) if c[: len(answer) - 1] == answer[:-1])


def read_out(asked: Sequence[Asked], logits: Tensor, left: tuple[int, ...]) -> list[Tensor]:
    """For each readout [rows], on the rows of a slot.

    Args:
        asked: where rows stand in the batch, and what is read of them.
        logits: [items, positions, vocabulary] of the batch.
        left: the shift of each item's positions by padding.
    """
    found: dict[int, Tensor] = {}
    for plain in (True, False):
        chosen = [k for k, (_, read) in enumerate(asked) if (read.readout.kind == "logit") == plain]
        steps, ends = _Steps(), [0]
        for k in chosen:
            steps.add(*asked[k], left)
            ends.append(steps.count)
        if chosen:
            values = _logits(steps, logits) if plain else _logprobs(steps, logits)
            for k, low, high in zip(chosen, ends, ends[1:], strict=False):
                found[k] = values[low:high] if plain else _finished(*asked[k], values[low:high])
    return [found[k] for k in range(len(asked))]


def _logits(steps: _Steps, logits: Tensor) -> Tensor:
    """[count] the logits of single tokens."""
    return logits[steps.items, steps.places, steps.tokens].double()


def _logprobs(steps: _Steps, logits: Tensor) -> Tensor:
    """[count] log-probabilities of answers: of several tokens the sum along them."""
    out = torch.zeros(steps.count, dtype=torch.float64, device=logits.device)
    size = max(1, _PORTION // logits.shape[-1])
    for low in range(0, len(steps.tokens), size):
        own = slice(low, low + size)
        lines: dict[tuple[int, int], int] = {}
        read = [lines.setdefault(at, len(lines)) for at in zip(steps.items[own], steps.places[own], strict=True)]
        items, places = zip(*lines, strict=True)
        known = logits[list(items), list(places)].double().log_softmax(-1)
        owners = torch.tensor(steps.owners[own], dtype=torch.long, device=logits.device)
        out.index_add_(0, owners, known[read, steps.tokens[own]])
    return out


def _finished(slot: Slot, read: ReadoutRead, logprobs: Tensor) -> Tensor:
    """[rows] a readout from the log-probabilities of its answers, one answer after another."""
    if read.readout.per_token:
        lengths = [max(1, len(read.answers[row][0])) for row in slot.rows]
        return logprobs[: len(slot.rows)] / torch.tensor(lengths, dtype=torch.float64, device=logprobs.device)
    answers = logprobs.view(-1, len(slot.rows))
    together = answers[0] if len(answers) == 1 else answers.logsumexp(0)
    return together if read.readout.kind == "logprob" else together.exp()


def probabilities(
    read: ReadoutRead, tokens: tuple[int, ...], slot: Slot, logits: Tensor, left: tuple[int, ...]
) -> Tensor:
    """[rows] the probability of one token a row where `read` predicts its answer."""
    first = [items[0] for items in slot.items]
    places = [read.positions[row] + left[item] for row, item in zip(slot.rows, first, strict=True)]
    return logits[first, places].double().softmax(-1)[torch.arange(len(first)), list(tokens)]
