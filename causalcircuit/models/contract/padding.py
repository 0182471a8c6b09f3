"""Whether texts of different length can share a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from causalcircuit.models.contract.close import close
from causalcircuit.models.contract.places import count_of, places_of
from causalcircuit.models.feed import Batch, Feed
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.probe import Probe
from causalcircuit.models.representative import site_of


def padding_holds(model: LoadedModel, probe: Probe) -> bool:
    """Whether padding on the model's side changes no output beyond rounding."""
    if probe.one.ids is None or probe.ragged is probe.even:
        return True
    batch = model.batch(probe.ragged)
    together = model.forward(batch, (), lambda _, x: x)
    alone, padded = [], []
    for i, feed in enumerate(probe.ragged):
        out = model.forward(model.batch([feed]), (), lambda _, x: x)[0]
        length = len(feed.ids or ())
        alone.append(out[:length] if model.by_position else out)
        padded.append(together[i, batch.left[i] : batch.left[i] + length] if model.by_position else together[i])
    # Held against each other at once: a row whose logits all cancel has rounding noise for a scale.
    return close(torch.cat(alone), torch.cat(padded))


def strayed(model: LoadedModel, probe: Probe, names: Sequence[str]) -> Iterator[str]:
    """The tensors that hold something else at an item's positions when it shares a batch with a longer one."""
    if probe.one.ids is None or probe.ragged is probe.even or torch.finfo(model.dtype).bits < 32:
        return
    shorter = probe.ragged[1]
    alone, shared = model.batch([shorter]), model.batch(probe.ragged)
    left, right = _seen(model, alone, names), _seen(model, shared, names)
    for name in names:
        if not close(
            _own(model, alone, shorter, name, left[name], 0), _own(model, shared, shorter, name, right[name], 1)
        ):
            yield name


def _seen(model: LoadedModel, batch: Batch, names: Sequence[str]) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> Tensor:
        seen[name] = value.clone()
        return value

    model.forward(batch, names, keep)
    return seen


def _own(model: LoadedModel, batch: Batch, feed: Feed, name: str, value: Tensor, item: int) -> Tensor:
    """A tensor at an item's own positions; of a pattern, at its own keys (those of images are not padded)."""
    info = site_of(model.sites, name)
    own = value[places_of(model, batch, feed, info.stand, item).to(value.device)]
    if info.key is None or model.sites.tower(info.keys).modality != "text":
        return own
    stream = batch.streams[info.keys]
    return own[..., [stream.column(item, p) for p in range(count_of(model, feed, info.keys))]]
