"""What activations of one pass must be of each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from causalcircuit.models.contract.close import close
from causalcircuit.models.discover.cores import weight_of
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.roles import Attention, Block, RoleError, Stack, Term

Seen = Mapping[str, Tensor]


def broken_identities(model: LoadedModel, seen: Seen) -> dict[str, str]:
    """The tensors that a broken identity makes doubtful, with the clause that fails."""
    broken: dict[str, str] = {}
    for stack in model.stacks:
        for names, clause, holds in _stack(stack, seen):
            if not holds:
                for name in names:
                    broken.setdefault(name, clause)
    return broken


def _stack(stack: Stack, seen: Seen) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    prefix = stack.tower.prefix
    for i, block in enumerate(stack.blocks):
        at = f"{prefix}layer[{i}]"
        before, after = seen[f"{prefix}resid[{i}]"], seen[f"{prefix}resid[{i + 1}]"]
        yield from _attention(f"{at}.", block.attention, seen, "attention", f"{at}.attn.out")
        if block.cross is not None:
            yield from _attention(f"{at}.cross.", block.cross, seen, "cross-attention", f"{at}.cross.out")
        yield from _sums(at, block, before, after, seen)
        if block.mixture is not None:
            experts = torch.stack([seen[f"{at}.expert[{e}]"] for e in range(block.mixture.count)]).sum(0)
            names = tuple(f"{at}.expert[{e}]" for e in range(block.mixture.count))
            yield names, f"{at}: the experts' outputs add up to the mixture's", close(experts, seen[f"{at}.experts"])


def _sums(
    at: str, block: Block, before: Tensor, after: Tensor, seen: Seen
) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    attention = _term(block.attention.write, seen[f"{at}.attn.out"])
    mlp = _term(block.mlp, seen[f"{at}.mlp.out"])
    cross = None
    if block.cross is not None:
        cross = _term(block.cross.write, seen[f"{at}.cross.out"])
    if block.order == "parallel":
        names = (f"{at}.attn.out", f"{at}.mlp.out")
        yield names, f"{at}: stream + attention + MLP = next stream", close(before + attention + mlp, after)
        return
    mid = seen[f"{at}.resid_mid"]
    if block.order == "pre":
        names = (f"{at}.attn.out", f"{at}.resid_mid")
        yield names, f"{at}: stream + attention = stream between", close(before + attention, mid)
        total = mid + mlp if cross is None else mid + cross + mlp
        names = (f"{at}.mlp.out", *(() if cross is None else (f"{at}.cross.out",)))
        yield names, f"{at}: stream + attention + MLP = next stream", close(total, after)
        return
    if block.reader is not None:
        with torch.inference_mode():
            first = block.reader(before + attention)
            names = (f"{at}.attn.out", f"{at}.resid_mid")
            yield names, f"{at}: norm of stream + attention = stream between", close(first, mid)
            if cross is not None:
                mid = block.norms[0](mid + cross)
            last = block.norms[-1](mid + mlp)
        yield (f"{at}.mlp.out",), f"{at}: norm of stream + MLP = next stream", close(last, after)


def _term(term: Term, value: Tensor) -> Tensor:
    return value if term.scale is None else term.scale * value


def _attention(
    at: str, attention: Attention, seen: Seen, what: str, out: str
) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    z = seen[f"{at}z"]
    try:
        weight, bias = weight_of(attention.projection)
    except RoleError:
        weight = None
    given = seen.get(f"{at}projected")
    if weight is not None and given is not None:
        parts = [
            z[:, j * attention.head_dim : (j + 1) * attention.head_dim]
            @ weight[j * attention.head_dim : (j + 1) * attention.head_dim]
            for j in range(attention.heads)
        ]
        total = torch.stack(parts).sum(0)
        total = total if bias is None else total + bias
        yield (f"{at}z",), f"{at[:-1]}: heads + bias = {what}", close(total, given)
    pattern, v = seen.get(f"{at}pattern"), seen.get(f"{at}v")
    if pattern is not None and v is not None:
        yield (f"{at}pattern", f"{at}v"), f"{at[:-1]}: pattern × values = heads", _mixes(pattern, v, z, attention)


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
