"""The parts that a transformer's modules play, whatever their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from causalcircuit.query import Tower


class RoleError(ValueError):
    """A part of the model whose role does not show."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """What a part adds to the stream: the output of `module`, times `scale` where there is one."""

    module: nn.Module
    scale: Tensor | float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """An attention core.

    Attributes:
        core: the innermost module that holds its projections.
        projection: the linear map whose input are the heads side by side. write: what reaches the stream of it.
        heads, groups, head_dim: of queries, of keys and values, and the width of one.
        caught: how queries, keys and values are seen: as the attention function is given them, as the outputs of
            the linear maps `qkv` (each called so often a pass), inside the core's own arithmetic, or where it splits
            them into images.
        pattern: whether the core calculates its pattern where it can be seen and replaced.
    """

    core: nn.Module
    projection: nn.Module
    write: Term
    heads: int
    groups: int
    head_dim: int
    caught: Literal["interface", "linear", "watched", "split"]
    qkv: tuple[tuple[nn.Module, int], ...]
    pattern: bool


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A mixture of experts: the router and the module with the experts' stacked weights."""

    router: nn.Module
    experts: nn.Module
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One block: stream in, self-attention, perhaps cross-attention, MLP, stream out.

    Attributes:
        module: the block. attention, cross: its attentions. mlp: what the MLP adds to the stream.
        reads: the module that is given what the MLP reads.
        last: the MLP's last projection, whose input are the neurons; `None` in a mixture.
        order: how the parts stand: `pre` (one after the other), `parallel` (both read the same stream), `post`
            (the stream passes through a norm after each part).
        reader: `pre`: the first leaf that is fed the stream after self-attention; `post`: the norm that gives it.
        norms: `post`: the norms after cross-attention (where there is one) and after the MLP.
        mixture: its experts, where it has any.
    """

    module: nn.Module
    attention: Attention
    cross: Attention | None
    mlp: Term
    reads: nn.Module
    last: nn.Module | None
    order: Literal["pre", "parallel", "post"]
    reader: nn.Module | None
    norms: tuple[nn.Module, ...] = ()
    mixture: Mixture | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The blocks of a tower in order, and the norm that follows the last, where one does (called so often a pass)."""

    tower: Tower
    blocks: tuple[Block, ...]
    norm: nn.Module | None
    norm_calls: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Projector:
    """What turns an image into tokens of a language model's stream.

    Attributes:
        module: its output is what becomes tokens. width: of one of them.
        each: how many it gives for each part that the image is given in (the whole, a tile); 0 where it gives just
            the tokens.
    """

    module: nn.Module
    width: int
    each: int = 0
