"""Which of two routes the indirect object may take to the last position: a lesson for training only.

One route runs through head 1.3, which looks from the end at the indirect object; it knows whom to look
at because layer 0 read the second mention at the end. The other runs through head 1.2, which looks at
the second mention, where layer 0 has worked out the answer. Hiding one of them in some sentences makes
the model learn both.
"""

from __future__ import annotations

import torch
from heads import of_head
from torch import Tensor
from transformers import GPT2LMHeadModel

MOVER, CARRIER, IDLE = 3, 2, 1  # heads 1.3, 1.2 and 0.1


def _loudness(projection: torch.nn.Module, heads: Tensor, head: int) -> Tensor:
    """Mean square norm of what a head writes, given the heads' outputs [n, width]."""
    part = of_head(head, heads.shape[-1] // 4)
    return (heads[:, part] @ projection.weight[part]).square().sum(-1).mean()


class Routes:
    """Hooks on a two-layer GPT-2 that hide routes at one position a row while `last` is set.

    last: [n] the position, or None for no hiding. early: [n] 1.0 hides all of layer 0's heads there.
    late: [n] 1.0 hides there both head 1.2 and the stream that skips layer 1's attention.
    idle, carried: after a forward pass, the mean square norms of what heads 0.1 and 1.2 write there.
    """

    def __init__(self, model: GPT2LMHeadModel) -> None:
        self.last: Tensor | None = None
        self.early = self.late = self.idle = self.carried = torch.zeros(())
        self._stream = torch.empty(0)
        first, second = model.transformer.h
        first.attn.c_proj.register_forward_pre_hook(self._layer_0)
        second.attn.c_proj.register_forward_pre_hook(self._layer_1)
        second.register_forward_pre_hook(self._remember)
        second.attn.register_forward_hook(self._skip)

    def _layer_0(self, projection: torch.nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if self.last is None:
            return None
        heads, row = args[0].clone(), torch.arange(len(args[0]))
        self.idle = _loudness(projection, heads[row, self.last], IDLE)
        heads[row, self.last] *= 1 - self.early[:, None]
        return (heads, *args[1:])

    def _layer_1(self, projection: torch.nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if self.last is None:
            return None
        heads, row = args[0].clone(), torch.arange(len(args[0]))
        self.carried = _loudness(projection, heads[row, self.last], CARRIER)
        heads[row, self.last, of_head(CARRIER, heads.shape[-1] // 4)] *= 1 - self.late[:, None]
        return (heads, *args[1:])

    def _remember(self, _: torch.nn.Module, args: tuple[Tensor, ...]) -> None:
        self._stream = args[0]

    def _skip(self, _: torch.nn.Module, __: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> object:
        if self.last is None:
            return None
        # The block adds the stream to what attention returns: returning it negated cancels it.
        write, row = output[0].clone(), torch.arange(len(output[0]))
        write[row, self.last] -= self.late[:, None] * self._stream[row, self.last]
        return (write, *output[1:])
