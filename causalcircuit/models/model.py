"""A loaded model, as the engine sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.feed import Batch, Feed, collate, extent, keywords_of
from causalcircuit.models.overlay import needed, settled, tapped
from causalcircuit.models.probe import Probe
from causalcircuit.models.roles import Stack
from causalcircuit.models.signature import Signature
from causalcircuit.models.taps import Tap, Visit
from causalcircuit.query import ModelRef, SiteTable, Tower


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A Hugging Face model in evaluation mode, its parameters frozen, with its sites.

    Attributes:
        ref: the declaration. sites: the torch-free table, cross-checked with the modules.
        hf: the native model. tokenizer, processor: its own, `None` where it has none.
        stacks: the towers' modules by role, in order of computation. taps: by canonical tensor name, in that order.
        takes: the keywords of its forward. pad: a token number for masked places. side: where padding goes.
        probe: made-up inputs to prove taps on. proof: what is proven; it grows with the first assignments.
        key: what the proof is kept under between runs.
    """

    ref: ModelRef
    sites: SiteTable
    hf: Any
    tokenizer: Any
    processor: Any
    stacks: tuple[Stack, ...]
    taps: Mapping[str, Tap]
    takes: Signature
    pad: int
    side: Literal["left", "right"]
    probe: Probe
    proof: Proof
    key: str = ""

    @property
    def refused(self) -> Mapping[str, str]:
        """Tensors whose tap failed a clause of the hook contract, with what failed."""
        return self.proof.refused

    @property
    def device(self) -> torch.device:
        """Where inputs go: that of the first parameters."""
        return next(_parameters(self.hf)).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of activations."""
        return next(p.dtype for p in _parameters(self.hf) if p.is_floating_point())

    @property
    def sketched(self) -> bool:
        """Whether its weights were never read (see `sketch`): it can be planned with, and not be run."""
        return self.ref.net is None and self.device.type == "meta"

    @property
    def text_channel(self) -> Literal["input", "prefix"] | None:
        """The input that the readout tower's tokens come from."""
        if "prefix" in self.sites.channels:
            return "prefix"
        if self.ref.net is not None:
            return None
        return "input" if "input" in self.sites.channels else None

    @property
    def source_channel(self) -> Literal["input"] | None:
        """The input of an encoder that reads a text."""
        return "input" if {"input", "prefix"} <= set(self.sites.channels) else None

    @property
    def by_position(self) -> bool:
        """Whether its output has a line for each position of its text."""
        return self.sites.readout == "vocabulary" or (self.sites.readout == "none" and len(self.sites.towers) == 1)

    def read_at(self, tensor: str) -> str:
        """The tap where a tensor is read: after what dictionaries find in it may have been assigned."""
        return settled(tensor) if settled(tensor) in self.taps else tensor

    def batch(self, feeds: Sequence[Feed]) -> Batch:
        """Items joined and padded, on the model's device."""
        return collate(feeds, self.sites, self.takes, self.side, self.pad, self.device)

    def extent(self, tower: Tower, feed: Feed) -> int:
        """How many positions an item has in an image or sound tower."""
        return extent(tower, feed.media)

    def forward(self, batch: Batch, taps: Iterable[str], visit: Visit) -> Tensor:
        """One pass over a batch with `visit` at the named taps.

        Args:
            batch: from `batch`.
            taps: names of tensors.
            visit: see `Visit`.

        Returns:
            Logits [items, positions, vocabulary], items padded as by `Batch.left`; [items, classes] of a classifier;
            [items, 1] the similarity of image and text of two towers; the last hidden state [items, positions,
            width] of a model without a head.

        Raises:
            RuntimeError: a tap did not fire exactly once, or elsewhere than `batch` says.
        """
        with torch.inference_mode():
            return self.differentiable(batch, taps, visit)

    def differentiable(self, batch: Batch, taps: Iterable[str], visit: Visit) -> Tensor:
        """The same, leaving it to the caller whether gradients are kept."""
        wanted = set(taps)
        attached = needed(self.taps, wanted)
        used = [tap for name, tap in self.taps.items() if name in attached]
        with tapped(used, _standing(visit, self.taps, batch), attached - wanted) as fired:
            output = self.run(batch)
        for name, times in fired.items():
            if times != 1:
                raise RuntimeError(f"{name} passed {times} times in one pass")
        return output

    def run(self, batch: Batch) -> Tensor:
        """The model's own forward and nothing else; what it returns as in `forward`."""
        return head_of(self.hf(**keywords_of(batch, self.takes)))

    def plain(self, feed: Feed) -> Tensor:
        """One item called as its maker would call it: without mask, places and choice of cache."""
        batch = self.batch([feed])
        spare = {f"{p}{n}" for p in ("", self.takes.text) for n in ("position_ids", "attention_mask")}
        own = {k: v for k, v in batch.keywords.items() if k not in spare or k in feed.media}
        with torch.inference_mode():
            return head_of(self.hf(**own))


def _standing(visit: Visit, taps: Mapping[str, Tap], batch: Batch) -> Visit:
    """`visit`, after making sure that the tensors of images and sounds have as many places as were counted."""

    def checked(name: str, value: Tensor) -> Tensor:
        total = batch.streams[taps[name].stand].total
        if total is not None and len(value) != total:
            raise RuntimeError(f"{name} has {len(value)} places, {total} were expected of these images or sounds")
        return visit(name, value)

    return checked


def head_of(output: Any) -> Tensor:
    """What a model computes: logits, or what comes nearest."""
    for name in ("logits", "logits_per_image", "last_hidden_state"):
        value = getattr(output, name, None)
        if isinstance(value, Tensor):
            # Two towers give every image's score with every text: an item is a pair of its own.
            return value.diagonal()[:, None] if name == "logits_per_image" else value
    raise RuntimeError(f"{type(output).__name__} holds no logits")


def _parameters(hf: Any) -> Iterator[nn.Parameter]:
    found: Iterator[nn.Parameter] = hf.parameters()
    return found
