"""What activations of one pass must be of each other.

They hold of what was read, and again of what was written: where a part of one is disturbed, its result must follow,
so a write that does not reach all that the stream reaches is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from causalcircuit.models.contract.close import close
from causalcircuit.models.discover.cores import weight_of
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.roles import Attention, Block, RoleError, Stack, Term

Seen = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """One equation between tensors of a pass.

    Attributes:
        parts: the tensors on its left side. result: the one on its right side.
        blamed: the tensors that are doubtful where it fails. clause: the equation in words.
        holds: whether it does, of tensors by name. written: whether of what was written, too: its result is read
            after its parts are assigned.
    """

    parts: tuple[str, ...]
    result: str
    blamed: tuple[str, ...]
    clause: str
    holds: Callable[[Seen], bool]
    written: bool = True

    def known(self, seen: Container[str]) -> bool:
        """Whether all its tensors were seen."""
        return self.result in seen and all(name in seen for name in self.parts)


def identities_of(model: LoadedModel) -> list[Identity]:
    """The equations of all blocks."""
    return [identity for stack in model.stacks for identity in _stack(stack)]


def broken_identities(model: LoadedModel, seen: Seen) -> dict[str, str]:
    """The tensors that a broken identity makes doubtful, with the clause that fails."""
    broken: dict[str, str] = {}
    # Those of one part first: a tensor that fails its own is no witness against others.
    for identity in sorted(identities_of(model), key=lambda e: len(e.parts)):
        sound = {n: x for n, x in seen.items() if n not in broken}
        if identity.known(sound) and not identity.holds(sound):
            for name in identity.blamed:
                broken.setdefault(name, identity.clause)
    return broken


def _stack(stack: Stack) -> Iterator[Identity]:
    prefix = stack.tower.prefix
    for i, block in enumerate(stack.blocks):
        at, before, after = f"{prefix}layer[{i}]", f"{prefix}resid[{i}]", f"{prefix}resid[{i + 1}]"
        yield from _attention(f"{at}.", block.attention, "attention")
        if block.cross is not None:
            yield from _attention(f"{at}.cross.", block.cross, "cross-attention")
        yield _same(before, f"{at}.given", f"{at}: the stream is what its block is given")
        yield from _sums(at, block, f"{at}.given", after)
        yield _same(f"{at}.mlp.in", f"{at}.mlp.read", f"{at}: the MLP's input is what its first linear map is given")
        if block.last is not None:
            clause = f"{at}: neurons × last projection = what the MLP gives"
            yield from _linear(f"{at}.mlp.neurons", f"{at}.mlp.made", block.last, clause, 1)
        if block.mixture is not None:
            yield _experts(at, block.mixture.count)
    if stack.norm is not None:
        stream, normed = f"{prefix}resid[{len(stack.blocks)}]", f"{prefix}final_norm"
        yield _normed((stream,), normed, (normed, stream), f"{prefix}final norm of the last stream", stack.norm)


def _sums(at: str, block: Block, before: str, after: str) -> Iterator[Identity]:
    own, mid, mlp = (f"{at}.attn.out", block.attention.write), f"{at}.resid_mid", (f"{at}.mlp.out", block.mlp)
    cross = () if block.cross is None else ((f"{at}.cross.out", block.cross.write),)
    whole = f"{at}: stream + attention + MLP = next stream"
    if block.order == "parallel":
        yield _sum(before, (own, mlp), after, (own[0], mlp[0]), whole)
    elif block.order == "pre":
        between = f"{at}.between"
        yield _sum(before, (own,), between, (own[0], mid), f"{at}: stream + attention = stream between")
        yield _same(mid, between, f"{at}: the stream between is what is read after attention")
        yield _sum(mid, (*cross, mlp), after, (mlp[0], *(n for n, _ in cross)), whole)
    elif block.reader is not None:
        clause = f"{at}: norm of stream + attention = stream between"
        yield _normed((before, own[0]), mid, (own[0], mid), clause, block.reader, (None, own[1]))
        clause = f"{at}: norm of stream + MLP = next stream"
        names, terms = (mid, *(n for n, _ in cross), mlp[0]), (None, *(t for _, t in cross), mlp[1])
        yield _normed(names, after, (mlp[0],), clause, block.norms[-1], terms, block.norms[0] if cross else None)


def _sum(
    before: str, added: tuple[tuple[str, Term], ...], after: str, blamed: tuple[str, ...], clause: str
) -> Identity:
    def holds(seen: Seen) -> bool:
        total = seen[before]
        for name, term in added:
            total = total + _term(term, seen[name]).to(total.device)
        return close(total, seen[after])

    return Identity((before, *(n for n, _ in added)), after, blamed, clause, holds)


def _normed(
    names: tuple[str, ...],
    result: str,
    blamed: tuple[str, ...],
    clause: str,
    norm: nn.Module,
    terms: tuple[Term | None, ...] = (None,),
    inner: nn.Module | None = None,
) -> Identity:
    """The norm of a sum; `inner` is the norm that its first two terms pass before the last is added."""

    def holds(seen: Seen) -> bool:
        values = [seen[n] if t is None else _term(t, seen[n]) for n, t in zip(names, terms, strict=True)]
        with torch.inference_mode():
            total = values[0]
            for i, value in enumerate(values[1:], 1):
                total = total + value
                if inner is not None and i == 1:
                    total = inner(total)
            return close(norm(total.to(next(norm.parameters(), total).device)), seen[result])

    return Identity(names, result, blamed, clause, holds)


def _term(term: Term, value: Tensor) -> Tensor:
    return value if term.scale is None else term.scale * value


def _same(name: str, result: str, clause: str) -> Identity:
    return Identity((name,), result, (name,), clause, lambda seen: close(seen[name], seen[result]))


def _experts(at: str, count: int) -> Identity:
    names = tuple(f"{at}.expert[{e}]" for e in range(count))

    def holds(seen: Seen) -> bool:
        return close(torch.stack([seen[n] for n in names]).sum(0), seen[f"{at}.experts"])

    clause = f"{at}: the experts' outputs add up to the mixture's"
    return Identity(names, f"{at}.experts", names, clause, holds, written=False)


def _attention(at: str, attention: Attention, what: str) -> Iterator[Identity]:
    z, pattern, v = f"{at}z", f"{at}pattern", f"{at}v"
    if what == "attention":
        clause = f"{at}attn.in is what its queries are made of"
        yield _same(f"{at}attn.in", f"{at}read", clause)
    if attention.caught == "interface":
        for which in "qkv":
            clause = f"{at}{which} is what the attention function is given"
            yield replace(_same(f"{at}{which}", f"{at}given.{which}", clause), written=False)
    clause = f"{at[:-1]}: heads + bias = {what}"
    yield from _linear(z, f"{at}projected", attention.projection, clause, attention.heads)
    if attention.pattern:
        clause = f"{at[:-1]}: pattern × values = heads"
        yield Identity(
            (pattern, v), z, (pattern, v), clause, lambda seen: _mixes(seen[pattern], seen[v], seen[z], attention)
        )


def _linear(name: str, result: str, projection: nn.Module, clause: str, parts: int) -> Iterator[Identity]:
    """A linear map of a tensor in so many parts side by side: what each adds, and the bias, are what it gives."""
    try:
        weight, bias = weight_of(projection)
    except RoleError:
        return

    def holds(seen: Seen) -> bool:
        value, given = seen[name], seen[result]
        width = value.shape[-1] // parts
        total = torch.zeros_like(given)
        for j in range(parts):
            part = slice(j * width, (j + 1) * width)
            total = total + value[:, part] @ weight[part]
        return close(total if bias is None else total + bias, given)

    yield Identity((name,), result, (name,), clause, holds)


def _mixes(pattern: Tensor, v: Tensor, z: Tensor, attention: Attention) -> bool:
    """Each head is its pattern's mixture of the values that it reads."""
    heads, groups, width = attention.heads, attention.groups, attention.head_dim
    keys = pattern.shape[-1]
    if len(v) % keys:
        return False
    values = v.reshape(-1, keys, groups, width).repeat_interleave(heads // groups, 2).to(pattern.dtype)
    weights = pattern.reshape(len(values), -1, heads, keys)
    made = torch.einsum("bqhk,bkhd->bqhd", weights, values).reshape(-1, heads * width)
    return close(made.to(z.dtype), z)
