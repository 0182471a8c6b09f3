"""Meaning 1: an assignment wholly masked by one downstream is warned of (CQ306)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.diagnostics import Diagnostic, Label, Span, warning
from causalcircuit.query import Assignment, Expr, Site, SiteInfo, children, relation, render

# A tensor, and those of the same block whose only way on is through it, position by position.
_ONLY_WAY = {
    "attn.out": ("z",),
    "cross.out": ("cross.z",),
    "mlp.out": ("mlp.neurons",),
    "resid_mid": ("z", "attn.out"),
}
_BLOCK = ("z", "attn.out", "resid_mid", "cross.z", "cross.out", "mlp.in", "mlp.neurons", "mlp.out")


@rule
def masked(context: Context) -> Iterator[Diagnostic]:
    """Look for a target whose every path to the rest is cut by another target."""
    seen: set[tuple[Span | None, Expr]] = set()
    for world, place in context.worlds():
        cutting = [b for b in world.assignments if _cuts(context, b)]
        for a, b in product(world.assignments, cutting):
            if a is b or not (isinstance(a.target, Site) and isinstance(b.target, Site)):
                continue
            if a.target.address.model == b.target.address.model and _covers(context, a.target, b.target):
                where = a.span or place
                if (where, b.target) in seen:  # another member of the same set of nodes
                    continue
                seen.add((where, b.target))
                yield warning(
                    "CQ306",
                    f"the assignment to `{render(a.target)}` has no effect: `{render(b.target)}`, downstream, is set",
                    where,
                    "masked",
                    labels=[] if b.span is None else [Label(b.span, "set here")],
                    help="leave one of them out",
                )


def _cuts(context: Context, b: Assignment) -> bool:
    """Whether an assignment sets all components of a tensor to what does not depend on what came before."""
    if not isinstance(b.target, Site):
        return False
    info = context.info(b.target)
    return info.width == info.size and not natural(b.value, b.target)


def natural(value: Expr, target: Site) -> bool:
    """Whether a value uses what its target would have been: then what comes before still matters."""
    return value == target or any(natural(c, target) for c in children(value))


def _covers(context: Context, a: Site, b: Site) -> bool:
    x, y = context.info(a), context.info(b)
    if x.tower != y.tower or y.rank <= x.rank or y.width != y.size or (a.position.new and not b.position.new):
        return False
    if y.tensor.endswith("final_norm") or "resid[" in y.tensor:
        if b.position.kind == "all":
            return True
        block_end = f"resid[{x.layer + 1}]"
        inside = x.tensor.partition("].")[2] in _BLOCK and y.tensor.endswith(block_end)
        return inside and relation(a.position, b.position) in ("same", "inside")
    return _same_block(x, y) and relation(a.position, b.position) in ("same", "inside")


def cuts_off(source: SiteInfo, info: SiteInfo) -> bool:
    """Whether all that a write adds to the stream has passed a tensor, which is set as a whole at its position."""
    if info.tower != source.tower or info.rank <= source.rank or info.width != info.size:
        return False
    stream = "resid[" in info.tensor or info.tensor.endswith(("resid_mid", "final_norm"))
    expert = info.layer == source.layer and ".expert[" in source.tensor and info.tensor.endswith("mlp.out")
    return stream or expert or _same_block(source, info)


def _same_block(x: SiteInfo, y: SiteInfo) -> bool:
    if x.layer != y.layer:
        return False
    return x.tensor.partition("].")[2] in _ONLY_WAY.get(y.tensor.partition("].")[2], ())
