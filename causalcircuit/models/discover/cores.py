"""Attention cores: which modules they are, their heads, and where their operands can be seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from causalcircuit.models.attention import listening, splitting, watching
from causalcircuit.models.records import Records, flat, same
from causalcircuit.models.roles import Attention, RoleError, Term


@dataclass(slots=True, eq=False)
class Operands:
    """What an attention core was seen to calculate with: [batch, heads, positions, width] each.

    Attributes:
        interface: as given to its attention function, at the first call. watched: in its own arithmetic.
        split: where it cuts them into images, before the first call.
    """

    interface: dict[str, Tensor] = field(default_factory=dict)
    watched: dict[str, Tensor] = field(default_factory=dict)
    split: dict[str, Tensor] = field(default_factory=dict)


@contextmanager
def seen_operands(root: nn.Module) -> Iterator[dict[nn.Module, Operands]]:
    """The operands of every attention core under `root`, in the passes made inside the block."""
    found = {m: Operands() for m in root.modules() if is_core(m)}
    with ExitStack() as stack:
        for core, operands in found.items():
            for slot, name in enumerate("qkv"):
                stack.enter_context(listening(core, slot, _keeping(operands.interface, name)))
            change = {name: _keeping(operands.watched, name) for name in ("q", "k", "v", "pattern")}
            stack.enter_context(watching(core, change))  # type: ignore[arg-type]
            cut = {name: _keeping(operands.split, name) for name in "qkv"}
            stack.enter_context(splitting(core, cut))  # type: ignore[arg-type]
        yield found


def _keeping(where: dict[str, Tensor], name: str):  # type: ignore[no-untyped-def]
    def keep(x: Tensor) -> Tensor:
        where.setdefault(name, x.detach().clone())
        return x

    return keep


def is_core(m: nn.Module) -> bool:
    """Whether a module is an innermost one named Attention that holds projections."""
    return _attention_like(m) and not any(_attention_like(c) for c in m.modules() if c is not m)


def _attention_like(m: nn.Module) -> bool:
    name = type(m).__name__
    return ("Attention" in name or "Attn" in name) and any(is_linear(c) for c in m.children())


def is_linear(m: nn.Module) -> bool:
    """Whether a module is a linear map, plain or quantised."""
    return isinstance(m, nn.Linear | Conv1D) or (type(m).__name__.startswith("Linear") and hasattr(m, "in_features"))


def is_cross(core: nn.Module, places: int, records: Records) -> bool:
    """Whether one of a core's projections reads another number of positions than the block's stream has."""
    return any(
        len(flat(records[c].inputs[0])) != places
        for c in core.modules()
        if c is not core and is_linear(c) and c in records and records[c].inputs
    )


def projection_of(core: nn.Module, block: nn.Module, records: Records) -> nn.Module:
    """The linear map whose input are a core's heads side by side.

    It is the last one inside the core that gives what the core gives, or the first one after it that is fed that, or
    else the last one inside (a core that adds the stream to its output).

    Raises:
        RoleError: there is none.
    """
    out = records[core].output
    linear = sorted((c for c in block.modules() if is_linear(c) and c in records), key=lambda c: records[c].order)
    inside = [c for c in linear if c in set(core.modules())]
    if out is not None:
        gives = [c for c in inside if (made := records[c].output) is not None and same(made, out)]
        takes = [c for c in linear if c not in inside and any(same(x, out) for x in records[c].inputs)]
        if gives or takes:
            return gives[-1] if gives else takes[0]
    if not inside:
        raise RoleError(f"{type(core).__name__} has no projection")
    return inside[-1]


def attention_of(core: nn.Module, projection: nn.Module, write: Term, seen: Operands, records: Records) -> Attention:
    """An attention's numbers from what it calculated with.

    Raises:
        RoleError: its heads do not show.
    """
    caught: Literal["interface", "linear", "watched", "split"]
    caught = "split" if _cut(seen) else "interface" if len(seen.interface) == 3 else "watched"
    operands = {"interface": seen.interface, "split": seen.split}.get(caught, seen.watched)
    wide = records[projection].inputs[0].shape[-1]
    if len(operands) < 3 and "q" not in operands:
        raise RoleError(f"the queries of {type(core).__name__} do not show")
    q, k = operands["q"], operands["k"]
    head_dim = q.shape[-1]
    heads = q.shape[1] if q.ndim == 4 else wide // head_dim
    groups = k.shape[1] if k.ndim == 4 else heads
    if heads * head_dim != wide or heads % groups:
        raise RoleError(
            f"{type(core).__name__} has {heads} heads of {head_dim} and {groups} of keys, its projection takes {wide}"
        )
    qkv: tuple[tuple[nn.Module, int], ...] = ()
    if caught == "watched":
        qkv = _linear_operands(core, heads, seen, records)
        caught = "linear" if qkv else "watched"
    pattern = None if caught == "split" else seen.watched.get("pattern")
    shown = pattern is not None and pattern.numel() // max(pattern.shape[-1] * pattern.shape[-2], 1) % heads == 0
    return Attention(core, projection, write, heads, groups, head_dim, caught, qkv, shown)


def _cut(seen: Operands) -> bool:
    """Whether the attention function is given pieces: of one image, or of a window."""
    return (
        len(seen.split) == 3 and len(seen.interface) == 3 and seen.split["q"].shape[1] == seen.interface["q"].shape[1]
    )


def _linear_operands(
    core: nn.Module, heads: int, seen: Operands, records: Records
) -> tuple[tuple[nn.Module, int], ...]:
    """The linear maps that give queries, keys and values, where each is one's first output, and their calls."""
    found: list[tuple[nn.Module, int]] = []
    for name in "qkv":
        operand = seen.watched.get(name)
        if operand is None:
            return ()
        operand = operand.transpose(-1, -2) if name == "k" else operand
        whole = operand.reshape(-1, heads, *operand.shape[-2:])
        wanted = flat(whole.transpose(1, 2).flatten(2))
        match = [
            c
            for c in core.children()
            if is_linear(c)
            and c in records
            and (out := records[c].output) is not None
            and _proportional(flat(out), wanted)
        ]
        if len(match) != 1:
            return ()
        found.append((match[0], records[match[0]].calls))
    return tuple(found)


def _proportional(a: Tensor, b: Tensor) -> bool:
    """Whether two activations agree up to a constant: scores are scaled on either side."""
    if a.shape != b.shape:
        return False
    a, b = a.double(), b.double()
    factor = (a * b).sum() / (a * a).sum().clamp_min(1e-30)
    return bool((a * factor - b).abs().max() <= 1e-5 * b.abs().max().clamp_min(1e-30))


def weight_of(projection: nn.Module) -> tuple[Tensor, Tensor | None]:
    """A linear map as (weight [in, out], bias)."""
    weight = projection.weight
    if not isinstance(weight, Tensor) or weight.ndim != 2 or not weight.is_floating_point():
        raise RoleError(f"{type(projection).__name__} holds no plain weight")
    bias = getattr(projection, "bias", None)
    # Conv1D keeps its weight as [in, out], Linear as [out, in].
    weight = weight if isinstance(projection, Conv1D) else weight.T
    return weight, bias if isinstance(bias, Tensor) else None
