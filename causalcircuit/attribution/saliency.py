"""GradCAM++ over the positions of one site: as published (Chattopadhay et al., arXiv 1710.11063), and signed.

With activations a [positions, components], g the gradient of the readout there, and sums over the positions of the
map:

- published: L_p = ReLU(Σ_d w_d a_pd), w_d = Σ_p α_pd ReLU(g_pd), α = g² / (2g² + g³ Σ_q a_q) = 1 / (2 + g Σ_q a_q).
  In a convolutional network behind a ReLU, Σ a is at least 0. Activations of transformers are signed, and α has a
  pole at gΣa = -2; |gΣa| takes its place, so that α stays in (0, 1/2] and is the published one wherever gΣa ≥ 0.
- signed: L_p = 2 Σ_d α g_pd Δ_pd with Δ the change from one world to the other, and α = 1 / (2 + |g Σ_q Δ_q|).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from causalcircuit.attribution.passes import Question, Recorded, Rows
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.engine.prepared import Setup
from causalcircuit.models import LoadedModel, Pictures, RowError
from causalcircuit.query import AddressError, Site, SiteInfo, World, render
from causalcircuit.rows import Dataset

_PLACES = 1024
"""Positions of one pass with gradients."""


@dataclass(frozen=True, slots=True, eq=False)
class Lying:
    """Where the map of a row lies.

    Attributes:
        positions: of the site. grid: rows and columns of patches; `None` over a text. image: what it lies over.
        tokens: of a text.
    """

    positions: tuple[int, ...]
    grid: tuple[int, int] | None = None
    image: Path | None = None
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """[positions] a row, where each lies, and the share of weights that the guard of the published form changes."""

    values: tuple[Tensor, ...]
    lying: tuple[Lying, ...]
    guarded: float
    pictures: Pictures


def published(a: Tensor, g: Tensor) -> Tensor:
    """[positions] GradCAM++ of activations and gradients [positions, components], its pole guarded."""
    up = g.clamp(min=0)
    alpha = 1 / (2 + (g * a.sum(0)).abs())
    return ((alpha * up).sum(0) * a).sum(1).clamp(min=0)


def signed(delta: Tensor, g: Tensor) -> Tensor:
    """[positions] the guarded contrastive form: of changes and gradients [positions, components]."""
    return 2 * (g * delta / (2 + (g * delta.sum(0)).abs())).sum(1)


def saliency(
    model: LoadedModel,
    data: Dataset,
    question: Question,
    site: Site,
    *,
    contrast: bool,
    heard: Callable[[int, int], None] | None = None,
) -> Maps:
    """The map of every row.

    Args:
        model, data: what runs on what. question: the readout, and the world of gradients; its `end` is that of the
            signed form. site: at all positions. contrast: the signed form. heard: is told of rows that are done.

    Raises:
        DiagnosticError: CQ784 positions that are neither patches nor tokens, CQ785 a gradient that is zero everywhere,
            CQ787 one that is no number; what is wrong with the worlds on these rows.
    """
    rows = Rows(model, data, question)
    info = _info(model, site)
    setup = rows.prepared.setups[rows.index[question.start]]
    pictures = Pictures(model)
    lying = tuple(_lying(model, setup, info, site, row, pictures, data) for row in range(data.n))
    found: list[Tensor] = []
    seen = beyond = 0
    moved = False
    for chunk in _chunks(setup, data.n):
        rows.before(chunk)
        here = _run(rows, question.start, chunk, info, graph=True)
        there = _run(rows, question.end, chunk, info, graph=False) if contrast else None
        node = here.nodes[info.tensor]
        if here.score is None or not here.score.requires_grad:
            raise _still(site)
        (grad,) = torch.autograd.grad(here.score.sum(), node, allow_unused=True)
        grad = torch.zeros_like(node) if grad is None else grad
        for k, row in enumerate(chunk):
            own = lying[row].positions
            a = _of_row(rows, question.start, chunk, here, info, k, own, node, add=False)
            g = _of_row(rows, question.start, chunk, here, info, k, own, grad, add=True)
            if not bool(g.isfinite().all() & a.isfinite().all()):
                said = f"the gradient of the readout at `{render(site)}` is no number ({data.place(row)})"
                raise error("CQ787", said, help="`dtype = float32`, or `float64`, in the settings of the model")
            moved = moved or bool(g.any())
            if there is not None:
                b = _of_row(rows, question.end, chunk, there, info, k, own, there.nodes[info.tensor], add=False)
                found.append(signed(b - a, g).cpu())
                continue
            found.append(published(a, g).cpu())
            seen += int((g > 0).sum())
            beyond += int(((g > 0) & (g * a.sum(0) < 0)).sum())
        if heard is not None:
            heard(chunk.stop, data.n)
    if not moved:
        raise _still(site)
    return Maps(tuple(found), lying, beyond / seen if seen else 0.0, pictures)


def _still(site: Site) -> DiagnosticError:
    return error(
        "CQ785",
        f"the gradient of the readout is zero at every position of `{render(site)}` that could be drawn",
        site.span,
        help="take a site that the readout reads at these positions: that of an earlier layer",
    )


def _info(model: LoadedModel, site: Site) -> SiteInfo:
    try:
        info = model.sites.info(site.address)
    except AddressError as problem:
        raise error("CQ506", str(problem), site.span, "no such site") from None
    if info.tensor not in model.taps or info.key is not None or info.tensor in model.refused:
        raise error("CQ784", f"`{render(site)}` has no activations that a map is made of", site.span,
                    help="take a stream, or what a part writes: `m.vision.layer[1].resid @ all`")  # fmt: skip
    return info


def _lying(
    model: LoadedModel, setup: Setup, info: SiteInfo, site: Site, row: int, pictures: Pictures, data: Dataset
) -> Lying:
    """Where the positions of a site lie in the image or the text of a row."""
    towers = {t.name: t for t in model.sites.towers}
    tower = towers.get(info.stand)
    if tower is not None and tower.modality == "text":
        read = tower.channel == "input" and "prefix" in model.sites.channels
        prompts = setup.sources if read else setup.prompts
        if prompts is not None:
            ids = prompts[row].ids
            return Lying(tuple(range(len(ids))), tokens=tuple(str(model.tokenizer.decode([i])) for i in ids))
    if setup.images is not None and (tower is None or tower.modality == "image"):
        try:
            found = pictures.seen(info.stand, setup.images[row])
        except RowError as problem:
            raise error(problem.code, f"{problem.what} ({data.place(row)})", site.span, help=problem.help) from None
        if found is not None:
            _, grid, first = found
            return Lying(tuple(range(first, first + grid[0] * grid[1])), grid, setup.images[row])
    raise error(
        "CQ784",
        f"the positions of `{render(site)}` are no grid of patches, and no tokens of a text",
        site.span,
        help="take a site of a text, or of an image tower that is given its image in one part",
    )


def _chunks(setup: Setup, n: int) -> Iterator[range]:
    """Rows that fill a pass."""
    row = 0
    while row < n:
        end, spent = row, 0
        while end < n and (end == row or spent + setup.cost(end) <= _PLACES):
            spent, end = spent + setup.cost(end), end + 1
        yield range(row, end)
        row = end


def _run(rows: Rows, world: World, chunk: range, info: SiteInfo, *, graph: bool) -> Recorded:
    taps = [rows.model.taps[info.tensor]]
    return rows.run(world, chunk, taps, roots=frozenset({info.tensor}), graph=graph, scored=graph)


def _of_row(
    rows: Rows,
    world: World,
    chunk: range,
    run: Recorded,
    info: SiteInfo,
    k: int,
    positions: Sequence[int],
    tensor: Tensor,
    *,
    add: bool,
) -> Tensor:
    """[positions, components] of the `k`-th row of a chunk; a row that is run once an answer adds up its gradients."""
    items = [own for slot in rows.slots(world, chunk) for own in slot.items][k]
    stream = run.batch.streams[info.stand]
    parts = [
        tensor.detach()[[stream.place(i, p) for p in positions], info.start : info.stop].double()
        for i in (items if add else items[:1])
    ]
    total = torch.zeros_like(parts[0])
    for part in parts:
        total = total + part
    return total
