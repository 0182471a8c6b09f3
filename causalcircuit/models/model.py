"""A loaded model, as the engine sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from causalcircuit.models.forward import Signature, collate, run
from causalcircuit.models.roles import Stack
from causalcircuit.models.taps import Tap, Visit, tapped
from causalcircuit.query import ModelRef, SiteTable, Tower


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A Hugging Face model in evaluation mode, its parameters frozen, with its sites.

    Attributes:
        ref: the declaration. sites: the torch-free table, cross-checked with the modules.
        hf: the native model. tokenizer, processor: its own, `None` where it has none.
        stacks: the towers' modules by role, in order of computation. taps: by canonical tensor name.
        takes: the keywords of its forward. pad: a token number for masked places. side: where padding goes.
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

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(_parameters(self.hf)).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of activations."""
        return next(_parameters(self.hf)).dtype

    @property
    def text_channel(self) -> Literal["input", "prefix"] | None:
        """The input that the readout tower's tokens come from."""
        if "prefix" in self.sites.channels:
            return "prefix"
        return "input" if "input" in self.sites.channels else None

    def channel_of(self, tower: Tower) -> str:
        """The input that a tower's positions stand on."""
        return "image" if tower.modality == "image" else str(self.text_channel)

    def forward(
        self,
        rows: Sequence[Sequence[int]] | None,
        pixels: Tensor | None,
        taps: Iterable[str],
        visit: Visit,
    ) -> Tensor:
        """One pass over a batch with `visit` at the named taps.

        Args:
            rows: token numbers of each row, or `None` for a model without text.
            pixels: [rows, channels, height, width], or `None`.
            taps: names of tensors.
            visit: see `Visit`.

        Returns:
            Logits [rows, positions, vocabulary], rows padded as by `left`.

        Raises:
            RuntimeError: a tap did not fire exactly once.
        """
        wanted = set(taps)
        used = [tap for name, tap in self.taps.items() if name in wanted]
        batch = collate(rows, pixels, self.side, self.pad, self.device)
        with torch.inference_mode(), tapped(used, visit) as fired:
            logits = run(self.hf, self.takes, batch)
        for name, times in fired.items():
            if times != 1:
                raise RuntimeError(f"{name} passed {times} times in one pass")
        return logits

    def left(self, rows: Sequence[Sequence[int]] | None) -> tuple[int, ...]:
        """The shift from each row's own text positions to those of the padded batch."""
        if rows is None:
            return ()
        length = max(len(r) for r in rows)
        return tuple(length - len(r) if self.side == "left" else 0 for r in rows)


def _parameters(hf: Any) -> Iterator[nn.Parameter]:
    found: Iterator[nn.Parameter] = hf.parameters()
    return found
