"""A forward pass written out by hand, in which every read takes its own stream. It knows nothing of nested worlds.

A wire `(A -> B) = v` is arithmetic here: what B reads is the stream less A's write plus the write of v; then the norm,
and the projection of B alone. The stream keeps an account of what each write has put into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from causalcircuit.query import (
    Binary,
    Column,
    Counterfactual,
    Expr,
    Input,
    Negative,
    Number,
    Position,
    Readout,
    Site,
    Wire,
    World,
    walk_world,
)


class Parts(Protocol):
    """A decoder of pre-norm blocks in pieces: every function takes and gives [positions, width]."""

    layers: int
    heads: int
    groups: int

    def embed(self, ids: Tensor) -> Tensor: ...
    def norm1(self, layer: int, x: Tensor) -> Tensor: ...
    def norm2(self, layer: int, x: Tensor) -> Tensor: ...
    def last_norm(self, x: Tensor) -> Tensor: ...
    def q(self, layer: int, head: int, x: Tensor) -> Tensor: ...
    def k(self, layer: int, group: int, x: Tensor) -> Tensor: ...
    def v(self, layer: int, group: int, x: Tensor) -> Tensor: ...
    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor: ...
    def put(self, layer: int, head: int, z: Tensor) -> Tensor: ...
    def bias(self, layer: int) -> Tensor | float: ...
    def neurons(self, layer: int, x: Tensor) -> Tensor: ...
    def down(self, layer: int, neurons: Tensor) -> Tensor: ...
    def down_bias(self, layer: int) -> Tensor | float: ...
    def logits(self, x: Tensor) -> Tensor: ...


@dataclass(repr=False)
class Trace:
    """What a pass was: every site by its local address, and the logits in which each readout is read."""

    sites: dict[str, Tensor] = field(default_factory=dict)
    logits: Callable[[Readout], Tensor] = lambda _: torch.empty(0)


@dataclass(repr=False)
class Hand:
    """Passes over one row."""

    parts: Parts
    tokenize: Callable[[str], list[int]]
    row: dict[str, Any]
    prompt: str
    known: dict[World, Trace] = field(default_factory=dict)

    def readout(self, readout: Readout, world: World) -> float:
        """A logit of one token at a position."""
        assert readout.kind == "logit"
        said = self.row[readout.answer.name] if isinstance(readout.answer, Column) else readout.answer.value  # type: ignore[union-attr]
        (token,) = self.tokenize(said)
        trace = self.trace(world)
        logits = trace.logits(readout)
        (at,) = places(readout.position, len(logits))
        return float(logits[at, token])

    def trace(self, world: World) -> Trace:
        if world not in self.known:
            self.known[world] = self._run(world)
        return self.known[world]

    def value(self, e: Expr, bare: Callable[[Site], Tensor]) -> Tensor:
        """An expression's value; `bare` gives sites of this very pass."""
        match e:
            case Number(value=value):
                return torch.tensor(value, dtype=torch.float64)
            case Column(name=name):
                return torch.tensor(self.row[name], dtype=torch.float64)
            case Site():
                return bare(e)
            case Counterfactual(value=Site() as site, world=world):
                found = self.trace(world).sites[site.address.local]
                return found[places(site.position, len(found))]
            case Negative(operand=operand):
                return -self.value(operand, bare)
            case Binary(op=op, left=left, right=right):
                a, b = self.value(left, bare), self.value(right, bare)
                return {"+": a + b, "-": a - b, "*": a * b}[op]
        raise TypeError(type(e).__name__)

    def _run(self, world: World) -> Trace:
        p = self.parts
        text = next((a.value for a in world.assignments if isinstance(a.target, Input)), None)
        prompt = self.row[text.name] if isinstance(text, Column) else self.prompt
        ids = torch.tensor(self.tokenize(prompt))
        count = len(ids)
        trace = Trace()
        natural: dict[str, Tensor] = {}
        account: dict[str, Tensor] = {}
        fixed = [a for a in world.assignments if isinstance(a.target, Site)]
        wires = [a for a in world.assignments if isinstance(a.target, Wire)]

        def bare(site: Site) -> Tensor:
            found = natural[site.address.local] if site.address.local in own else trace.sites[site.address.local]
            return found[places(site.position, count)]

        own: set[str] = set()
        # Neurons are many: only those that the world names have an account.
        named = {e.address.local for e in walk_world(world) if isinstance(e, Site)}

        def alone(name: str, x: Tensor) -> Tensor:
            """What one head reads at a site that others share: assigned as the site is, and seen by that head only."""
            before = natural[name], trace.sites[name]
            out = site(name, x)
            natural[name], trace.sites[name] = before
            return out

        def site(name: str, x: Tensor) -> Tensor:
            """A site with what is assigned to it, wide before narrow."""
            natural[name] = x
            mine = [a for a in fixed if a.target.address.local == name]  # type: ignore[union-attr]
            out = x.clone()
            for a in sorted(mine, key=lambda a: -len(places(a.target.position, count))):  # type: ignore[union-attr]
                own.add(name)
                out[places(a.target.position, count)] = self.value(a.value, bare)  # type: ignore[union-attr]
                own.discard(name)
            trace.sites[name] = out
            return out

        stream = site("embed", p.embed(ids))
        account["embed"] = stream

        def written(name: str, value: Tensor) -> Tensor:
            """What a write with this value puts into the stream."""
            parts = name.split(".")
            if name == "embed" or (parts[-1] == "out" and parts[1] in ("mlp", "attn")):
                return value
            layer = int(parts[0][6:-1])
            if parts[1].startswith("head"):
                return p.put(layer, int(parts[1][5:-1]), value)
            k = int(parts[2][7:-1])
            alone = torch.zeros_like(natural[f"layer[{layer}].neurons"])
            alone[:, k : k + 1] = value
            return p.down(layer, alone)

        def closer(wire: Wire, end: str) -> set[int]:
            """The positions at which another wire out of the same source ends in this very read."""
            if _ends(wire, end):
                return set()
            same = [a.target for a in wires if _ends(a.target, end) and a.target.source == wire.source]  # type: ignore[union-attr]
            return {i for w in same for i in places(w.target.position, count)}  # type: ignore[union-attr]

        def into(stream: Tensor, *ends: str, keep: bool = False, readout: Readout | None = None) -> Tensor:
            """The stream as one read takes it; with `keep`, all that comes later takes it so."""
            out = stream
            taken = {a.target.source for a in wires if readout in _readouts(a.target.target)}  # type: ignore[union-attr]
            for a in wires:
                wire = a.target
                assert isinstance(wire, Wire)
                if isinstance(wire.target, Site):
                    hit = wire.target.address.local in ends
                    # A wire into this very read says more than the one into what it is made of.
                    over = closer(wire, ends[0]) if hit else set()
                    at = [i for i in places(wire.target.position, count) if i not in over]
                    hit = hit and not (readout is not None and wire.source in taken)
                else:
                    hit = not ends and readout is not None and readout in _readouts(wire.target)
                    at = places(readout.position, count) if readout is not None else []
                if not hit:
                    continue
                assert isinstance(wire.source, Site)
                name = wire.source.address.local
                new = trace.sites[name].clone()
                own.add(name)
                new[places(wire.source.position, count)] = self.value(a.value, bare)
                own.discard(name)
                both = [x for x in places(wire.source.position, count) if x in at]
                out = out.clone()
                fresh = written(name, new)
                out[both] += fresh[both] - account[name][both]
                if keep:
                    account[name] = account[name].clone()
                    account[name][both] = fresh[both]
            return out

        def passing(name: str, *more: str) -> None:
            nonlocal stream
            before = stream
            stream = into(stream, name, *more, keep=True)
            aliases = (name, *more)
            new = site(next((n for n in aliases if any(a.target.address.local == n for a in fixed)), name), stream)  # type: ignore[union-attr]
            if new is not before and not torch.equal(new, stream):
                changed = [i for i in range(count) if not torch.equal(new[i], stream[i])]
                for key in account:  # what was assigned to the stream holds nobody's write any more
                    account[key] = account[key].clone()
                    account[key][changed] = float("nan")
            for other in aliases:
                trace.sites[other] = new
            stream = new

        for i in range(p.layers):
            at = f"layer[{i}]"
            passing(f"{at}.resid_in", *((f"layer[{i - 1}].resid",) if i else ()))
            keys, values = [], []
            per = p.heads // p.groups

            def read(*ends: str, i: int = i, at: str = at, x: Tensor = stream) -> Tensor:
                return site(f"{at}.attn.in", p.norm1(i, into(x, *ends, f"{at}.attn.in")))

            for g in range(p.groups):
                keys.append(site(f"{at}.kv[{g}].k", p.k(i, g, read(f"{at}.kv[{g}].k"))))
                values.append(site(f"{at}.kv[{g}].v", p.v(i, g, read(f"{at}.kv[{g}].v"))))
            total = 0
            for j in range(p.heads):
                g = j // per
                k, v = keys[g], values[g]
                if per > 1 and any(_ends(a.target, f"{at}.head[{j}].k") for a in wires):
                    k = alone(f"{at}.kv[{g}].k", p.k(i, g, read(f"{at}.head[{j}].k", f"{at}.kv[{g}].k")))
                if per > 1 and any(_ends(a.target, f"{at}.head[{j}].v") for a in wires):
                    v = alone(f"{at}.kv[{g}].v", p.v(i, g, read(f"{at}.head[{j}].v", f"{at}.kv[{g}].v")))
                q = site(f"{at}.head[{j}].q", p.q(i, j, read(f"{at}.head[{j}].q")))
                z = site(f"{at}.head[{j}].out", p.mix(q, k, v))
                account[f"{at}.head[{j}].out"] = p.put(i, j, z)
                total = total + account[f"{at}.head[{j}].out"]
            write = site(f"{at}.attn.out", total + p.bias(i))
            account[f"{at}.attn.out"] = write
            stream = stream + write
            passing(f"{at}.resid_mid")
            taken = site(f"{at}.mlp.in", p.norm2(i, into(stream, f"{at}.mlp.in")))
            neurons = p.neurons(i, taken)
            natural[f"{at}.neurons"] = neurons
            for k in range(neurons.shape[1]):
                name = f"{at}.mlp.neuron[{k}]"
                if name not in named:
                    trace.sites[name] = neurons[:, k : k + 1]
                    continue
                new = site(name, neurons[:, k : k + 1])
                neurons = torch.cat([neurons[:, :k], new, neurons[:, k + 1 :]], 1)
                account[name] = written(name, new)
            write = site(f"{at}.mlp.out", p.down(i, neurons) + p.down_bias(i))
            account[f"{at}.mlp.out"] = write
            stream = stream + write
        passing(f"layer[{p.layers - 1}].resid")

        def logits(readout: Readout) -> Tensor:
            x = into(stream, readout=readout)
            return p.logits(site("final_norm", p.last_norm(into(x, "final_norm", readout=readout))))

        site("final_norm", p.last_norm(into(stream, "final_norm")))
        trace.logits = logits
        return trace


def _ends(target: Expr, name: str) -> bool:
    return isinstance(target, Wire) and isinstance(target.target, Site) and target.target.address.local == name


def _readouts(e: Expr) -> list[Readout]:
    if isinstance(e, Readout):
        return [e]
    return [*_readouts(e.left), *_readouts(e.right)] if isinstance(e, Binary) else []


def places(position: Position, count: int) -> list[int]:
    """The positions that these tests use."""
    match position.kind:
        case "all":
            return list(range(count))
        case "last":
            return [count - 1]
        case "first":
            return [0]
        case "index":
            assert position.index is not None
            return [position.index % count]
        case "list":
            found: Sequence[int] = [x for p in position.parts for x in places(p, count)]
            return list(found)
    raise ValueError(position.kind)
