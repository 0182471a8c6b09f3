"""The torch-free table of a model's sites: addresses, widths, order and wiring.

A `SiteTable` is computed from towers (stacks of blocks): from `config.json` alone while checking, and from the loaded
modules while running. Both must agree. Sites that index the same tensor share `SiteInfo.tensor`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from causalcircuit.query import towers as ranks
from causalcircuit.query.address import Address, Part
from causalcircuit.query.dictionary import Dictionary
from causalcircuit.query.naming import all_addresses, possible_steps
from causalcircuit.query.towers import AddressError, SiteInfo, Tower, number, numbers, part_of, whole_of


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
            rank = seen.layers * ranks.BLOCK + 2
            return SiteInfo(
                address.local, "projector.out", 0, self.projector, self.projector, seen.name, rank, seen.layers,
                "projector",
            )  # fmt: skip
        tower, path = self._enter(address.path)
        end = tower.layers
        name = ".".join(p.name for p in path)
        if name == "embed":
            return whole_of(tower, address, f"{tower.prefix}resid[0]", 0, -1)
        if name == "final_norm" or (name == "out" and tower.name not in ("", "decoder")):
            if name == "final_norm":
                self._present(tower, "final_norm", address)
            return whole_of(tower, address, f"{tower.prefix}final_norm", end * ranks.BLOCK + 1, end)
        if not path or path[0].name != "layer":
            raise AddressError("name", f"`{address}` is not a site", self._steps((), tower))
        layer = number(path[0], end, "layer", address)
        return self._in_layer(tower, address, layer, path[1:])

    def _in_layer(self, tower: Tower, address: Address, layer: int, path: tuple[Part, ...]) -> SiteInfo:
        base = layer * ranks.BLOCK
        at = f"{tower.prefix}layer[{layer}]"
        name = ".".join(p.name for p in path)
        self._present(tower, name, address)
        whole: dict[str, tuple[str, int]] = {
            "resid_in": (f"{tower.prefix}resid[{layer}]", base),
            "resid": (f"{tower.prefix}resid[{layer + 1}]", base + ranks.BLOCK),
            "resid_mid": (f"{at}.resid_mid", base + ranks.MID),
            "attn.in": (f"{at}.attn.in", base + ranks.IN),
            "attn.out": (f"{at}.attn.out", base + ranks.ATTN),
            "mlp.in": (f"{at}.mlp.in", base + ranks.MLP_IN),
            "mlp.out": (f"{at}.mlp.out", base + ranks.MLP),
        }
        if tower.cross:
            whole["cross.out"] = (f"{at}.cross.out", base + ranks.CROSS)
        if name in whole and all(p.index is None for p in path):
            tensor, rank = whole[name]
            return whole_of(tower, address, tensor, rank, layer)
        cross = bool(path) and path[0].name == "cross" and tower.cross
        found = self._of_head(tower, address, layer, path[1:] if cross else path, cross)
        if found is not None:
            return found
        if name == "mlp.neuron" and not tower.mixed(layer):
            k = number(path[-1], tower.mlp, "neuron", address)
            return part_of(tower, address, f"{at}.mlp.neurons", k, k + 1, tower.mlp, base + ranks.NEURON, layer)
        if name == "router" and tower.mixed(layer) and path[0].index is None:
            return part_of(tower, address, f"{at}.router", 0, tower.experts, tower.experts, base + ranks.ROUTER, layer)
        if name == "expert.out" and tower.mixed(layer):
            e = number(path[0], tower.experts, "expert", address)
            return part_of(tower, address, f"{at}.expert[{e}]", 0, tower.width, tower.width, base + ranks.EXPERT, layer)
        raise AddressError("name", f"`{address}` is not a site", self._steps(path, tower))

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
        steps = (ranks.CROSS_QKV, ranks.CROSS_PATTERN, ranks.CROSS_Z) if cross else (ranks.QKV, ranks.PATTERN, ranks.Z)
        qkv, pattern, z = (layer * ranks.BLOCK + step for step in steps)
        keys = self.source(tower).name if cross else tower.name
        head = number(path[0], tower.heads if owner == "head" else tower.groups, "head", address)
        if what == "pattern":
            if not isinstance(path[1].index, int):
                raise AddressError("name", f"`{path[1]}` needs one number in `{address}`: the position of a key")
            info = part_of(tower, address, f"{at}pattern", head, head + 1, tower.heads, pattern, layer)
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
        info = part_of(tower, address, tensor, start, start + width, count * width, rank, layer)
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
            k = number(part, size, "feature", address)
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
                for i in numbers(part.index, limits[part.name], part.name, address)
            ]
        out = tuple(Address(address.model, p) for p in found)
        for a in out:
            self.info(a)
        return out

    def _expand_features(self, address: Address) -> tuple[Address, ...]:
        """The features of a dictionary one by one."""
        found: tuple[Address, ...] = (address,)
        if len(address.path) == 2 and address.path[1].name == "feature" and address.path[1].index is not None:
            listed = numbers(address.path[1].index, self.dictionary(address).features, "feature", address)
            found = tuple(Address(address.model, (address.path[0], Part("feature", k))) for k in listed)
        for a in found:
            self.info(a)
        return found

    def addresses(self, neurons: bool = False) -> Iterator[str]:
        """Every local address, in order of computation; neurons and attention patterns by their first one."""
        return all_addresses(self.towers, bool(self.projector), neurons)

    def depends(self, later: SiteInfo, earlier: SiteInfo) -> bool:
        """Whether `later` can depend on `earlier` by the wiring, positions aside, as far as that is known."""
        if min(later.rank, earlier.rank) < 0:
            return False
        if later.tower == earlier.tower:
            if self.tower(later.tower).parallel and later.layer == earlier.layer:
                steps = earlier.rank % ranks.BLOCK, later.rank % ranks.BLOCK
                if steps[0] in range(ranks.IN, ranks.MID) and steps[1] >= ranks.MLP_IN:
                    return False
            return (later.rank, later.step) > (earlier.rank, earlier.step)
        order = [t.name for t in self.towers]
        if order.index(earlier.tower) > order.index(later.tower):
            return False
        if self.tower(later.tower).cross:
            return later.rank >= ranks.CROSS_QKV
        return self.projector > 0

    def _steps(self, path: tuple[Part, ...], tower: Tower) -> tuple[str, ...]:
        return possible_steps(path, tower, bool(self.projector))

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
