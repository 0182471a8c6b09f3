"""The torch-free table of a model's sites: addresses, widths, order and wiring.

A `SiteTable` is computed from towers (stacks of blocks): from `config.json` alone while checking, and from the loaded
modules while running. Both must agree. Sites that index the same tensor share `SiteInfo.tensor`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from causalcircuit.query.address import Address, Index, Part

Modality = Literal["text", "image"]

# Where in a block a tensor stands: a later number may depend on an earlier one, never the other way round.
_IN, _Z, _ATTN, _MID, _CROSS_Z, _CROSS, _MLP_IN, _NEURON, _MLP = 1, 3, 4, 5, 7, 8, 10, 11, 12
_BLOCK = 20


@dataclass(frozen=True, slots=True)
class Tower:
    """A stack of transformer blocks.

    Attributes:
        name: its prefix in addresses: empty for a plain decoder, else `encoder`, `decoder`.
        modality: what its positions are: tokens of a text or patches of an image.
        layers: number of blocks. heads: query heads a block. head_dim: width of one head.
        width: of the residual stream. mlp: hidden width of the MLP.
        causal: whether a position sees only itself and earlier ones.
        cross: whether blocks attend to another tower.
        cls: leading positions that are no patches (ViT's class token).
        patches: (rows, columns) of the patch grid of an image tower.
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


@dataclass(frozen=True, slots=True)
class SiteInfo:
    """One site: which tensor it indexes, which components of it, and when that is written.

    Attributes:
        address: the local address (without the model's name).
        tensor: canonical name of the tensor; `layer[0].resid` and `layer[1].resid_in` share one.
        start, stop: the half-open range of components (last axis) that the site indexes.
        size: all components of the tensor.
        tower: the tower it stands in.
        rank: position in the order of computation inside the tower.
        layer: the block, or -1 before the first and `layers` after the last.
    """

    address: str
    tensor: str
    start: int
    stop: int
    size: int
    tower: str
    rank: int
    layer: int

    @property
    def width(self) -> int:
        """Number of components."""
        return self.stop - self.start

    def overlaps(self, other: SiteInfo) -> bool:
        """Whether both index a common component of the same tensor."""
        return self.tensor == other.tensor and self.start < other.stop and other.start < self.stop

    def contains(self, other: SiteInfo) -> bool:
        """Whether every component of `other` is one of this."""
        return self.tensor == other.tensor and self.start <= other.start and other.stop <= self.stop


class AddressError(ValueError):
    """An address that the table has not. `kind` tells which code of the catalogue fits."""

    def __init__(
        self, kind: Literal["layer", "head", "neuron", "name"], message: str, known: tuple[str, ...] = ()
    ) -> None:
        """Say what is wrong; `known` lists what could have stood there."""
        super().__init__(message)
        self.kind, self.known = kind, known


@dataclass(frozen=True, slots=True)
class SiteTable:
    """All sites of a model. `channels` are the inputs that it takes: `input`, `image`, `prefix`."""

    family: str
    towers: tuple[Tower, ...]
    channels: tuple[str, ...]
    max_positions: int | None = None

    def tower(self, name: str) -> Tower:
        """The tower called `name`."""
        return next(t for t in self.towers if t.name == name)

    @property
    def readout_tower(self) -> Tower:
        """The tower whose last stream the logits are read from."""
        return self.towers[-1]

    def info(self, address: Address) -> SiteInfo:
        """The site at a concrete `address`.

        Raises:
            AddressError: the model has no such site; says what it has.
        """
        tower, path = self._enter(address.path)
        prefix = f"{tower.name}." if tower.name else ""
        end = tower.layers
        name = ".".join(p.name for p in path)
        if name == "embed":
            return self._whole(tower, address, f"{prefix}resid[0]", 0, -1)
        if name == "final_norm" or (name == "out" and tower.name == "encoder"):
            return self._whole(tower, address, f"{prefix}final_norm", end * _BLOCK + 1, end)
        if not path or path[0].name != "layer":
            raise AddressError("name", f"`{address}` is not a site", self.steps(path[:0], tower))
        layer = _number(path[0], end, "layer", address)
        return self._in_layer(tower, address, prefix, layer, path[1:])

    def _in_layer(self, tower: Tower, address: Address, prefix: str, layer: int, path: tuple[Part, ...]) -> SiteInfo:
        base = layer * _BLOCK
        at = f"{prefix}layer[{layer}]"
        name = ".".join(p.name for p in path)
        whole: dict[str, tuple[str, int]] = {
            "resid_in": (f"{prefix}resid[{layer}]", base),
            "resid": (f"{prefix}resid[{layer + 1}]", base + _BLOCK),
            "resid_mid": (f"{at}.resid_mid", base + _MID),
            "attn.in": (f"{at}.attn.in", base + _IN),
            "attn.out": (f"{at}.attn.out", base + _ATTN),
            "mlp.in": (f"{at}.mlp.in", base + _MLP_IN),
            "mlp.out": (f"{at}.mlp.out", base + _MLP),
        }
        if tower.cross:
            whole["cross.out"] = (f"{at}.cross.out", base + _CROSS)
        if name in whole and all(p.index is None for p in path):
            tensor, rank = whole[name]
            return self._whole(tower, address, tensor, rank, layer)
        if name == "head.out" or (name == "cross.head.out" and tower.cross):
            cross = path[0].name == "cross"
            head = _number(path[-2], tower.heads, "head", address)
            size = tower.heads * tower.head_dim
            tensor, rank = (f"{at}.cross.z", _CROSS_Z) if cross else (f"{at}.z", _Z)
            start = head * tower.head_dim
            return SiteInfo(address.local, tensor, start, start + tower.head_dim, size, tower.name, base + rank, layer)
        if name == "mlp.neuron":
            k = _number(path[-1], tower.mlp, "neuron", address)
            return SiteInfo(address.local, f"{at}.mlp.neurons", k, k + 1, tower.mlp, tower.name, base + _NEURON, layer)
        raise AddressError("name", f"`{address}` is not a site", self.steps(path, tower))

    def expand(self, address: Address) -> tuple[Address, ...]:
        """Every concrete address that a pattern (`layer[*].head[0..2]`) stands for, in order.

        Raises:
            AddressError: an index is out of range, or the pattern fits no site.
        """
        tower, path = self._enter(address.path)
        limits = {"layer": tower.layers, "head": tower.heads, "neuron": tower.mlp}
        lead = address.path[: len(address.path) - len(path)]
        found: list[tuple[Part, ...]] = [lead]
        for part in path:
            if part.index is None:
                found = [(*p, part) for p in found]
                continue
            if part.name not in limits:
                raise AddressError("name", f"`{part.name}` takes no index in `{address}`", ())
            found = [
                (*p, Part(part.name, i))
                for p in found
                for i in _numbers(part.index, limits[part.name], part.name, address)
            ]
        out = tuple(Address(address.model, p) for p in found)
        for a in out:
            self.info(a)
        return out

    def addresses(self, neurons: bool = False) -> Iterator[str]:
        """Every local address, in order of computation; neurons only when asked for."""
        for tower in self.towers:
            prefix = f"{tower.name}." if tower.name else ""
            yield f"{prefix}embed"
            for i in range(tower.layers):
                at = f"{prefix}layer[{i}]"
                yield from (f"{at}.resid_in", f"{at}.attn.in")
                yield from (f"{at}.head[{j}].out" for j in range(tower.heads))
                yield from (f"{at}.attn.out", f"{at}.resid_mid")
                if tower.cross:
                    yield from (f"{at}.cross.head[{j}].out" for j in range(tower.heads))
                    yield f"{at}.cross.out"
                yield f"{at}.mlp.in"
                if neurons:
                    yield from (f"{at}.mlp.neuron[{k}]" for k in range(tower.mlp))
                yield from (f"{at}.mlp.out", f"{at}.resid")
            yield f"{prefix}final_norm"
            if tower.name == "encoder":
                yield "encoder.out"

    def depends(self, later: SiteInfo, earlier: SiteInfo) -> bool:
        """Whether `later` can depend on `earlier` by the wiring, positions aside."""
        if later.tower == earlier.tower:
            return later.rank > earlier.rank
        order = [t.name for t in self.towers]
        if order.index(earlier.tower) > order.index(later.tower):
            return False
        return later.rank >= _CROSS_Z

    def steps(self, path: tuple[Part, ...], tower: Tower) -> tuple[str, ...]:
        """Names that could stand in an address of `tower` (for a message)."""
        inside = [
            "resid_in",
            "resid_mid",
            "resid",
            "attn.in",
            "attn.out",
            "head[j].out",
            "mlp.in",
            "mlp.out",
            "mlp.neuron[k]",
        ]
        if tower.cross:
            inside += ["cross.head[j].out", "cross.out"]
        if path:
            return tuple(inside)
        prefix = f"{tower.name}." if tower.name else ""
        top = [f"{prefix}embed", *(f"{prefix}layer[i].{s}" for s in inside), f"{prefix}final_norm"]
        return tuple([*top, "encoder.out"] if tower.name == "encoder" else top)

    def _enter(self, path: tuple[Part, ...]) -> tuple[Tower, tuple[Part, ...]]:
        """The tower that an address enters, and the rest of the path."""
        for tower in self.towers:
            if tower.name and path and path[0].name == tower.name and path[0].index is None:
                return tower, path[1:]
        plain = next((t for t in self.towers if not t.name), None)
        if plain is None:
            names = ", ".join(f"`{t.name}`" for t in self.towers)
            raise AddressError(
                "name",
                f"an address of this model starts with one of {names}",
                tuple(t.name for t in self.towers),
            )
        return plain, path

    @staticmethod
    def _whole(tower: Tower, address: Address, tensor: str, rank: int, layer: int) -> SiteInfo:
        return SiteInfo(address.local, tensor, 0, tower.width, tower.width, tower.name, rank, layer)


def tensor_of(address: Address) -> tuple[str, tuple[Part, ...]]:
    """What a concrete address indexes, by its spelling alone.

    Equal for two addresses just where a `SiteTable` gives them the same `SiteInfo.tensor`: planning has no table.
    """
    *lead, last = (Part(p.name) if p.name in ("head", "neuron") else p for p in address.path)
    layer = lead[-1].index if lead else None
    if last.name == "embed":
        return address.model, (*lead, Part("resid", 0))
    if last.name in ("resid_in", "resid") and isinstance(layer, int):
        return address.model, (*lead[:-1], Part("resid", layer + (last.name == "resid")))
    if lead == [Part("encoder")] and last.name == "out":
        return address.model, (*lead, Part("final_norm"))
    return address.model, (*lead, last)


def _number(part: Part, limit: int, what: Literal["layer", "head", "neuron"], address: Address) -> int:
    if not isinstance(part.index, int):
        raise AddressError("name", f"`{part}` needs a number in `{address}`")
    if not 0 <= part.index < limit:
        raise AddressError(what, f"{what} {part.index} is out of range in `{address}`: 0 to {limit - 1} exist")
    return part.index


def _numbers(index: Index, limit: int, what: str, address: Address) -> list[int]:
    if index == "*":
        return list(range(limit))
    kind: Literal["layer", "head", "neuron"] = "layer" if what == "layer" else "head" if what == "head" else "neuron"
    listed: dict[int, None] = {}
    for item in index if isinstance(index, tuple) else (index,):
        low, high = item if isinstance(item, tuple) else (item, item)
        for end in (low, high):
            _number(Part(what, end), limit, kind, address)
        if isinstance(low, int) and isinstance(high, int):
            listed.update(dict.fromkeys(range(low, high + 1)))
    return list(listed)
