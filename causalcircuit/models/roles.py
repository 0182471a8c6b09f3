"""The parts that a transformer's modules play, whatever their names."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from causalcircuit.query import Tower


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """An attention core and the projection that writes its heads into the stream."""

    module: nn.Module
    projection: nn.Module


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One block: stream in, self-attention, perhaps cross-attention, MLP, stream out.

    `last` is the MLP's last projection; its input are the neurons. `reader` is the norm that reads the stream after
    self-attention, where there is one.
    """

    module: nn.Module
    attention: Attention
    cross: Attention | None
    mlp: nn.Module
    last: nn.Module
    reader: nn.Module | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The blocks of a tower in order, and the norm that follows the last."""

    tower: Tower
    blocks: tuple[Block, ...]
    norm: nn.Module
