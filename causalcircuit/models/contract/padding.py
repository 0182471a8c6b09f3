"""Whether texts of different length can share a batch."""

from __future__ import annotations

import torch

from causalcircuit.models.contract.close import close
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.probe import Probe


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
