"""The torch-free table of a model's sites: addresses, widths, order and wiring.

A `SiteTable` is computed from towers (stacks of blocks): from `config.json` alone while checking, and from the loaded
modules while running. Both must agree. Sites that index the same tensor share `SiteInfo.tensor`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from causalcircuit.query.address import Address, Index, Part
from causalcircuit.query.dictionary import Dictionary

Modality = Literal["text", "image", "audio", "numbers"]

# Where in a block a tensor stands: a later number may depend on an earlier one, never the other way round.
_IN, _QKV, _PATTERN, _Z, _ATTN, _MID = 1, 2, 3, 4, 5, 6
_CROSS_QKV, _CROSS_PATTERN, _CROSS_Z, _CROSS = 7, 8, 9, 10
_MLP_IN, _ROUTER, _NEURON, _EXPERT, _MLP = 11, 12, 13, 14, 15
_BLOCK = 20


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


@dataclass(frozen=True, slots=True)
class SiteTable:
    """All sites of a model.

    Attributes:
        family: the config's model type. towers: in order of computation.
        channels: the inputs that it takes: `input`, `image`, `audio`, `prefix`.
        max_positions: of its text, where that is limited.
        projector: width of what an image becomes in the stream of a vision-language model; 0 where there is none.
        readout: what its output is: a distribution over the `vocabulary`, scores of `classes`, or `none`.
        projected: positions of `projector.out` for each part that the image is given in (the whole, a tile); 0 where
            it has one for each token of the image.
        dictionaries: those that are declared on its sites.
        modules: sites by the path of a module, as far as they were asked for; `None` before the model is loaded.
    """

    family: str
    towers: tuple[Tower, ...]
    channels: tuple[str, ...]
    max_positions: int | None = None
    projector: int = 0
    readout: Literal["vocabulary", "classes", "none"] = "vocabulary"
    projected: int = 0
    dictionaries: tuple[Dictionary, ...] = ()
    modules: tuple[tuple[str, SiteInfo], ...] | None = None

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
        if address.attached:
            return self._of_dictionary(address)
        if address.module is not None:
            return self._of_module(address)
        if self.projector and [str(p) for p in address.path] == ["projector", "out"]:
            seen = next(t for t in self.towers if t.modality != "text")
            rank = seen.layers * _BLOCK + 2
            return SiteInfo(
                address.local, "projector.out", 0, self.projector, self.projector, seen.name, rank, seen.layers,
                "projector",
            )  # fmt: skip
        tower, path = self._enter(address.path)
        end = tower.layers
        name = ".".join(p.name for p in path)
        if name == "embed":
            return self._whole(tower, address, f"{tower.prefix}resid[0]", 0, -1)
        if name == "final_norm" or (name == "out" and tower.name not in ("", "decoder")):
            if name == "final_norm":
                self._present(tower, "final_norm", address)
            return self._whole(tower, address, f"{tower.prefix}final_norm", end * _BLOCK + 1, end)
        if not path or path[0].name != "layer":
            raise AddressError("name", f"`{address}` is not a site", self.steps(path[:0], tower))
        layer = _number(path[0], end, "layer", address)
        return self._in_layer(tower, address, layer, path[1:])

    def _in_layer(self, tower: Tower, address: Address, layer: int, path: tuple[Part, ...]) -> SiteInfo:
        base = layer * _BLOCK
        at = f"{tower.prefix}layer[{layer}]"
        name = ".".join(p.name for p in path)
        self._present(tower, name, address)
        whole: dict[str, tuple[str, int]] = {
            "resid_in": (f"{tower.prefix}resid[{layer}]", base),
            "resid": (f"{tower.prefix}resid[{layer + 1}]", base + _BLOCK),
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
        cross = bool(path) and path[0].name == "cross" and tower.cross
        found = self._of_head(tower, address, layer, path[1:] if cross else path, cross)
        if found is not None:
            return found
        if name == "mlp.neuron" and not tower.mixed(layer):
            k = _number(path[-1], tower.mlp, "neuron", address)
            return self._part(tower, address, f"{at}.mlp.neurons", k, k + 1, tower.mlp, base + _NEURON, layer)
        if name == "router" and tower.mixed(layer) and path[0].index is None:
            return self._part(tower, address, f"{at}.router", 0, tower.experts, tower.experts, base + _ROUTER, layer)
        if name == "expert.out" and tower.mixed(layer):
            e = _number(path[0], tower.experts, "expert", address)
            return self._part(tower, address, f"{at}.expert[{e}]", 0, tower.width, tower.width, base + _EXPERT, layer)
        raise AddressError("name", f"`{address}` is not a site", self.steps(path, tower))

    def _of_head(
        self, tower: Tower, address: Address, layer: int, path: tuple[Part, ...], cross: bool
    ) -> SiteInfo | None:
        """A site of one head of an attention, `None` where the path names none."""
        if (
            len(path) != 2
            or path[0].name not in ("head", "kv")
            or (path[1].index is not None) != (path[1].name == "pattern")
        ):
            return None
        owner, what = path[0].name, path[1].name
        if what not in (("out", "q", "k", "v", "pattern") if owner == "head" else ("k", "v")):
            return None
        at = f"{tower.prefix}layer[{layer}]." + ("cross." if cross else "")
        ranks = (_CROSS_QKV, _CROSS_PATTERN, _CROSS_Z) if cross else (_QKV, _PATTERN, _Z)
        qkv, pattern, z = (layer * _BLOCK + r for r in ranks)
        keys = self.source(tower).name if cross else tower.name
        head = _number(path[0], tower.heads if owner == "head" else tower.groups, "head", address)
        if what == "pattern":
            if not isinstance(path[1].index, int):
                raise AddressError("name", f"`{path[1]}` needs one number in `{address}`: the position of a key")
            info = self._part(tower, address, f"{at}pattern", head, head + 1, tower.heads, pattern, layer)
            return replace(info, key=path[1].index, keys=keys)
        if owner == "head" and what in ("k", "v") and tower.groups != tower.heads:
            shared = head // (tower.heads // tower.groups)
            raise AddressError(
                "name",
                f"`{address}` is shared: {tower.heads // tower.groups} query heads read one head of keys and values, "
                f"here `kv[{shared}].{what}`",
                (f"kv[{shared}].{what}",),
            )
        count = tower.groups if what in ("k", "v") else tower.heads
        tensor, rank = (f"{at}z", z) if what == "out" else (f"{at}{what}", qkv)
        start, width = head * tower.head_dim, tower.head_dim
        info = self._part(tower, address, tensor, start, start + width, count * width, rank, layer)
        return replace(info, stand=keys) if what in ("k", "v") else info

    def _of_dictionary(self, address: Address) -> SiteInfo:
        """A node that a dictionary makes of the site that it writes."""
        found = self.dictionary(address)
        steps = ("feature[k]", "features", "error")
        if len(address.path) != 2:
            raise AddressError("name", f"`{address}` is not a site", steps)
        part, base = address.path[1], self.info(found.address(address.model))
        made = replace(base, address=address.local, step=1)
        size = found.features
        if part.name == "feature" and part.index is not None:
            k = _number(part, size, "feature", address)
            return replace(made, tensor=f"{found.name}.features", start=k, stop=k + 1, size=size)
        if part == Part("features"):
            return replace(made, tensor=f"{found.name}.features", start=0, stop=size, size=size)
        if part == Part("error"):
            return replace(made, tensor=f"{found.name}.error", start=0, stop=base.width, size=base.width)
        raise AddressError("name", f"`{address}` is not a site", steps)

    def dictionary(self, address: Address) -> Dictionary:
        """The dictionary that an address enters."""
        found = next((d for d in self.dictionaries if d.name == address.attached), None)
        if found is None:
            raise AddressError("name", f"`{address.attached}` is no dictionary of `{address.model}`")
        return found

    def _of_module(self, address: Address) -> SiteInfo:
        """The output of a module, or what it is given."""
        if [p.name for p in address.path] not in (["module"], ["module", "in"]):
            raise AddressError("name", f"`{address}` is not a site", ('module("path")', 'module("path").in'))
        if self.modules is None:
            return SiteInfo(address.local, address.local, 0, 1, 1, "?", -1, -1, "?")
        found = dict(self.modules).get(address.local)
        if found is None:
            raise AddressError("name", f"`{address}` is not a site")
        return found

    def source(self, tower: Tower) -> Tower:
        """The tower that the cross-attention of `tower` looks at."""
        return self.towers[max(self.towers.index(tower) - 1, 0)]

    def stands_on(self, info: SiteInfo) -> tuple[bool, bool]:
        """Whether a site's positions have words, and whether they have parts of an image."""
        if info.stand == "projector":
            return False, True
        tower = self.tower(info.stand)
        text = tower.modality == "text"
        return text, tower.modality == "image" or (text and self.projector > 0)

    def channel(self, tower: Tower) -> str:
        """The input that the positions of `tower` stand on."""
        return tower.channel

    @staticmethod
    def _present(tower: Tower, name: str, address: Address) -> None:
        reason = dict(tower.missing).get(name)
        if reason is not None:
            raise AddressError("name", f"`{address}` does not exist: {reason}")

    def expand(self, address: Address) -> tuple[Address, ...]:
        """Every concrete address that a pattern (`layer[*].head[0..2]`) stands for, in order.

        Raises:
            AddressError: an index is out of range, or the pattern fits no site.
        """
        if address.attached:
            return self._expand_features(address)
        if address.module is not None:
            self.info(address)
            return (address,)
        tower, path = self._enter(address.path)
        limits = {
            "layer": tower.layers,
            "head": tower.heads,
            "kv": tower.groups,
            "neuron": tower.mlp,
            "expert": tower.experts,
            "pattern": 1 << 31,
        }
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

    def _expand_features(self, address: Address) -> tuple[Address, ...]:
        """The features of a dictionary one by one."""
        found: tuple[Address, ...] = (address,)
        if len(address.path) == 2 and address.path[1].name == "feature" and address.path[1].index is not None:
            numbers = _numbers(address.path[1].index, self.dictionary(address).features, "feature", address)
            found = tuple(Address(address.model, (address.path[0], Part("feature", k))) for k in numbers)
        for a in found:
            self.info(a)
        return found

    def addresses(self, neurons: bool = False) -> Iterator[str]:
        """Every local address, in order of computation; neurons and attention patterns by their first one."""
        for tower in self.towers:
            yield f"{tower.prefix}embed"
            for i in range(tower.layers):
                for name in self._layer_addresses(tower, i, neurons):
                    if re.sub(r"\[\d+\]", "", name) not in dict(tower.missing):
                        yield f"{tower.prefix}layer[{i}].{name}"
            if "final_norm" not in dict(tower.missing):
                yield f"{tower.prefix}final_norm"
            if tower.name not in ("", "decoder"):
                yield f"{tower.prefix}out"
            if self.projector and tower.modality != "text":
                yield "projector.out"

    def _layer_addresses(self, tower: Tower, layer: int, neurons: bool) -> Iterator[str]:
        heads, groups = range(tower.heads), range(tower.groups)
        yield from ("resid_in", "attn.in")
        for lead in ("", "cross.") if tower.cross else ("",):
            if lead:
                yield "resid_mid"
            yield from (f"{lead}head[{j}].q" for j in heads)
            yield from (f"{lead}kv[{j}].{x}" for x in "kv" for j in groups)
            yield from (f"{lead}head[{j}].pattern[0]" for j in heads)
            yield from (f"{lead}head[{j}].out" for j in heads)
            yield f"{lead}out" if lead else "attn.out"
        if not tower.cross:
            yield "resid_mid"
        yield "mlp.in"
        if tower.mixed(layer):
            yield "router"
            yield from (f"expert[{e}].out" for e in range(tower.experts))
        else:
            yield from (f"mlp.neuron[{k}]" for k in range(tower.mlp if neurons else 1))
        yield from ("mlp.out", "resid")

    def depends(self, later: SiteInfo, earlier: SiteInfo) -> bool:
        """Whether `later` can depend on `earlier` by the wiring, positions aside, as far as that is known."""
        if min(later.rank, earlier.rank) < 0:
            return False
        if later.tower == earlier.tower:
            if self.tower(later.tower).parallel and later.layer == earlier.layer:
                ranks = earlier.rank % _BLOCK, later.rank % _BLOCK
                if ranks[0] in range(_IN, _MID) and ranks[1] >= _MLP_IN:
                    return False
            return (later.rank, later.step) > (earlier.rank, earlier.step)
        order = [t.name for t in self.towers]
        if order.index(earlier.tower) > order.index(later.tower):
            return False
        if self.tower(later.tower).cross:
            return later.rank >= _CROSS_QKV
        return self.projector > 0

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
            "head[j].q",
            "kv[j].k",
            "kv[j].v",
            "head[j].pattern[k]",
        ]
        if tower.experts:
            inside += ["router", "expert[e].out"]
        if tower.cross:
            inside += ["cross.head[j].out", "cross.out", "cross.head[j].q", "cross.kv[j].k", "cross.kv[j].v"]
        inside = [s for s in inside if re.sub(r"\[\w\]", "", s) not in dict(tower.missing)]
        if path:
            return tuple(inside)
        top = [f"{tower.prefix}embed", *(f"{tower.prefix}layer[i].{s}" for s in inside), f"{tower.prefix}final_norm"]
        if tower.name not in ("", "decoder"):
            top.append(f"{tower.prefix}out")
        return tuple([*top, "projector.out"] if self.projector else top)

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
        return SiteInfo(address.local, tensor, 0, tower.width, tower.width, tower.name, rank, layer, tower.name)

    @staticmethod
    def _part(
        tower: Tower, address: Address, tensor: str, start: int, stop: int, size: int, rank: int, layer: int
    ) -> SiteInfo:
        return SiteInfo(address.local, tensor, start, stop, size, tower.name, rank, layer, tower.name)


