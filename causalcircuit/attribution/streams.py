"""How writes enter the streams of a model and how reads take from them, to first order, around one pass.

Everything is asked of the graph that the pass left behind, so that no family needs a line: what a norm, a projection, a
rotation or a layer scale does to a small change is what autograd says it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from causalcircuit.attribution.fast import HeadRead, PlainRead, head_read, maps_of, norm_of
from causalcircuit.attribution.grounds import Grounds
from causalcircuit.attribution.layout import Event, Norm, Read, Write, events
from causalcircuit.attribution.passes import Recorded
from causalcircuit.models import Attention, Block, LoadedModel, ModuleTap, Tap, Term
from causalcircuit.query import Site

Meeting = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""What a change and a gradient [places, width] are worth at each place; given the rows' places and their number."""


class Finer(Protocol):
    """Nodes that are finer than whole parts, with the scores of the wires between them."""

    def names(self) -> set[str]:
        """Tensors that a pass with gradients keeps for them."""

    def written(self) -> set[str]:
        """Tensors whose change between both worlds is asked for."""

    def taps(self) -> list[Tap]:
        """What a pass with gradients keeps for them that is no site."""

    def via(self, read: Site) -> Site | None:
        """The read of a stream through which a node reads that reads by itself; `None` for any other read."""

    def scores(
        self, streams: Streams, here: Recorded, delta: Mapping[str, Tensor], meeting: Meeting | None = None
    ) -> Tensor:
        """[rows, wires] of their wires."""


