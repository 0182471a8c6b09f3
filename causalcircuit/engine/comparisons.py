"""Numbers that compare two vectors of a row: the cosine of pooled states, the divergence of distributions."""

from __future__ import annotations

import torch
from torch import Tensor

_ROWS = 32  # so many distributions are widened to float64 at once: a vocabulary may have 250,000 words


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """[rows] the cosine of two vectors [rows or 1, width]; undefined (NaN) of zeros."""
    return (a * b).sum(-1) / (a.square().sum(-1).sqrt() * b.square().sum(-1).sqrt())


def pooled(data: Tensor, counts: tuple[int, ...] | None) -> Tensor:
    """[rows, width] in float64: the average over each row's positions.

    Args:
        data: the rows' positions one after another. counts: positions a row; `None` where `data` has one line a row.
    """
    wide = data.double()
    if counts is None:
        return wide
    sizes = torch.tensor(counts, device=data.device)
    index = torch.arange(len(counts), device=data.device).repeat_interleave(sizes)
    sums = torch.zeros((len(counts), data.shape[-1]), dtype=torch.float64, device=data.device)
    return sums.index_add_(0, index, wide) / sizes[:, None]


def divergence(a: Tensor, b: Tensor) -> Tensor:
    """[rows] the Kullback-Leibler divergence of the distributions with logits `a` from those with logits `b`, in nats.

    D(a ‖ b) = Σ p_a (log p_a − log p_b): what is lost where b stands for a. S. Kullback and R. A. Leibler, On
    information and sufficiency, Annals of Mathematical Statistics 22 (1951).
    """
    sides = (torch.split(side, _ROWS) for side in (a, b))
    return torch.cat([_divergence(x, y) for x, y in zip(*sides, strict=True)])


def _divergence(a: Tensor, b: Tensor) -> Tensor:
    p, q = a.double().log_softmax(-1), b.double().log_softmax(-1)
    terms = p.exp() * (p - q)
    # What a never says adds nothing, even where b never says it either.
    return torch.where(p.isneginf(), 0.0, terms).sum(-1).clamp_min(0.0)