def tensor_of(address: Address) -> tuple[str, tuple[Part, ...]]:
    """What a concrete address indexes, by its spelling alone.

    Equal for two addresses just where a `SiteTable` gives them the same `SiteInfo.tensor`: planning has no table.
    """
    if address.attached and address.path[-1].name == "feature":
        return address.model, (*address.path[:-1], Part("features"))
    *lead, last = (Part(p.name) if p.name in ("head", "kv", "neuron", "pattern") else p for p in address.path)
    layer = lead[-1].index if lead else None
    if last.name == "embed":
        return address.model, (*lead, Part("resid", 0))
    if last.name in ("resid_in", "resid") and isinstance(layer, int):
        return address.model, (*lead[:-1], Part("resid", layer + (last.name == "resid")))
    if lead and lead[0].name in ("encoder", "vision") and len(lead) == 1 and last.name == "out":
        return address.model, (*lead, Part("final_norm"))
    if last.name in ("k", "v") and lead[-1].name == "head":  # exists only where each query head has its own
        return address.model, (*lead[:-1], Part("kv"), last)
    return address.model, (*lead, last)


def _number(part: Part, limit: int, what: Missing, address: Address) -> int:
    if not isinstance(part.index, int):
        raise AddressError("name", f"`{part}` needs a number in `{address}`")
    if not 0 <= part.index < limit:
        raise AddressError(what, f"{what} {part.index} is out of range in `{address}`: 0 to {limit - 1} exist")
    return part.index


def _numbers(index: Index, limit: int, what: str, address: Address) -> list[int]:
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
            _number(Part(what, end), limit, kind, address)
        if isinstance(low, int) and isinstance(high, int):
            listed.update(dict.fromkeys(range(low, high + 1)))
    return list(listed)
