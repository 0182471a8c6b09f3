"""AtP*: attribution patching with the softmax recomputed and layers dropped; Kramár et al., arXiv 2403.00745.

Queries and keys: what they change by reaches the readout through a softmax that often stands in saturation, where its
slope says little. Their change is taken to the head's output with the softmax recomputed, and from there by gradient.
The model itself recomputes it: a pass in `from` in which all queries are those of `to`, and every head's output, once
seen, is put back (section 3.1.1).

GradDrop: effects along two routes may cancel in the sum of a gradient. For each layer, the gradient is taken with
what that layer writes held, and the sizes of these scores are averaged (section 3.1.2). The paper's score is that
size; here it has the sign of the sum of the scores, so that it is still a change of the readout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from causalcircuit.attribution.methods.registry import method
from causalcircuit.attribution.nodes import Group, NodeBench, NodeChunk, Stood

_FEWEST = 3
"""Layers for GradDrop: of two, holding the one leaves of the other's nodes nothing but what passes it by."""


@dataclass(frozen=True, slots=True, eq=False)
class Behind:
    """Queries or keys of one position: how the outputs of their heads change, with the softmax recomputed.

    Attributes:
        group: the nodes, as parts of the heads' outputs `tensor`. change: [places, components] of these.
        at: where. moved: [rows, nodes] whether the node changes at all.
    """

    group: Group
    change: Tensor
    at: Stood
    moved: Tensor


@method("atp_star", of="nodes")
def atp_star(chunk: NodeChunk) -> Tensor:
    """[rows, nodes] in size the mean over layers of |score with the layer held|, queries and keys recomputed."""
    writes = list(_writes(chunk.bench))
    chunk.keep([*_outputs(chunk.bench), *(n for layer in writes for n in layer)])
    _ = chunk.start, chunk.end  # no pass is to begin inside another
    behind = recomputed(chunk)
    if len(writes) < _FEWEST:
        return scored(chunk, behind)
    total, size = chunk.empty(), chunk.empty()
    for layer in writes:
        held = [chunk.start.nodes[n].register_hook(torch.zeros_like) for n in layer]  # type: ignore[no-untyped-call]
        found = scored(chunk, behind, layer)
        for hook in held:
            hook.remove()
        total, size = total + found, size + found.abs()
        chunk.passes += len(chunk.range)
    # A layer's own nodes score 0 where it is held, so that L - 1 of the scores say something.
    return torch.where(total < 0, -size, size) / (len(writes) - 1)


def scored(chunk: NodeChunk, behind: tuple[Behind, ...], held: Sequence[str] = ()) -> Tensor:
    """[rows, nodes] as attribution patching, but queries and keys by what they change in the outputs of their heads.

    Args:
        chunk, behind: of what. held: tensors whose own gradient is none, as hooks let none pass.
    """
    names = dict.fromkeys([*(g.tensor for g in chunk.bench.groups), *(b.group.tensor for b in behind)])
    gradients = chunk.gradients(list(names))
    for name in gradients.keys() & set(held):
        gradients[name] = torch.zeros_like(gradients[name])
    out = chunk.scored(gradients)
    for b in behind:
        out[:, b.group.numbers] = 0.0
        here = gradients[b.group.tensor]
        here = here if b.at.start is None else here[b.at.start]
        chunk.add(out, b.group, b.group.summed(here * b.change), b.at.owner)
        out[:, b.group.numbers] *= b.moved
    return out


def recomputed(chunk: NodeChunk) -> tuple[Behind, ...]:
    """What queries and keys change in the outputs of their heads.

    A query changes what its own position makes, so one pass serves all of them that stand alike in both worlds. A key
    is looked at from every position: each position of keys has a pass of its own.
    """
    found: list[Behind] = []
    for which in "qk":
        waiting: dict[object, list[Group]] = {}
        for g in chunk.bench.groups:
            if g.tensor.endswith(f".{which}"):
                shared = which == "q" and chunk.at(g).aligned
                waiting.setdefault("all" if shared else (g.stand, str(g.position)), []).append(g)
        for groups in waiting.values():
            outputs = _pass(chunk, groups)
            found.extend(_behind(chunk, g, outputs) for g in groups)
    return tuple(found)


def _pass(chunk: NodeChunk, groups: list[Group]) -> dict[str, Tensor]:
    """What heads write with queries, or keys, of `to` in the world `from`; nothing else sees that they change."""
    bench, start = chunk.bench, chunk.start.nodes
    by_tensor: dict[str, list[Group]] = {}
    for g in groups:
        by_tensor.setdefault(g.tensor, []).append(g)
    made: dict[str, Tensor] = {}

    def change(name: str, value: Tensor, owner: Mapping[str, Tensor]) -> Tensor:
        if name in by_tensor:
            new = value.clone()
            for g in by_tensor[name]:
                _put(new, chunk, g)
            return new
        made[name] = value.clone()
        return start[name].detach()

    names = [*by_tensor, *{_output(t) for t in by_tensor}]
    taps = [tap for name, tap in bench.rows.model.taps.items() if name in names]
    chunk.passes += len(chunk.range)
    bench.rows.run(bench.rows.question.start, chunk.range, taps, change=change, scored=False)
    return made


def _put(new: Tensor, chunk: NodeChunk, g: Group) -> None:
    """Write the values of `to` where the nodes of a group stand."""
    at, delta = chunk.at(g), chunk.change(g)
    places = torch.arange(len(new), device=new.device) if at.start is None else at.start
    columns = torch.arange(new.shape[1], device=new.device) if g.columns is None else g.columns
    now = chunk.start.nodes[g.tensor].detach()[places] + delta
    new[places[:, None], columns] = now[:, columns]


def _behind(chunk: NodeChunk, g: Group, outputs: Mapping[str, Tensor]) -> Behind:
    """The nodes of a group as parts of what their heads write."""
    bench, name = chunk.bench, _output(g.tensor)
    infos = [bench.infos[int(i)] for i in g.numbers]
    tower = bench.rows.model.sites.tower(infos[0].tower)
    # Queries a head; keys a group of heads, whose outputs stand side by side.
    width = tower.head_dim * (tower.heads * tower.head_dim // infos[0].size)
    starts = torch.tensor([i.start // tower.head_dim * width for i in infos])
    columns = (starts[:, None] + torch.arange(width)).flatten().to(outputs[name].device)
    group = replace(g, tensor=name, read=name, width=width, columns=columns)
    change = outputs[name] - chunk.start.nodes[name].detach()
    at = chunk.at(g)
    if g.tensor.endswith(".k"):  # seen from every position of what the heads stand on
        at = Stood(None, None, chunk.start.owner[infos[0].tower])
    elif at.start is not None:
        change = change[at.start]
    moved = chunk.empty()
    chunk.add(moved, g, g.summed(chunk.change(g).abs()), chunk.at(g).owner)
    return Behind(group, change, at, moved[:, g.numbers] != 0)


def _output(tensor: str) -> str:
    return f"{tensor[:-1]}z"


def _outputs(bench: NodeBench) -> Iterator[str]:
    yield from dict.fromkeys(_output(g.tensor) for g in bench.groups if g.tensor.endswith((".q", ".k")))


def _writes(bench: NodeBench) -> Iterator[list[str]]:
    """Of each layer of each tower the tensors that it writes into the stream."""
    taps = bench.rows.model.taps
    for stack in bench.rows.model.stacks:
        for i in range(len(stack.blocks)):
            at = f"{stack.tower.prefix}layer[{i}]."
            yield [n for x in ("attn.out", "cross.out", "mlp.out") if (n := f"{at}{x}") in taps]
