"""Vectors of vectors: normalised, projected out; noise and vectors of files as tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import Expr, Noise, Statistic, Vector, render, walk

VECTORS = frozenset({"unit", "project_out"})
"""Calls that give a vector at each position."""


def unit(data: Tensor, e: Expr) -> Tensor:
    """[places, width] each vector divided by its length, in float64.

    Raises:
        DiagnosticError: CQ357, one of them is 0.
    """
    wide = data.double()
    length = wide.norm(dim=-1, keepdim=True)
    if not bool((length > 0).all()):
        raise _no_direction(e)
    found: Tensor = wide / length
    return found


def project_out(data: Tensor, direction: Tensor, e: Expr) -> Tensor:
    """[places, width] each vector less its component along a direction, in float64.

    Raises:
        DiagnosticError: CQ357, a direction is 0.
    """
    along = unit(direction, e)
    wide = data.double()
    return wide - (wide * along).sum(-1, keepdim=True) * along


def _no_direction(e: Expr) -> DiagnosticError:
    statistic = next((render(x) for x in walk(e, worlds=False) if isinstance(x, Statistic)), None)
    said = f"`{statistic}` is 0" if statistic else "a vector in it is 0"
    return error(
        "CQ357",
        f"`{render(e)}` has no value: {said}, which has no direction",
        e.span,
        "no direction",
        help="a direction is 0 where its worlds give the site the same mean: choose a later site, or other worlds",
    )


def vector(e: Vector, device: torch.device) -> Tensor:
    """[1, width] a vector of a file."""
    return torch.tensor([e.values], dtype=torch.float64, device=device)


def noise(e: Noise, width: int, rows: Sequence[int], positions: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """[sum of positions, width] Gaussian noise.

    Philox (Salmon et al. 2011) is a function of a key and a counter: here of (seed, address, row) and the position, so
    that the noise depends on nothing else. Two of its numbers make two Gaussian ones (Box and Muller 1958).

    Args:
        e: its `site` is what is set. rows: their numbers in the file. positions: those of each row, in its own prompt.
    """
    drawn = [line for row, own in zip(rows, positions, strict=True) for line in _row(e, width, row, own)]
    return e.sd * (np.stack(drawn) if drawn else np.empty((0, width)))


def _row(e: Noise, width: int, row: int, positions: Sequence[int]) -> Iterator[NDArray[np.float64]]:
    if e.site is None:
        raise TypeError(f"{render(e)} is on no site")  # the plan has put it there
    # Without the model's name: two versions of a model under the same question get the same noise.
    place = ".".join(map(str, e.site.address.path))
    digest = hashlib.sha256(f"{e.seed}\0{row}\0{place}".encode()).digest()
    key = np.frombuffer(digest[:16], dtype="<u8")
    pairs = -(-width // 2)
    for position in positions:
        raw = np.random.Philox(key=key, counter=[0, 0, 0, position]).random_raw(2 * pairs)
        uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        radius, angle = np.sqrt(-2 * np.log(uniform[:pairs])), 2 * np.pi * uniform[pairs:]
        yield np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:width]
