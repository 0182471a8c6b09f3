"""How equal two activations must be."""

from __future__ import annotations

import torch
from torch import Tensor


def tolerance(dtype: torch.dtype) -> float:
    """How far an identity between activations may be off, relative to their size.

    Float64 models are often only float32 exact, since norms, rotations and softmax cast inside.
    """
    return {torch.float64: 1e-6, torch.float32: 1e-4}.get(dtype, 5e-2)


def close(a: Tensor, b: Tensor) -> bool:
    """Whether two activations agree up to the rounding of their dtype."""
    return a.shape == b.shape and gap(a, b) <= tolerance(a.dtype)


def gap(a: Tensor, b: Tensor) -> float:
    """The largest difference, relative to the largest number."""
    if not a.numel():
        return 0.0
    b = b.to(a.device)  # neighbouring layers of a spread model are on several devices
    scale = max(float(a.abs().max()), float(b.abs().max()), 1e-12)
    return float((a - b).abs().max()) / scale