@dataclass(eq=False)
class Streams:
    """The writes and reads of a loaded model.

    Attributes:
        model: it. events: its writes, reads and norms of streams in order.
        tailed: names of attentions with something between their projection and the stream.
        quick: what reads in closed form, by the name before its tensors (`layer[1].`) or of what it is given.
        finer: the nodes asked for, where they are finer than the parts of `events`.
        grounds: where the positions of rows are.
        together: how many writes go along a stream at once; all of them where it is not said.
    """

    model: LoadedModel
    events: tuple[Event, ...]
    blocks: Mapping[tuple[str, int], Block]
    tailed: set[str] = field(default_factory=set)
    quick: dict[str, HeadRead | PlainRead] = field(default_factory=dict)
    finer: Finer | None = None
    grounds: Grounds | None = None
    together: int | None = None
    _projected_at: int | None = field(default=None, init=False)

    @classmethod
    def of(cls, model: LoadedModel) -> Streams:
        """Lay a model out."""
        blocks = {(s.tower.name, i): b for s in model.stacks for i, b in enumerate(s.blocks)}
        order = {s.tower.name: tuple(b.order for b in s.blocks) for s in model.stacks}
        return cls(model, events(model.sites, model.ref.name, order), blocks)

    def names(self) -> Iterator[str]:
        """Taps that a pass with gradients keeps."""
        for stack in self.model.stacks:
            lead = stack.tower.prefix
            for i, block in enumerate(stack.blocks):
                at = f"{lead}layer[{i}]"
                yield f"{lead}resid[{i}]"
                yield from (f"{at}.{x}" for x in ("z", "attn.out"))
                if f"{at}." not in self.quick:
                    yield from (f"{at}.{x}" for x in "qkv")
                if block.order != "parallel" and (f"{at}.mlp.in" not in self.quick or block.cross is not None):
                    yield f"{at}.resid_mid"
                if block.cross is not None:
                    yield from (f"{at}.cross.{x}" for x in ("q", "k", "v", "z", "out"))
                yield from (f"{at}.mlp.in", f"{at}.mlp.out")
            yield f"{lead}resid[{len(stack.blocks)}]"
        if self.model.sites.projector:
            yield "projector.out"

    def written(self) -> list[Tap]:
        """Taps of what is written, and of nothing else."""
        ends = (".z", "mlp.out", "resid[0]", "projector.out")
        more = set() if self.finer is None else self.finer.written()
        return [self.model.taps[n] for n in dict.fromkeys((*self.names(), *more)) if n.endswith(ends) or n in more]

    def settled(self) -> list[Tap]:
        """The same with what they become where dictionaries are assigned."""
        names = [t.name for t in self.written()]
        return [self.model.taps[n] for n in dict.fromkeys((*names, *map(self.model.read_at, names)))]

    def taps(self, *, probe: bool = False) -> list[Tap]:
        """The same as taps, with those that are no sites: what projections give, and norms behind cross-attention."""
        more = () if self.finer is None else self.finer.names()
        found = [self.model.taps[n] for n in dict.fromkeys((*self.names(), *more)) if n in self.model.taps]
        found.extend(() if self.finer is None else self.finer.taps())
        found.extend(t for quick in self.quick.values() if isinstance(quick, HeadRead) for t in quick.taps)
        for stack in self.model.stacks:
            for i, block in enumerate(stack.blocks):
                at = f"{stack.tower.prefix}layer[{i}]"
                if probe:
                    found.append(self.model.taps[f"{at}.attn.in"])
                    found.extend(maps_of(block.attention, f"{at}.", stack.tower.name))
                for lead, core in ((f"{at}.", block.attention), (f"{at}.cross.", block.cross)):
                    if core is not None and (probe or lead in self.tailed):
                        found.append(
                            ModuleTap(f"{lead}projected", stack.tower.width, stack.tower.name, core.projection, "out")
                        )
                if block.order == "post" and block.cross is not None:
                    found.append(
                        ModuleTap(f"{at}.cross.mid", stack.tower.width, stack.tower.name, block.norms[0], "out")
                    )
        return found

    @property
    def roots(self) -> frozenset[str]:
        """Where gradients begin: the first stream of each tower."""
        return frozenset(f"{s.tower.prefix}resid[0]" for s in self.model.stacks)

    def look(self, probe: Recorded) -> None:
        """Learn from a pass with `taps(probe=True)`, and a graph, what is simple and what is not."""
        for name, value in probe.nodes.items():
            if name.endswith(".projected"):
                lead = name.removesuffix("projected")
                out = probe.nodes[f"{lead}out" if lead.endswith(".cross.") else f"{lead}attn.out"]
                if value.shape != out.shape or not torch.equal(value, out):
                    self.tailed.add(lead)
        if self.model.sites.projector:
            seen = next((t.prefix for t in self.model.sites.towers if t.modality != "text"), "")
            self._projected_at = self.projected_from(seen, probe)

    def shorten(self, probe: Recorded, gradients: Mapping[str, Tensor]) -> None:
        """Find what reads in closed form, and hold it against autograd on the probe."""
        for event in self.events:
            if not isinstance(event, Read) or event.kind not in ("attn", "mlp"):
                continue
            block = self.blocks[event.tower, event.layer]
            prefix = f"{event.tower}." if event.tower else ""
            at = f"{prefix}layer[{event.layer}]."
            if block.order == "post" or (event.kind == "mlp" and block.cross is not None):
                continue
            x = self.stream(event, probe)
            name = f"{at}attn.in" if event.kind == "attn" else f"{at}mlp.in"
            norm = norm_of(block.module, x, probe.nodes[name].detach())
            if norm is None:
                continue
            quick: HeadRead | PlainRead | None = PlainRead(norm, name)
            if event.kind == "attn":
                maps = maps_of(block.attention, at, event.tower)
                quick = head_read(block.attention, at, maps, norm, probe.nodes)
            if quick is None:
                continue
            if self._holds(event, quick, gradients, probe):
                self.quick[at if event.kind == "attn" else name] = quick

    def _holds(self, read: Read, quick: HeadRead | PlainRead, gradients: Mapping[str, Tensor], probe: Recorded) -> bool:
        """Whether a closed form gives what autograd gives: of a random mixture of all ports, since both are linear."""
        x = self.stream(read, probe)
        prefix = f"{read.tower}." if read.tower else ""
        at = f"{prefix}layer[{read.layer}]."
        names = [f"{at}{x}" for x in "qkv"] if read.kind == "attn" else [f"{at}mlp.in"]
        stream = f"{prefix}resid[{read.layer}]"
        if read.kind == "mlp" and self.blocks[read.tower, read.layer].order == "pre":
            stream = f"{at}resid_mid"
        generator = torch.Generator().manual_seed(len(self.quick))
        found = quick.pull(x, gradients)
        weights = (torch.rand(len(found), generator=generator) + 0.5).to(found)
        known, port = torch.zeros_like(x), 0
        for name in names:
            whole = gradients[name]
            count = 1 if read.kind == "mlp" else whole.shape[-1] // self.model.sites.tower(read.tower).head_dim
            mixed = whole.reshape(len(whole), count, -1) * weights[port : port + count, None]
            known = known + _pulled(probe.nodes[name], probe.nodes[stream], mixed.reshape(whole.shape)[None])[0]
            port += count
        if port != len(found):
            return False
        near = 1e-9 if x.dtype == torch.float64 else 1e-4
        mixed = torch.einsum("rpd,r->pd", found, weights)
        if not bool(known.isfinite().all()):
            return False
        return torch.allclose(mixed, known, rtol=0, atol=near * max(float(known.abs().max()), 1e-30))

    def stream(self, read: Read, here: Recorded) -> Tensor:
        """The value of the stream that an attention or an MLP reads."""
        prefix = f"{read.tower}." if read.tower else ""
        before = here.nodes[f"{prefix}resid[{read.layer}]"].detach()
        block = self.blocks[read.tower, read.layer]
        if read.kind == "attn" or block.order == "parallel":
            return before
        between = here.nodes.get(f"{prefix}layer[{read.layer}].resid_mid")
        if between is not None:  # it may have been moved, by what no part writes
            return between.detach()
        return before + scaled(here.nodes[f"{prefix}layer[{read.layer}].attn.out"].detach(), block.attention.write)

    def write(self, write: Write, delta: Mapping[str, Tensor], here: Recorded) -> Tensor:
        """[places, nodes, width] how each node of a write moves its stream, to first order, by `delta`."""
        prefix = f"{write.tower}." if write.tower else ""
        at = f"{prefix}layer[{write.layer}]."
        match write.kind:
            case "embed":
                whole = delta[f"{prefix}resid[0]"]
                if self.model.sites.projector and self.model.sites.readout_tower.name == write.tower:
                    whole = whole - self._projected(delta, here)
                return whole[:, None]
            case "projector":
                return self._projected(delta, here)[:, None]
            case "mlp":
                block = self.blocks[write.tower, write.layer]
                return scaled(delta[f"{at}mlp.out"], block.mlp)[:, None]
            case "heads":
                block = self.blocks[write.tower, write.layer]
                return self._heads(at, f"{at}attn.out", block.attention, delta, here)
            case "cross":
                cross = self.blocks[write.tower, write.layer].cross
                if cross is None:
                    raise TypeError("a cross-attention that the block has not")
                return self._heads(f"{at}cross.", f"{at}cross.out", cross, delta, here)

    def _heads(self, lead: str, out: str, core: Attention, delta: Mapping[str, Tensor], here: Recorded) -> Tensor:
        z = delta[f"{lead}z"]
        split = z.reshape(len(z), core.heads, core.head_dim)
        made = torch.einsum("phk,hkd->phd", split, _by_head(core, z))
        if lead in self.tailed:
            made = pushed(here.nodes[out], here.nodes[f"{lead}projected"], made)
        return scaled(made, core.write)

    def _projected(self, delta: Mapping[str, Tensor], here: Recorded) -> Tensor:
        prefix = self.model.sites.readout_tower.prefix
        return pushed(here.nodes[f"{prefix}resid[0]"], here.nodes["projector.out"], delta["projector.out"][:, None])[
            :, 0
        ]

    def norm(self, norm: Norm, changes: Tensor, here: Recorded) -> Tensor:
        """[places, nodes, width] changes of a stream behind a norm of it."""
        prefix = f"{norm.tower}." if norm.tower else ""
        at = f"{prefix}layer[{norm.layer}]."
        after = {
            "attn": f"{at}resid_mid", "cross": f"{at}cross.mid", "mlp": f"{prefix}resid[{norm.layer + 1}]",
        }[norm.after]  # fmt: skip
        before = {"attn": f"{at}attn.out", "cross": f"{at}cross.out", "mlp": f"{at}mlp.out"}[norm.after]
        return pushed(here.nodes[after], here.nodes[before], changes)

    def read(self, read: Read, gradients: Mapping[str, Tensor], here: Recorded) -> Tensor:
        """[places, nodes, width] the gradient of the readout in the stream, as each node of a read alone reads it."""
        prefix = f"{read.tower}." if read.tower else ""
        at = f"{prefix}layer[{read.layer}]."
        quick = self.quick.get({"attn": at, "mlp": f"{at}mlp.in"}.get(read.kind, ""))
        if quick is not None:
            return quick.pull(self.stream(read, here), gradients).transpose(0, 1)
        match read.kind:
            case "attn":
                return self._ports(at, "qkv", f"{prefix}resid[{read.layer}]", gradients, here)
            case "cross":
                x = f"{at}resid_mid"
                return self._ports(f"{at}cross.", "q", x, gradients, here)
            case "mlp":
                name, scale = self.given(read)
                found = self._pulled(f"{at}mlp.in", name, gradients, here)
                return found if scale is None else found / scale
            case "end" if read.reader == "projector":
                return self._seen(prefix, gradients, here)
            case "end" if read.nodes == (None,):
                name = f"{prefix}resid[{read.layer}]"
                return gradients[name][:, None]
            case "end":
                other = self.model.sites.tower(read.reader)
                lead = f"{other.prefix}layer[{read.layer}].cross."
                last = self.model.sites.tower(read.tower).layers
                return self._ports(lead, "kv", f"{prefix}resid[{last}]", gradients, here)
        raise TypeError(f"{read} is no read")

    def given(self, read: Read) -> tuple[str, Tensor | float | None]:
        """The tensor in which a gradient is taken for the stream that an MLP reads, and the stream's share of it."""
        prefix = f"{read.tower}." if read.tower else ""
        at = f"{prefix}layer[{read.layer}]."
        block = self.blocks[read.tower, read.layer]
        if block.order == "parallel":
            return f"{prefix}resid[{read.layer}]", None
        if block.cross is None:
            return f"{at}resid_mid", None
        if block.order == "post":
            return f"{at}cross.mid", None
        # The stream between has no tensor; a change of what cross-attention writes is one of the stream.
        return f"{at}cross.out", block.cross.write.scale

    def _seen(self, prefix: str, gradients: Mapping[str, Tensor], here: Recorded) -> Tensor:
        at = self.projected_from(prefix, here)
        return self._pulled("projector.out", f"{prefix}resid[{at}]", gradients, here)

    def projected_from(self, prefix: str, here: Recorded) -> int:
        """How many blocks stand before the stream that a projector reads: LLaVA's leaves the last one out."""
        if self._projected_at is not None:
            return self._projected_at
        last = sum(n.startswith(f"{prefix}resid[") for n in here.nodes) - 1
        made = here.nodes["projector.out"].sum()
        for k in range(last, 0, -1):
            (g,) = torch.autograd.grad(made, here.nodes[f"{prefix}resid[{k}]"], retain_graph=True, allow_unused=True)
            if g is not None:
                return k
        return 0

    def _pulled(self, y: str, x: str, gradients: Mapping[str, Tensor], here: Recorded) -> Tensor:
        return _pulled(here.nodes[y], here.nodes[x], gradients[y][None]).transpose(0, 1)

    def _ports(self, lead: str, which: str, x: str, gradients: Mapping[str, Tensor], here: Recorded) -> Tensor:
        tower = self.model.sites.tower(self.model.taps[f"{lead}q"].stand)
        parts: list[Tensor] = []
        for port in which:
            name = f"{lead}{port}"
            whole = gradients[name]
            each = torch.zeros(tower.heads if port == "q" else tower.groups, *whole.shape).to(whole)
            for j in range(len(each)):
                own = slice(j * tower.head_dim, (j + 1) * tower.head_dim)
                each[j, :, own] = whole[:, own]
            parts.append(_pulled(here.nodes[name], here.nodes[x], each))
        return torch.cat(parts).transpose(0, 1)


