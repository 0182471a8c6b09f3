"""Written tensors one at a time: each is moved by itself in `from`, and only its own wires are looked at there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from causalcircuit.attribution.ends import Entry, Piece, Step
from causalcircuit.attribution.fine import Fine
from causalcircuit.attribution.fine_walk import Bundle, scored
from causalcircuit.attribution.layout import Event, Write
from causalcircuit.attribution.passes import Recorded
from causalcircuit.attribution.streams import Streams
from causalcircuit.attribution.walk import wires_out_of

_TENSORS = {"heads": "z", "cross": "cross.z", "mlp": "mlp.out"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One tensor, and what is written by it.

    Attributes:
        tensor: its name. words: whether only what the embedding itself writes there is meant.
        tower, writes: of whole parts the stream, and the numbers of the writes into it. part: of finer nodes those.
    """

    tensor: str
    words: bool = False
    tower: str = ""
    writes: range = range(0)
    part: Fine | None = None

    def scores(self, streams: Streams, here: Recorded, delta: Mapping[str, Tensor], wires: Tensor) -> Tensor:
        """Add to [rows, wires] the scores of the turn's own wires, by the gradients of a pass."""
        if self.part is not None:
            return wires + scored(self.part, streams, here, delta, None)
        columns, values = wires_out_of(streams, here, delta, self.tower, self.writes)
        wires[:, columns] += values
        return wires


def turns_of(streams: Streams) -> list[Turn]:
    """The tensors by which nodes enter their streams, in order of computation."""
    if isinstance(streams.finer, Fine):
        return _fine(streams.finer)
    return _whole(streams.events)


def _whole(events: tuple[Event, ...]) -> list[Turn]:
    found: list[Turn] = []
    seen: dict[str, int] = {}
    for event in events:
        if isinstance(event, Write):
            first = seen.get(event.tower, 0)
            seen[event.tower] = first + len(event.nodes)
            own = range(first, seen[event.tower])
            found.append(Turn(_entered(event), event.kind == "embed", event.tower, own))
    return found


def _entered(write: Write) -> str:
    prefix = f"{write.tower}." if write.tower else ""
    if write.kind in _TENSORS:
        return f"{prefix}layer[{write.layer}].{_TENSORS[write.kind]}"
    return f"{prefix}resid[0]" if write.kind == "embed" else "projector.out"


def _fine(fine: Fine) -> list[Turn]:
    keys = dict.fromkeys(_moved_by(p.entry) for step in fine.steps for p in step.writes)
    return [Turn(tensor, words, part=_part(fine, tensor, words)) for tensor, words in keys]


def _moved_by(entry: Entry) -> tuple[str, bool]:
    """The tensor that is moved for a node: the whole that it is a part of, so that parts add up to their whole."""
    if entry.kind == "mlp":  # neurons and experts too: what they change by is what their MLP's output does
        prefix = f"{entry.tower}." if entry.tower else ""
        return f"{prefix}layer[{entry.layer}].mlp.out", False
    return entry.tensor, entry.kind == "embed"


def _part(fine: Fine, tensor: str, words: bool) -> Fine:
    """The nodes that enter by one tensor, with the wires that leave them."""

    def own(piece: Piece) -> bool:
        return _moved_by(piece.entry) == (tensor, words)

    steps: list[Step] = []
    bundles: list[list[Bundle]] = []
    layers: dict[str, list[int]] = {}
    number: dict[str, list[int]] = {}
    for step, into in zip(fine.steps, fine.bundles, strict=True):
        kept = layers.setdefault(step.event.tower, [])
        place = number.setdefault(step.event.tower, [])
        bundles.append([b for b in (_among(b, torch.tensor(place)) for b in into) if len(b.wires)])
        steps.append(Step(step.event, [p for p in step.writes if own(p)], step.reads if bundles[-1] else []))
        for piece in step.writes:
            place.append(len(kept) if own(piece) else -1)
            kept.extend([piece.entry.layer] if own(piece) else [])
    return replace(fine, steps=steps, bundles=bundles, layers=layers)


def _among(bundle: Bundle, place: Tensor) -> Bundle:
    """The wires of a bundle that leave some pieces, which have other numbers now; -1 for all others."""
    pieces = place[bundle.pieces]
    kept = pieces >= 0
    return Bundle(bundle.start, bundle.end, pieces[kept], bundle.ports[kept], bundle.wires[kept])


__all__ = ["Turn", "turns_of"]
