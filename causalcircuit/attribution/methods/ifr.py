"""Information flow routes: Ferrando & Voita, arXiv 2403.00824, on what changes between two worlds.

A stream is a sum of writes, and each has a share in it by how near it comes to the sum: max(0, |y| - |w - y|) in the
1-norm, over that of all writes (ALTI, the paper's equation 4). Beginning at what is read at the end, importance flows
back along these shares: to the writes of a stream; from a head to the positions whose values it takes, by the
share of each in what the head writes; from an MLP to what it reads. Nothing is patched and nothing differentiated.

The paper takes one run. Here the writes are those of `to` less those of `from`, whose sums are the changes of the
streams, and the importance at the end is what the readout changes by: the scores of the wires into the readout add up
to it (docs/decisions/0025-nodes.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from causalcircuit.attribution.bench import Chunk
from causalcircuit.attribution.layout import Norm, Read, Write
from causalcircuit.attribution.methods.registry import method
from causalcircuit.attribution.passes import Recorded
from causalcircuit.attribution.streams import Streams, _by_head
from causalcircuit.diagnostics import error
from causalcircuit.models import Attention


@method("ifr")
def ifr(chunk: Chunk) -> Tensor:
    """[rows, wires] the part of the readout's change that flows along each wire; none flows by queries and keys."""
    streams, bench = chunk.streams, chunk.bench
    model = bench.rows.model
    if model.sites.projector:
        raise error(
            "CQ792",
            f"`ifr` follows no projector, and images become tokens by one in `{model.ref.name}`",
            model.ref.span,
            help="`eap_ig(10)` scores wires across modalities",
        )
    here, there = (_pass(chunk, end=end) for end in (False, True))
    if here.score is None or there.score is None or not here.score.requires_grad:
        _ = chunk.start  # says that nothing moves the readout
        raise TypeError("a pass without a readout")
    delta = {n: there.nodes[n].detach() - here.nodes[n].detach() for n in here.nodes}
    shares = dict(_shares(streams, here, delta))
    flow = _Flow(streams, here, there)
    flow.begin((there.score - here.score).detach())
    found: list[Tensor] = []
    for number in reversed(range(len(streams.events))):
        event = streams.events[number]
        if isinstance(event, Write):
            flow.back_through(event)
        elif isinstance(event, Read):
            found.append(flow.split(event, shares[number]))
    return torch.cat(found[::-1], 1)


def _pass(chunk: Chunk, *, end: bool) -> Recorded:
    bench = chunk.bench
    question, taps = bench.rows.question, {t.name: t for t in chunk.streams.taps()}
    for name, tap in bench.rows.model.taps.items():
        if name.endswith(".v"):
            taps.setdefault(name, tap)
    chunk.passes += len(chunk.range)
    world = question.end if end else question.start
    return bench.rows.run(world, chunk.range, list(taps.values()), roots=chunk.streams.roots, graph=True)


def proximity(parts: Tensor, whole: Tensor) -> Tensor:
    """[…, n] the shares of parts [..., n, width] in a sum [..., width]; zero where the sum is.

    Where parts undo each other none may come near the sum; then each has the share of what it has along it, if any.

    >>> proximity(torch.tensor([[3.0, 0.0], [1.0, 0.0], [0.0, -2.0]]), torch.tensor([4.0, -2.0]))
    tensor([0.5000, 0.1667, 0.3333])
    """
    size = whole.abs().sum(-1)[..., None]
    near = (size - (parts - whole[..., None, :]).abs().sum(-1)).clamp(min=0)
    # Rounding of |w - y| must not make something of nothing.
    near = torch.where((parts == 0).all(-1), torch.zeros_like(near), near)
    along = (parts * whole[..., None, :]).sum(-1).clamp(min=0)
    near = torch.where(near.sum(-1, keepdim=True) > 0, near, along)
    total = near.sum(-1, keepdim=True)
    return torch.where(total > 0, near / total, torch.zeros_like(near))


