"""What a table of sites is made of: towers, sites, the order inside a block, and what is wrong with an address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from causalcircuit.query.address import Address, Index, Part

Modality = Literal["text", "image", "audio", "numbers"]

# Where in a block a tensor stands: a later number may depend on an earlier one, never the other way round.
IN, QKV, PATTERN, Z, ATTN, MID = 1, 2, 3, 4, 5, 6
CROSS_QKV, CROSS_PATTERN, CROSS_Z, CROSS = 7, 8, 9, 10
MLP_IN, ROUTER, NEURON, EXPERT, MLP = 11, 12, 13, 14, 15
BLOCK = 20


@dataclass(frozen=True, slots=True)
class Tower:
    """A stack of transformer blocks.

    Attributes:
        name: its prefix in addresses: empty for the text of a decoder or of a vision-language model, else `encoder`,
            `decoder`, `vision`.
        modality: what its positions are: tokens of a text, patches of an image, frames of a sound, lines of numbers.
        layers: number of blocks. heads: query heads a block. head_dim: width of one head.
        width: of the residual stream. mlp: hidden width of the MLP.
        causal: whether a position sees only itself and earlier ones.
        cross: whether blocks attend to another tower.
        cls: leading positions that are no patches (ViT's class token).
        patches: (rows, columns) of the patch grid of an image tower, where it is the same for every image.
        frames: positions of a tower that are no grid of patches, where their number is fixed.
        kv_heads: heads of keys and values; 0 where it is one for each query head.
        experts: of a mixture; 0 for none. sparse: the layers that have them, where not all do.
        parallel: whether attention and MLP read the same stream, so that neither sees the other's output.
        missing: sites that this tower has not, as (name, reason): `("resid_mid", "its blocks are parallel")`.
    """

    name: str
    modality: Modality
    layers: int
    heads: int
    head_dim: int
    width: int
    mlp: int
    causal: bool
    cross: bool = False
    cls: int = 0
    patches: tuple[int, int] | None = None
    frames: int = 0
    kv_heads: int = 0
    experts: int = 0
    sparse: tuple[int, ...] | None = None
    parallel: bool = False
    missing: tuple[tuple[str, str], ...] = ()

    @property
    def channel(self) -> str:
        """The input that its positions stand on, seen from the tower alone (see `SiteTable.channel`)."""
        return {"image": "image", "audio": "audio"}.get(self.modality, "prefix" if self.name == "decoder" else "input")

    @property
    def extent(self) -> int:
        """Positions of one image, class tokens included, or of one sound; 0 where images differ."""
        return self.cls + self.patches[0] * self.patches[1] if self.patches is not None else self.frames

    @property
    def groups(self) -> int:
        """Heads of keys and values."""
        return self.kv_heads or self.heads

    @property
    def prefix(self) -> str:
        """What stands before its tensors' names."""
        return f"{self.name}." if self.name else ""

    def mixed(self, layer: int) -> bool:
        """Whether a layer is a mixture of experts."""
        return self.experts > 0 and (self.sparse is None or layer in self.sparse)


@dataclass(frozen=True, slots=True)
class SiteInfo:
    """One site: which tensor it indexes, which components of it, and when that is written.

    Attributes:
        address: the local address (without the model's name).
        tensor: canonical name of the tensor; `layer[0].resid` and `layer[1].resid_in` share one.
        start, stop: the half-open range of components (last axis) that the site indexes. Of an attention pattern,
            whose components are its heads, each with one number a key: the head.
        size: all components of the tensor.
        tower: the tower it stands in.
        rank: position in the order of computation inside the tower.
        layer: the block, or -1 before the first and `layers` after the last.
        stand: what its positions stand on: a tower (another one for the keys of a cross-attention), or `projector`.
        key: of an attention pattern, the position of the key that is looked at, in the tower `keys`.
        step: the order among what has one rank: what a dictionary finds in a tensor comes after it. The rank is -1
            where it is not known before the model is loaded.
    """

    address: str
    tensor: str
    start: int
    stop: int
    size: int
    tower: str
    rank: int
    layer: int
    stand: str
    key: int | None = None
    keys: str = ""
    step: int = 0

    @property
    def width(self) -> int:
        """Number of components."""
        return self.stop - self.start

    def overlaps(self, other: SiteInfo) -> bool:
        """Whether both index a common component of the same tensor."""
        same = self.tensor == other.tensor and self.key == other.key
        return same and self.start < other.stop and other.start < self.stop

    def contains(self, other: SiteInfo) -> bool:
        """Whether every component of `other` is one of this."""
        same = self.tensor == other.tensor and self.key == other.key
        return same and self.start <= other.start and other.stop <= self.stop


Missing = Literal["layer", "head", "neuron", "expert", "feature", "name"]


class AddressError(ValueError):
    """An address that the table has not. `kind` tells which code of the catalogue fits."""

    def __init__(self, kind: Missing, message: str, known: tuple[str, ...] = ()) -> None:
        """Say what is wrong; `known` lists what could have stood there."""
        super().__init__(message)
        self.kind, self.known = kind, known


def whole_of(tower: Tower, address: Address, tensor: str, rank: int, layer: int) -> SiteInfo:
    """A site that is all of a tensor as wide as the stream."""
    return SiteInfo(address.local, tensor, 0, tower.width, tower.width, tower.name, rank, layer, tower.name)


def part_of(
    tower: Tower, address: Address, tensor: str, start: int, stop: int, size: int, rank: int, layer: int
) -> SiteInfo:
    """A site that is some components of a tensor."""
    return SiteInfo(address.local, tensor, start, stop, size, tower.name, rank, layer, tower.name)


def number(part: Part, limit: int, what: Missing, address: Address) -> int:
    """The one number in brackets behind a part of an address.

    Raises:
        AddressError: none stands there, or none below `limit`.
    """
    if not isinstance(part.index, int):
        raise AddressError("name", f"`{part}` needs a number in `{address}`")
    if not 0 <= part.index < limit:
        raise AddressError(what, f"{what} {part.index} is out of range in `{address}`: 0 to {limit - 1} exist")
    return part.index


def numbers(index: Index, limit: int, what: str, address: Address) -> list[int]:
    """All numbers that the brackets behind a part of an address name, in their order, each once.

    Raises:
        AddressError: one is out of range, or keys of a pattern are not named.
    """
    if index == "*":
        if what == "pattern":
            raise AddressError("name", f"`pattern[*]` in `{address}`: name the keys, prompts differ in length")
        return list(range(limit))
    kinds: dict[str, Missing] = {
        "layer": "layer", "head": "head", "kv": "head", "expert": "expert", "feature": "feature",
    }  # fmt: skip
    kind = kinds.get(what, "neuron")
    listed: dict[int, None] = {}
    for item in index if isinstance(index, tuple) else (index,):
        low, high = item if isinstance(item, tuple) else (item, item)
        for end in (low, high):
            number(Part(what, end), limit, kind, address)
        if isinstance(low, int) and isinstance(high, int):
            listed.update(dict.fromkeys(range(low, high + 1)))
    return list(listed)
