"""Which tensors read which: an assignment to one must reach each of these, and each at once."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.models.model import LoadedModel
from causalcircuit.models.roles import Block, Stack


def readers_of(model: LoadedModel) -> dict[str, tuple[str, ...]]:
    """By tensor, the tapped tensors that are calculated from it directly, whatever the weights.

    A router is left out: a mixture may choose the same experts in spite of it.
    """
    found: dict[str, list[str]] = {}
    for stack in model.stacks:
        prefix = stack.tower.prefix
        for i, block in enumerate(stack.blocks):
            for name, reader in _block(stack, block, i):
                found.setdefault(name, []).append(reader)
        if stack.norm is not None:
            found.setdefault(f"{prefix}resid[{len(stack.blocks)}]", []).append(f"{prefix}final_norm")
        if stack.tower.cross:
            source = model.sites.source(stack.tower).prefix
            for which in "kv":
                found.setdefault(f"{source}final_norm", []).append(f"{prefix}layer[0].cross.{which}")
    if "projector.out" in model.taps:
        found["projector.out"] = ["resid[0]"]
    return {name: tuple(r for r in readers if r in model.taps) for name, readers in found.items()}


def _block(stack: Stack, block: Block, i: int) -> Iterator[tuple[str, str]]:
    prefix = stack.tower.prefix
    at, before, after = f"{prefix}layer[{i}]", f"{prefix}resid[{i}]", f"{prefix}resid[{i + 1}]"
    between = f"{at}.resid_mid" if block.order != "parallel" else after
    yield before, f"{at}.attn.in"
    yield before, between
    for which in "qkv":
        yield f"{at}.attn.in", f"{at}.{which}"
    yield from _heads(f"{at}.", block.attention.pattern, f"{at}.attn.out")
    yield f"{at}.attn.out", between
    if block.order == "parallel":
        yield before, f"{at}.mlp.in"
    else:
        yield between, after
        yield between, f"{at}.mlp.in" if block.cross is None else f"{at}.cross.q"
    if block.cross is not None:
        yield from _heads(f"{at}.cross.", block.cross.pattern, f"{at}.cross.out")
        yield f"{at}.cross.out", f"{at}.mlp.in"
    if block.mixture is None:
        yield f"{at}.mlp.in", f"{at}.mlp.neurons"
        yield f"{at}.mlp.neurons", f"{at}.mlp.out"
    else:
        yield f"{at}.mlp.in", f"{at}.router"
        for e in range(block.mixture.count):
            yield f"{at}.expert[{e}]", f"{at}.mlp.out"
    yield f"{at}.mlp.out", after


def _heads(at: str, pattern: bool, out: str) -> Iterator[tuple[str, str]]:
    for which in "qk":
        yield f"{at}{which}", f"{at}pattern" if pattern else f"{at}z"
    yield f"{at}v", f"{at}z"
    yield f"{at}pattern", f"{at}z"
    yield f"{at}z", out
