"""Where sites of some rows lie in the tensor of a batch: read with one look, and written at once, for many worlds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from causalcircuit.query import SiteInfo


@dataclass(eq=False)
class Places:
    """Where a site of some rows lies in the tensor of a batch.

    Attributes:
        info: what it is a slice of. counts: positions a row, where it is read.
        rows: the flat place of each position. columns: of an attention pattern, the key at each place.
    """

    info: SiteInfo
    counts: tuple[int, ...] = ()
    rows: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)


def gather(tensor: Tensor, places: Sequence[Places]) -> Iterator[Tensor]:
    """For each of `places` what stands there: [places, components]."""
    found: dict[int, Tensor] = {}
    for chosen in _alike(places):
        several = [places[k] for k in chosen]
        values = _at(tensor, several)
        data = values[0][values[1]]
        data = data[:, None] if data.ndim == 1 else data
        found.update(zip(chosen, torch.split(data, [len(p.rows) for p in several]), strict=True))
    for k in range(len(places)):
        yield found[k]


def scatter(tensor: Tensor, places: Sequence[Places], values: Sequence[Tensor]) -> None:
    """Write there: for each of `places` one line for all of it, or a line a place; no two of them overlap."""
    for chosen in _alike(places):
        several = [places[k] for k in chosen]
        width = _width(several[0].info)
        lines = [values[k].expand(len(p.rows), width) for k, p in zip(chosen, several, strict=True)]
        data = lines[0] if len(lines) == 1 else torch.cat(lines)
        view, index = _at(tensor, several)
        view[index] = data.squeeze(-1) if several[0].info.key is not None else data


def _alike(places: Sequence[Places]) -> Iterator[list[int]]:
    """Those that one index reaches: of one width, and in patterns or outside."""
    found: dict[tuple[int, bool], list[int]] = {}
    for k, p in enumerate(places):
        found.setdefault((_width(p.info), p.info.key is not None), []).append(k)
    yield from found.values()


def _width(info: SiteInfo) -> int:
    """Components of a slice; a place of an attention pattern has one."""
    return 1 if info.key is not None else info.stop - info.start


def _at(tensor: Tensor, places: Sequence[Places]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """A view of a tensor, and the index of the slices in it."""
    device, info = tensor.device, places[0].info
    rows = torch.tensor([row for p in places for row in p.rows], dtype=torch.long, device=device)
    width, starts = _width(info), {p.info.start for p in places}
    if len(starts) == 1 and info.key is None:
        return tensor[:, info.start : info.stop], (rows,)
    low = torch.tensor([p.info.start for p in places for _ in p.rows], dtype=torch.long, device=device)
    if info.key is not None:
        columns = [column for p in places for column in p.columns]
        return tensor, (rows, low, torch.tensor(columns, dtype=torch.long, device=device))
    if not any(n % width for n in (*starts, tensor.shape[1])):  # heads, neurons: whole numbers of their width
        return tensor.view(-1, tensor.shape[1] // width, width), (rows, low // width)
    return tensor, (rows[:, None], low[:, None] + torch.arange(width, device=device))
