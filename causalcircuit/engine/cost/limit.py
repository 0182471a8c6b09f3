"""A limit in bytes as one in positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from causalcircuit.diagnostics import error
from causalcircuit.engine.cost.dims import dims_of
from causalcircuit.engine.cost.memory import memory_of
from causalcircuit.engine.cost.shapes import PassShape, TowerPass
from causalcircuit.engine.prepared import Prepared
from causalcircuit.models import LoadedModel

USUAL = 2048
"""Positions a pass where nobody says otherwise: larger passes are no faster on a processor."""
_ACCELERATED = 16384
_HELD = 1.35
"""A recorded pass stays while others resume it, and the first of each kind carries a witness."""


def positions_for(prepared: Iterable[Prepared], limit: int) -> int:
    """How many positions a pass may have for weights, activations and all that is kept to stay within a limit.

    Args:
        prepared: the plans that are run, of loaded or sketched models. limit: bytes.

    Returns:
        The `max_tokens` of `execute`, at most what makes passes faster.

    Raises:
        DiagnosticError: CQ761, one row, or the weights alone, need more.
    """
    plans = [p for each in prepared for p in (each, *each.elsewhere)]
    models: dict[str, LoadedModel] = {n: m for p in plans for n, m in p.models.items()}
    weights = weights_of(models)
    longest = 1
    per_position = 1.0
    for plan in plans:
        for setup in plan.setups:
            cost, line = max((setup.cost(r), _line(setup.cost(r), setup.continuations[r])) for r in range(plan.data.n))
            longest = max(longest, cost)
            per_position = max(per_position, _row(setup.model, line) / max(1, line))
    fits = int((limit - weights) / per_position)
    if fits < longest:
        wide = any(m.ref.dtype not in ("bfloat16", "float16") for m in models.values())
        one = weights + int(per_position * longest)
        raise error(
            "CQ761",
            f"{shown(limit)} hold no row: one needs {shown(one)}, of which weights take {shown(weights)}",
            help=(
                f"`--max-memory {_round(one)}` runs a row at a time; more runs several side by side",
                "`dtype = bfloat16` of a model halves all of it" if wide else "",
            ),
        )
    fast = USUAL if all(m.device.type in ("cpu", "meta") for m in models.values()) else _ACCELERATED
    return max(longest, min(fits, fast))


def weights_of(models: Mapping[str, LoadedModel]) -> int:
    """Bytes of the weights of all models; those that differ in their dictionaries only are one."""
    found: dict[object, int] = {}
    for model in models.values():
        ref = model.ref
        found[(ref.folder, ref.source, ref.revision, ref.dtype, ref.device)] = dims_of(model).weights
    return sum(found.values())


def _line(cost: int, continuations: tuple[tuple[int, ...], ...]) -> int:
    return max(1, cost // max(1, len(continuations)))


def _row(model: LoadedModel, length: int) -> int:
    """Bytes of a line of so many positions, and of what is kept of it for other passes."""
    extents = sum(t.extent for t in model.sites.towers if t.modality != "text")
    own = max(1, length - extents)
    texts = tuple(TowerPass(t.name, 1, t.extent or own) for t in model.sites.towers)
    shape = PassShape(texts, own if model.by_position else 1, read=1, recorded=True, cached=True)
    found = memory_of(dims_of(model), shape)
    return int(_HELD * (found.activations + found.kept))


def shown(count: float) -> str:
    """Bytes as people write them: `4 GB`, `512 MB`."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError


def _round(count: int) -> str:
    """A limit that is large enough, without a space."""
    size, unit = next(((count / s, u) for s, u in ((1e9, "GB"), (1e6, "MB")) if count >= s), (count / 1e3, "kB"))
    return f"{-(-int(size * 100) // 10) / 10 + 0.1:.1f}{unit}"