def _shares(streams: Streams, here: Recorded, delta: dict[str, Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Of each read [places, writes] the shares of the writes so far in the stream that it reads."""
    made: dict[str, list[Tensor]] = {}
    with torch.enable_grad():
        for number, event in enumerate(streams.events):
            own = made.setdefault(event.tower, [])
            if isinstance(event, Write):
                own.append(streams.write(event, delta, here).detach())
            elif isinstance(event, Norm):
                made[event.tower] = [streams.norm(event, torch.cat(own, 1), here).detach()]
            else:
                parts = torch.cat(own, 1)
                yield number, proximity(parts, parts.sum(1))


class _Flow:
    """Importance on its way back from the readout: what waits at writes and at reads, [places, nodes] each."""

    def __init__(self, streams: Streams, here: Recorded, there: Recorded) -> None:
        self.streams, self.here, self.there = streams, here, there
        self.writes: dict[str, Tensor] = {}
        self.reads: dict[tuple[str, str, int, str], Tensor] = {}
        self._first: dict[tuple[str, int, str], int] = {}
        counts: dict[str, int] = {}
        for event in streams.events:
            if isinstance(event, Write):
                self._first[event.tower, event.layer, event.kind] = counts.get(event.tower, 0)
                counts[event.tower] = counts.get(event.tower, 0) + len(event.nodes)
        for tower, count in counts.items():
            size = len(here.nodes[f"{tower}." * bool(tower) + "resid[0]"])
            like = next(iter(here.nodes.values()))
            self.writes[tower] = torch.zeros(size, count, dtype=torch.float64, device=like.device)

    def begin(self, change: Tensor) -> None:
        """The change of the readout [rows], where it reads the last stream: by how strongly, over positions."""
        tower = self.streams.model.sites.readout_tower
        last = self.here.nodes[f"{tower.prefix}resid[{tower.layers}]"]
        if self.here.score is None:
            raise TypeError("a pass without a readout")
        (g,) = torch.autograd.grad(self.here.score.sum(), last, retain_graph=True)
        weight, owner = g.detach().abs().sum(-1).double(), self.here.owner[tower.name]
        total = weight.new_zeros(self.here.rows).index_add_(0, owner, weight)
        part = torch.where(total[owner] > 0, weight / total[owner], 0.0)
        self.reads["end", tower.name, tower.layers, ""] = (part * change.double()[owner])[:, None]

    def split(self, read: Read, share: Tensor) -> Tensor:
        """[rows, reads · writes] what flows along each wire into a read, which waits at the writes from then on."""
        waiting = self.reads.get((read.kind, read.tower, read.layer, read.reader))
        if waiting is None:
            waiting = share.new_zeros(len(share), len(read.nodes), dtype=torch.float64)
        each = waiting[:, :, None] * share.double()[:, None]  # [places, reads, writes]
        self.writes[read.tower][:, : share.shape[1]] += each.sum(1)
        out = each.new_zeros(self.here.rows, *each.shape[1:])
        return out.index_add_(0, self.here.owner[read.tower], each).flatten(1)

    def back_through(self, write: Write) -> None:
        """From what a part writes to what it reads."""
        if write.kind not in ("mlp", "heads", "cross"):
            return
        first = self._first[write.tower, write.layer, write.kind]
        own = self.writes[write.tower][:, first : first + len(write.nodes)]
        if write.kind == "mlp":
            self.reads["mlp", write.tower, write.layer, ""] = own
            return
        tower = self.streams.model.sites.tower(write.tower)
        block = self.streams.blocks[write.tower, write.layer]
        core = block.attention if write.kind == "heads" else block.cross
        if core is None:
            raise TypeError("a cross-attention that the block has not")
        lead = f"{tower.prefix}layer[{write.layer}]." + ("cross." if write.kind == "cross" else "")
        values = self._values(lead, write.tower, core, own)
        nothing = torch.zeros_like(values)
        if write.kind == "heads":
            queries = values.new_zeros(len(values), tower.heads)
            self.reads["attn", write.tower, write.layer, ""] = torch.cat((queries, nothing, values), 1)
        else:
            source = self.streams.model.sites.source(tower).name
            self.reads["end", source, write.layer, write.tower] = torch.cat((nothing, values), 1)

    def _values(self, lead: str, tower: str, core: Attention, own: Tensor) -> Tensor:
        """[places of values, groups] what flows to values: by their shares in what each head writes where."""
        stream = self.here.batch.streams[tower]
        keys = self.here.batch.streams[self.streams.model.taps[f"{lead}v"].stand]
        v = self.here.nodes[f"{lead}v"]
        out = own.new_zeros(len(v), core.groups)
        size, many = _length(stream, len(own)), _length(keys, len(v))
        weight = _by_head(core, v.detach())
        for column in range(size):
            at = torch.arange(len(own) // size, device=own.device) * size + column
            if not bool(own[at].any()):
                continue
            parts = self._parts(lead, core, self.there, at, many) - self._parts(lead, core, self.here, at, many)
            for j in range(core.heads):
                written = parts[:, :, j] @ weight[j]  # [items, keys, width]
                flowing = own[at, j][:, None] * proximity(written, written.sum(1)).double()
                out[:, j // (core.heads // core.groups)] += flowing.flatten()
        return out

    def _parts(self, lead: str, core: Attention, here: Recorded, at: Tensor, many: int) -> Tensor:
        """[items, keys, heads, head_dim] what each value gives to each head at one place of every item."""
        z, v = here.nodes[f"{lead}z"], here.nodes[f"{lead}v"]
        each = core.heads // core.groups
        values = v.detach().reshape(len(at), many, core.groups, core.head_dim)
        made = []
        for turn in range(each):
            # A head's output is the sum of its pattern times values: its slope in a value's first component is the
            # pattern. Heads that share values take turns.
            unit = torch.zeros_like(z).reshape(len(z), core.groups, each, core.head_dim)
            unit[at, :, turn, 0] = 1
            (g,) = torch.autograd.grad(z, v, unit.reshape(z.shape), retain_graph=True, allow_unused=True)
            pattern = torch.zeros_like(v) if g is None else g
            first = pattern.reshape(len(at), many, core.groups, core.head_dim)[..., :1]
            made.append(first * values)
        return torch.stack(made, 3).reshape(len(at), many, core.heads, core.head_dim)


def _length(stream: object, places: int) -> int:
    """Positions of one item, padding included."""
    total, starts = getattr(stream, "total", None), getattr(stream, "starts", ())
    if total is None:
        return int(getattr(stream, "length", 0))
    sizes = {b - a for a, b in zip(starts, (*starts[1:], total), strict=True)}
    if len(sizes) != 1:
        raise error(
            "CQ792",
            "`ifr` takes images of one size, and these have different numbers of patches",
            help="keep rows whose images are of one size, or take `eap_ig(10)`",
        )
    return int(sizes.pop())
