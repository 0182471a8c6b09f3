"""Where an item's own positions lie in a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from causalcircuit.models.feed import Batch, Feed, projected
from causalcircuit.models.model import LoadedModel


def places_of(model: LoadedModel, batch: Batch, feed: Feed, stand: str, item: int) -> Tensor:
    """The flat places of all positions of an item that is fed `feed`."""
    stream = batch.streams[stand]
    return torch.tensor([stream.place(item, p) for p in range(count_of(model, feed, stand))], device=model.device)


def count_of(model: LoadedModel, feed: Feed, stand: str) -> int:
    """How many positions an item has on what a tensor stands on."""
    if stand == "projector":
        return projected(model.sites, feed)
    tower = model.sites.tower(stand)
    if tower.modality != "text":
        return model.extent(tower, feed)
    source = model.sites.channel(tower) == "input" and "prefix" in model.sites.channels
    return len((feed.source if source else feed.ids) or ())