def _pulled(y: Tensor, x: Tensor, each: Tensor) -> Tensor:
    """[n, places of x, width] gradients in x of `each` [n, places of y, width] gradient in y."""
    found: list[Tensor] = []
    if not (y.requires_grad and x.requires_grad):  # nothing between them depends on what a pass was changed by
        return x.new_zeros(len(each), *x.shape)
    for one in each:
        (g,) = torch.autograd.grad(y, x, one, retain_graph=True, allow_unused=True)
        found.append(torch.zeros_like(x) if g is None else g)
    return torch.stack(found)


def pushed(y: Tensor, x: Tensor, each: Tensor) -> Tensor:
    """[places of y, n, width] changes of y for `each` [places of x, n, width] change of x: two pulls make a push."""
    with torch.enable_grad():
        u = torch.zeros_like(y, requires_grad=True)
        (g,) = torch.autograd.grad(y, x, u, create_graph=True)
        made = [torch.autograd.grad(g, u, v, retain_graph=True)[0] for v in each.unbind(1)]
    return torch.stack(made, 1)


def scaled(change: Tensor, term: Term) -> Tensor:
    """What a part's write is in the stream."""
    return change if term.scale is None else change * term.scale


def _by_head(core: Attention, like: Tensor) -> Tensor:
    """[heads, head_dim, width] the part of the output projection that each head goes through."""
    size = core.heads * core.head_dim
    return head_rows(core.projection, size, like).reshape(core.heads, core.head_dim, -1)


def head_rows(projection: nn.Module, size: int, like: Tensor) -> Tensor:
    """[inputs, width] a linear map without its bias, by which each of its `size` inputs is written."""
    weight = getattr(projection, "weight", None)
    if isinstance(weight, Tensor) and weight.is_floating_point() and weight.ndim == 2:
        return weight.T if isinstance(projection, nn.Linear) else weight
    with torch.inference_mode():  # packed weights: what the map does to each unit vector
        unit = torch.eye(size, device=like.device, dtype=like.dtype)
        made: Tensor = projection(unit) - projection(torch.zeros_like(unit[:1]))
    return made
