"""Which pixels each position of an image tower, or each image token, is made from.

Nothing is known of a family's resizing, tiles, windows or merging. Two things are observed instead:

- where a picture's pixels go in what the processor makes of it: a black, a white and a mask picture of the same size
  take the same way, and a number that moves from black to white is a pixel, inside the mask as far as it has moved;
- which of these numbers reach which position: one pass in which the blocks of the image tower hand on the stream as
  it is, so that no attention mixes positions, is differentiated by the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from causalcircuit.models.feed import Feed
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.problem import RowError
from causalcircuit.models.taps import replaced, stream_argument

_BASE = 16
"""A position's number is read off digit by digit in gradients that are scaled by powers of two, which round nothing."""
_ROUGH, _FEW = 0.05, 0.01
"""On some devices sums are not added in the same order twice: a few numbers whose gradients cancel may be off."""
_PIXELS = ("pixel_values", "flattened_patches")


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """The pixels of one picture's positions.

    Attributes:
        owners: for what positions stand on (an image tower's name, `projector`, `tokens` for the image tokens of a
            text), of the shape of the processor's pixels: the position that each number reaches, -1 for none.
        counts: positions of each.
    """

    owners: Mapping[str, Tensor]
    counts: Mapping[str, int]

    def shown(self, stand: str) -> tuple[int, ...]:
        """The positions that are made from pixels, in the order of their first ones."""
        owner = self.owners[stand].flatten()
        first = torch.full((self.counts[stand],), owner.numel(), dtype=torch.long)
        own = owner >= 0
        first.scatter_reduce_(0, owner[own].long(), torch.arange(owner.numel())[own], "amin")
        return tuple(int(i) for i in first.argsort(stable=True) if first[i] < owner.numel())

    def shares(self, stand: str, part: Tensor) -> tuple[float | None, ...]:
        """How much of each position lies in a part of the picture.

        Args:
            stand: what positions stand on. part: of the shape of the processor's pixels: how far each number is in
                the part, NaN where it is no pixel of the picture (padding).

        Returns:
            A share for each position: of all the numbers that reach it; `None` where none of these is a pixel.
        """
        owner = self.owners[stand].flatten()
        own, values = owner >= 0, part.flatten().double()
        index, size = owner[own].long(), self.counts[stand]

        def total(of: Tensor) -> Tensor:
            return torch.zeros(size, dtype=torch.float64).index_add_(0, index, of[own].double())

        every, real, sums = (total(x) for x in (torch.ones_like(values), ~values.isnan(), values.nan_to_num(0.0)))
        return tuple(
            float(s / e) if r > 0 else None
            for s, e, r in zip(sums.tolist(), every.tolist(), real.tolist(), strict=True)
        )


def regions_of(model: LoadedModel, feed: Feed) -> Regions:
    """Observe which numbers of a feed's image reach which positions.

    Args:
        model: one with an image tower. feed: a single item with its image.

    Raises:
        RowError: CQ570, positions that several parts of the image reach, so that none has a region of its own.
    """
    batch = model.batch([feed])
    name = next(n for n in _PIXELS if n in batch.keywords)
    pixels = batch.keywords[name].detach().clone()
    if name == "pixel_values":  # any picture will do, and one without a constant patch shows everything
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randn(pixels.shape, generator=generator).to(pixels.device, pixels.dtype)
    batch.keywords[name] = pixels.requires_grad_()
    with torch.enable_grad(), _unmixed(model) as seen, suppress(_Done):
        model.run(batch)
    owners: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    for stand, value in seen.items():
        stream = value.reshape(-1, value.shape[-1])
        if stand == "tokens":
            stream = stream[torch.tensor(feed.pictured, device=stream.device)]
        owners[stand], counts[stand] = _owners(model, stand, stream, pixels), len(stream)
    return Regions(owners, counts)


class _Done(Exception):  # noqa: N818 - no error
    """All that is to be seen has been seen."""


@contextmanager
def _unmixed(model: LoadedModel) -> Iterator[dict[str, Tensor]]:
    """Let the blocks of image towers hand on what they are given; keep the streams that positions stand on."""
    seen: dict[str, Tensor] = {}
    stacks = [s for s in model.stacks if s.tower.modality == "image"]
    reading = model.sites.projector > 0

    def keep(stand: str, done: bool) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            seen.setdefault(stand, stream_argument(args, kwargs)[0])
            if done:
                raise _Done

        return hook

    def hand_on(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        return replaced(output, stream_argument(args, kwargs)[0])

    def projected(value: Tensor) -> Tensor:
        return seen.setdefault("projector", value)

    with ExitStack() as stack:

        def hook(handle: Any) -> None:
            stack.callback(handle.remove)

        for s in stacks:
            hook(s.blocks[0].module.register_forward_pre_hook(keep(s.tower.name, not reading), with_kwargs=True))
            for block in s.blocks:
                # Before all other hooks: transformers keeps hidden states by hooks of its own.
                hook(block.module.register_forward_hook(hand_on, with_kwargs=True, prepend=True))
        if reading:
            stack.enter_context(model.taps["projector.out"].attach(projected))
            last = model.stacks[-1].blocks[0].module
            hook(last.register_forward_pre_hook(keep("tokens", True), with_kwargs=True))
        yield seen


def _owners(model: LoadedModel, stand: str, stream: Tensor, pixels: Tensor) -> Tensor:
    """Of the shape of the pixels: the line of `stream` [positions, width] that each number reaches, -1 for none."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(stream.shape, generator=generator).to(stream.device, stream.dtype)
    index = torch.arange(len(stream), device=stream.device)

    def slope(factor: Tensor) -> Tensor:
        total = (stream * weights * factor[:, None].to(stream.dtype)).sum()
        (found,) = torch.autograd.grad(total, pixels, retain_graph=True, allow_unused=True)
        return torch.zeros_like(pixels) if found is None else found.detach()

    plain = slope(torch.ones_like(index))
    reached = plain != 0
    alone = reached.clone()
    owner = torch.zeros(pixels.shape, dtype=torch.long, device=pixels.device)
    base, place = (4 if pixels.dtype == torch.float16 else _BASE), 1
    while place < max(len(stream), 2):
        digit = index // place % base
        ratio = slope(torch.exp2(digit.double() - base // 2)) / torch.where(reached, plain, torch.ones_like(plain))
        power = ratio.double().log2()
        # One position alone scales its gradient by its own power of two; several give something between.
        alone &= (power - power.round()).abs() < _ROUGH
        owner += (power.nan_to_num(0.0).round().long() + base // 2).clamp(0, base - 1) * place
        place *= base
    if int((reached & ~alone).sum()) > _FEW * int(reached.sum()):
        raise _shared(model, stand)
    return torch.where(alone, owner, -1).to("cpu", torch.int32)


def _shared(model: LoadedModel, stand: str) -> RowError:
    what = {"tokens": "image tokens", "projector": "projector"}.get(stand, "image tower")
    return RowError(
        "CQ570",
        f"regions of an image cannot be told apart in the {what} of `{model.ref.name}`",
        "some of its pixels reach several positions at once: patches overlap, or the image is summed up before it is "
        "read",
        "write `@ all`" if stand == "tokens" else "write `@ all`, or a site that stands on patches",
    )
