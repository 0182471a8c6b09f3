"""The causal diagram of a tiny transformer written out: every head, neuron and position a vertex of its own.

It follows the definition of a block and shares no code with the package. Positions are numbers; `token(…)` is put
somewhere by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import networkx as nx

from causalcircuit.query import Position, Site, SiteTable, Tower
from causalcircuit.query.expr import Expr, Generated, Input, Readout

Vertex = tuple[str, int]
"""A scalar part of the model by its address, and a position."""


@dataclass
class Explicit:
    """All of it for prompts of `lengths` (by tower); `new` positions follow the text of the readout's tower."""

    table: SiteTable
    lengths: dict[str, int]
    new: int = 0
    graph: nx.DiGraph = field(default_factory=nx.DiGraph)

    def __post_init__(self) -> None:
        last = self.table.towers[-1]
        self.n = {t.name: self.lengths[t.name] + (self.new if t is last else 0) for t in self.table.towers}
        for tower in self.table.towers:
            p = tower.prefix
            for i in range(self.n[tower.name]):
                prompted = i < self.lengths[tower.name]
                self.graph.add_edge(("row", 0), (f"channel {tower.channel}", 0))
                self.arrow(f"channel {tower.channel}" if prompted else "row", 0, f"{p}stream 0", i)
            for layer in range(tower.layers):
                self.block(tower, layer)
            for i in range(self.n[tower.name]):
                self.arrow(f"{p}stream {tower.layers}", i, f"{p}norm", i)

    def arrow(self, cause: str, i: int, effect: str, j: int) -> None:
        self.graph.add_edge((cause, i), (effect, j))

    def block(self, tower: Tower, layer: int) -> None:
        p, x = tower.prefix, f"{tower.prefix}{layer}."
        for i in range(self.n[tower.name]):
            self.arrow(f"{p}stream {layer}", i, f"{x}attn.in", i)
            self.attend(tower, x, "attn", f"{x}attn.in", f"{x}attn.in", tower, i)
            before = f"{p}stream {layer}"
            if not tower.parallel:
                self.arrow(before, i, f"{x}mid", i)
                self.arrow(f"{x}attn.out", i, f"{x}mid", i)
                before = f"{x}mid"
            self.arrow(before, i, f"{x}mlp.in", i)
            parts = [before, f"{x}mlp.out"] + ([f"{x}attn.out"] if tower.parallel else [])
            if tower.cross:
                other = self.table.towers[self.table.towers.index(tower) - 1]
                self.attend(tower, x, "cross", before, f"{other.prefix}norm", other, i)
                self.arrow(f"{x}cross.out", i, f"{x}mlp.in", i)
                parts.append(f"{x}cross.out")
            if tower.mixed(layer):
                for e in range(tower.experts):
                    for cause, effect in ((f"{x}mlp.in", f"{x}router"), (f"{x}mlp.in", f"{x}expert {e}"),
                                          (f"{x}router", f"{x}expert {e}"), (f"{x}router", f"{x}mlp.out"),
                                          (f"{x}expert {e}", f"{x}mlp.out")):  # fmt: skip
                        self.arrow(cause, i, effect, i)
            else:
                for k in range(tower.mlp):
                    self.arrow(f"{x}mlp.in", i, f"{x}neuron {k}", i)
                    self.arrow(f"{x}neuron {k}", i, f"{x}mlp.out", i)
            for part in parts:
                self.arrow(part, i, f"{p}stream {layer + 1}", i)

    def attend(self, tower: Tower, x: str, kind: str, queried: str, keyed: str, keys: Tower, i: int) -> None:
        for h in range(tower.heads):
            g = h // (tower.heads // tower.groups)
            self.arrow(queried, i, f"{x}{kind} q {h}", i)
            self.arrow(f"{x}{kind} q {h}", i, f"{x}{kind} pattern {h}", i)
            self.arrow(f"{x}{kind} pattern {h}", i, f"{x}{kind} z {h}", i)
            self.arrow(f"{x}{kind} z {h}", i, f"{x}{kind}.out", i)
            for j in range(self.n[keys.name]):
                for letter, effect in (("k", "pattern"), ("v", "z")):
                    self.arrow(keyed, j, f"{x}{kind} {letter} {g}", j)
                    if kind == "cross" or not tower.causal or j <= i:
                        self.arrow(f"{x}{kind} {letter} {g}", j, f"{x}{kind} {effect} {h}", i)

    # ---- nodes of the language

    def places(self, position: Position, tower: Tower, words: dict[str, int]) -> list[int]:
        n = self.lengths[tower.name]
        match position.kind:
            case "all":
                return list(range(n))
            case "last" | "first":
                return [n - 1 if position.kind == "last" else 0]
            case "index":
                return [int(position.index or 0) % n]
            case "token":
                return [words[str(position)] % n]
            case "list":
                return sorted({i for p in position.parts for i in self.places(p, tower, words)})
            case "except":
                whole, *less = (set(self.places(p, tower, words)) for p in position.parts)
                return sorted(whole.difference(*less))
        raise ValueError(position)

    def vertices(self, value: Expr, words: dict[str, int]) -> set[Vertex]:
        """What a node stands for; of a readout a vertex that is added."""
        if isinstance(value, Input):
            return {(f"channel {value.channel}", 0)}
        if isinstance(value, Site):
            tower, name = self.local(value)
            return {(name, i) for i in self.places(value.position, tower, words)}
        tower = self.table.towers[-1]
        own: Vertex = (repr(value), 0)
        assert isinstance(value, Readout | Generated)
        seen = range(self.n[tower.name])
        if isinstance(value, Readout):
            first = self.places(value.position, tower, words)
            seen = range(first[0], self.n[tower.name]) if value.kind != "logit" else range(first[0], first[0] + 1)
            if "Column" in repr(value):
                self.graph.add_edge(("row", 0), own)
        for i in seen:
            self.graph.add_edge((f"{tower.prefix}norm", i), own)
        return {own}

    def local(self, site: Site) -> tuple[Tower, str]:
        path = [(p.name, p.index) for p in site.address.path]
        tower = next((t for t in self.table.towers if t.name and t.name == path[0][0]), None)
        path = path[1:] if tower is not None else path
        tower = tower or next(t for t in self.table.towers if not t.name)
        p = tower.prefix
        if path[0][0] == "embed":
            return tower, f"{p}stream 0"
        if path[0][0] in ("final_norm", "out"):
            return tower, f"{p}norm"
        layer, *rest = path
        x = f"{p}{layer[1]}."
        kind = "attn"
        if rest[0][0] == "cross" and len(rest) > 1:
            kind, rest = ("cross", rest[1:]) if rest[1][0] != "out" else ("cross", rest)
        names = ".".join(name for name, _ in rest)
        table: dict[str, Callable[[], str]] = {
            "resid": lambda: f"{p}stream {int(str(layer[1])) + 1}",
            "resid_in": lambda: f"{p}stream {layer[1]}",
            "resid_mid": lambda: f"{x}mid",
            "head.out": lambda: f"{x}{kind} z {rest[0][1]}",
            "head.q": lambda: f"{x}{kind} q {rest[0][1]}",
            "kv.k": lambda: f"{x}{kind} k {rest[0][1]}",
            "kv.v": lambda: f"{x}{kind} v {rest[0][1]}",
            "mlp.neuron": lambda: f"{x}neuron {rest[1][1]}",
            "expert.out": lambda: f"{x}expert {rest[0][1]}",
            "router": lambda: f"{x}router",
        }
        found = table[names]() if names in table else f"{x}{names}"
        if kind == "cross" and names in ("kv.k", "kv.v"):
            return self.table.towers[self.table.towers.index(tower) - 1], found
        return tower, found
