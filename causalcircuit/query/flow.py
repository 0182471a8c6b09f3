"""The causal diagram of a model's own wiring: parts of tensors at groups of positions, and what each is made of.

It is as fine as the sites that are asked about need, and no finer: parts of a tensor that nobody names and that are
wired alike (the other heads of a layer, its other neurons) are one cell. Where the wiring is not known exactly, there
is an arrow: a path that is missing here is missing in the model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from causalcircuit.query.address import Address
from causalcircuit.query.sites import SiteTable
from causalcircuit.query.stretches import Stretches
from causalcircuit.query.towers import SiteInfo, Tower

Unit = int | str | tuple[str, int | str, int | str]
"""A head, a neuron, a key of a pattern; `*` for all that nobody names; `""` for a whole tensor."""
Cell = tuple[str, Unit, int]
"""A tensor by its name in the table, a part of it, and the number of a group of positions."""
ROW: Cell = ("row", "", 0)
PROJECTOR = "projector"
_REST = "*"


def unit_of(table: SiteTable, info: SiteInfo) -> Unit:
    """Which part of its tensor a site is."""
    last = info.tensor.rpartition(".")[2]
    if info.step:  # of a dictionary: one feature, or all of them, or the error
        return info.start if last == "features" and info.width == 1 and info.size > 1 else ""
    if last in ("q", "k", "v", "z"):
        return info.start // table.tower(info.tower).head_dim
    if last == "pattern":
        return ("key", info.start, info.key or 0)
    return info.start if last == "neurons" else ""


@dataclass(slots=True)
class Wiring:
    """The cells of a model, each with those that it goes into.

    Attributes:
        table: the model's sites. named: the sites that are asked about. stretches: the groups of positions of each
            tower, and of the `projector`. follows: whether anything reads what follows the prompt, and whether that
            is written by the model itself.
        into: by cell, the cells that are made of it.
    """

    table: SiteTable
    named: tuple[SiteInfo, ...]
    stretches: dict[str, Stretches]
    follows: tuple[bool, bool] = (False, False)
    into: dict[Cell, dict[Cell, None]] = field(default_factory=dict)
    _found: dict[tuple[str, Unit], list[SiteInfo]] = field(default_factory=dict)
    _pairs: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Draw all arrows, from the row to the last streams."""
        self.into[ROW] = {}
        for info in [i for i in self.named if i.step]:
            name = info.tensor.rpartition(".")[0]
            found = next(d for d in self.table.dictionaries if d.name == name)
            base = self.table.info(found.address(""))
            self._found.setdefault((base.tensor, unit_of(self.table, base)), []).append(info)
            self.named = (*self.named, base)
        for tower in self.table.towers:
            self._inputs(tower)
            for layer in range(tower.layers):
                self._block(tower, layer)
            self._stream(tower, f"resid[{tower.layers}]", "final_norm")
        if self.table.projector:
            self._project()

    def at(self, info: SiteInfo, groups: Iterable[int]) -> tuple[Cell, ...]:
        """The cells of a site at groups of its positions."""
        unit = unit_of(self.table, info)
        return tuple((info.tensor, unit, p) for p in groups)

    def last(self, tower: Tower, groups: Iterable[int]) -> tuple[Cell, ...]:
        """What readouts are calculated from, at groups of positions."""
        return tuple((self._out(f"{tower.prefix}final_norm", ""), "", p) for p in groups)

    def _arrow(self, cause: Cell, effect: Cell) -> None:
        # What a dictionary found in the cause stands between the two: the cause as others read it is made of that.
        self.into.setdefault((self._out(*cause[:2]), *cause[1:]), {})[effect] = None
        self.into.setdefault(effect, {})

    # ---- dictionaries: a tensor, what is found in it, and the tensor that this makes again

    def _out(self, tensor: str, unit: Unit) -> str:
        return f"{tensor}'" if (tensor, unit) in self._found else tensor

    def _encoded(self, tensor: str, unit: Unit, stand: str) -> None:
        """The parts that dictionaries find in a tensor, between it and what others read of it.

        A transcoder finds its features in what the part reads; what it misses of the output is the error.
        """
        made = f"{tensor}'"
        for info in self._found.get((tensor, unit), ()):
            name = info.tensor.rpartition(".")[0]
            found = next(d for d in self.table.dictionaries if d.name == name)
            read = self.table.info(Address("", found.reads))
            source = self._out(read.tensor, unit_of(self.table, read)) if found.reads != found.writes else tensor
            features: dict[Unit, None] = {unit_of(self.table, info): None} if info.tensor.endswith("features") else {}
            for p in range(len(self.stretches[stand].members)):
                whole, again, error = (tensor, unit, p), (made, unit, p), (f"{name}.error", "", p)
                start: Cell = (source, unit_of(self.table, read), p)
                for part in [*((f"{name}.features", u, p) for u in (*features, _REST)), error]:
                    self.into.setdefault(start, {})[part] = None
                    self.into.setdefault(part, {})[again] = None
                self.into.setdefault(whole, {})[error] = None
                self.into.setdefault(again, {})

    # ---- arrows between tensors

    def _beside(self, stand: str) -> list[tuple[int, int]]:
        """Groups of one tower that may be the same position."""
        if stand not in self._pairs:
            groups = self.stretches[stand]
            count = range(len(groups.members))
            self._pairs[stand] = [(i, j) for i in count for j in count if groups.meet(i, j)]
        return self._pairs[stand]

    def _stream(self, tower: Tower, before: str, after: str, units: tuple[Unit, Unit] = ("", "")) -> None:
        """One tensor of a tower goes into another at each position."""
        for i, j in self._beside(tower.name):
            self._arrow((tower.prefix + before, units[0], i), (tower.prefix + after, units[1], j))
        self._encoded(tower.prefix + after, units[1], tower.name)

    def _inputs(self, tower: Tower) -> None:
        """The row feeds a channel, and the channel all positions; what is written follows from what was read."""
        channel: Cell = (f"channel {tower.channel}", "", 0)
        self._arrow(ROW, channel)
        groups = self.stretches[tower.name].members
        for p, group in enumerate(groups):
            start: Cell = (f"{tower.prefix}resid[0]", "", p)
            self._arrow(ROW if group.new else channel, start)
            if group.new and self.follows[1]:
                for i, earlier in enumerate(groups):
                    if not earlier.new:
                        self._arrow((f"{tower.prefix}final_norm", "", i), start)
        self._encoded(f"{tower.prefix}resid[0]", "", tower.name)

    def _project(self) -> None:
        """Images become a part of the text's stream: every patch may go to every position."""
        seen = next(t for t in self.table.towers if t.modality != "text")
        text = self.table.readout_tower
        # Some families project an earlier layer, or several: which is not in the table.
        streams = [*(f"{seen.prefix}resid[{i}]" for i in range(seen.layers + 1)), f"{seen.prefix}final_norm"]
        for p in range(len(self.stretches[PROJECTOR].members)):
            for i in range(len(self.stretches[seen.name].members)):
                for stream in streams:
                    self._arrow((stream, "", i), ("projector.out", "", p))
        self._encoded("projector.out", "", PROJECTOR)
        for p in range(len(self.stretches[PROJECTOR].members)):
            for j, group in enumerate(self.stretches[text.name].members):
                if not group.new:
                    self._arrow(("projector.out", "", p), (f"{text.prefix}resid[0]", "", j))

    def _block(self, tower: Tower, layer: int) -> None:
        at, stream, end = f"layer[{layer}].", f"resid[{layer}]", f"resid[{layer + 1}]"
        self._stream(tower, stream, f"{at}attn.in")
        self._attention(tower, at, None, f"{at}attn.in")
        middle = stream
        if not tower.parallel:
            middle = f"{at}resid_mid"
            self._stream(tower, f"{at}attn.out", middle)
            self._stream(tower, stream, middle)
        self._stream(tower, middle, f"{at}mlp.in")
        if tower.cross:
            self._attention(tower, f"{at}cross.", self.table.source(tower), middle)
            self._stream(tower, f"{at}cross.out", f"{at}mlp.in")
            self._stream(tower, f"{at}cross.out", end)
        self._mlp(tower, layer, at)
        for part in (middle, *([f"{at}attn.out"] if tower.parallel else []), f"{at}mlp.out"):
            self._stream(tower, part, end)

    def _mlp(self, tower: Tower, layer: int, at: str) -> None:
        entry, out = f"{at}mlp.in", f"{at}mlp.out"
        if not tower.mixed(layer):
            for unit in (*self._units(f"{tower.prefix}{at}mlp.neurons"), _REST):
                self._stream(tower, entry, f"{at}mlp.neurons", ("", unit))
                self._stream(tower, f"{at}mlp.neurons", out, (unit, ""))
            return
        own = f"{tower.prefix}{at}expert["
        experts = {i.tensor.removeprefix(tower.prefix): None for i in self.named if i.tensor.startswith(own)}
        self._stream(tower, entry, f"{at}router")
        self._stream(tower, f"{at}router", out)
        for expert in (*experts, f"{at}expert[{_REST}]"):
            for cause in (entry, f"{at}router"):  # the router decides what an expert is given
                self._stream(tower, cause, expert)
            self._stream(tower, expert, out)

    def _units(self, tensor: str) -> list[Unit]:
        return list(dict.fromkeys(unit_of(self.table, i) for i in self.named if i.tensor == tensor and not i.step))

    def _attention(self, tower: Tower, at: str, across: Tower | None, queried: str) -> None:
        """Queries, keys and values of each head that somebody names, and of all others together."""
        lead = tower.prefix + at
        patterns = [u for u in self._units(f"{lead}pattern") if isinstance(u, tuple)]
        listed = [*self._units(f"{lead}q"), *self._units(f"{lead}z"), *(u[1] for u in patterns)]
        heads = sorted({u for u in listed if isinstance(u, int)})
        each = tower.heads // tower.groups
        groups = {u for x in "kv" for u in self._units(f"{lead}{x}") if isinstance(u, int)} | {h // each for h in heads}
        others = len(heads) < tower.heads
        # The other heads read the shared keys of named groups too, where these have heads that nobody names.
        open_groups = [g for g in sorted(groups) if not set(range(g * each, (g + 1) * each)) <= set(heads)]
        source = tower.name if across is None else across.name
        read = f"{tower.prefix}{queried}" if across is None else f"{across.prefix}final_norm"
        spare: list[Unit] = [_REST] if others and len(groups) < tower.groups else []
        for group in (*sorted(groups), *spare):
            for x in "kv":
                for i, j in self._beside(source):
                    self._arrow((read, "", i), (f"{lead}{x}", group, j))
                self._encoded(f"{lead}{x}", group, source)
        listed_heads: list[int | str] = [*heads, *([_REST] if others else [])]
        for head in listed_heads:
            mine: list[Unit] = [*open_groups, *spare] if isinstance(head, str) else [head // each]
            self._stream(tower, queried, f"{at}q", ("", head))
            own: list[Unit] = [*(u for u in patterns if u[1] == head), ("key", head, _REST)]
            for part in own:
                self._stream(tower, f"{at}q", f"{at}pattern", (head, part))
                self._look(tower, across, [(f"{lead}k", g) for g in mine], (f"{lead}pattern", part))
                self._stream(tower, f"{at}pattern", f"{at}z", (part, head))
            self._look(tower, across, [(f"{lead}v", g) for g in mine], (f"{lead}z", head))
            self._stream(tower, f"{at}z", f"{at}{'attn.out' if across is None else 'out'}", (head, ""))

    def _look(
        self, tower: Tower, across: Tower | None, looked_at: list[tuple[str, Unit]], by: tuple[str, Unit]
    ) -> None:
        """Keys or values go into what looks at them, as far as positions see each other."""
        mine, theirs = self.stretches[tower.name], self.stretches[(across or tower).name]
        for i in range(len(theirs.members)):
            for j in range(len(mine.members)):
                if across is not None or mine.sees(i, j) or mine.meet(i, j):
                    for part in looked_at:
                        self._arrow((*part, i), (*by, j))
