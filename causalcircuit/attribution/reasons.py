"""Why scores say nothing: all of them are zero, or one is no number."""

from __future__ import annotations

import re

import numpy as np
import torch

from causalcircuit.attribution.bench import Bench, Chunk
from causalcircuit.attribution.summary import Floats
from causalcircuit.attribution.walk import Wiring, gradients_of
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import render
from causalcircuit.rows import Dataset

_LAYER = re.compile(r"(?:(\w+)\.)?layer\[(\d+)\]")
_STREAM = re.compile(r"(?:(\w+)\.)?resid\[(\d+)\]")


def zero(bench: Bench, rows: range) -> DiagnosticError:
    """Scores that are all zero, with the reason, as some rows show it."""
    chunk = Chunk(bench, rows)
    here = chunk.start
    moved = any(bool(d.any()) for d in chunk.delta.values())
    sloped = any(bool(g.any()) for n, g in gradients_of(here).items() if n in chunk.delta)
    if not moved:
        why, way = "nothing that is written differs between `from` and `to`", "let the worlds feed different inputs"
    elif not sloped:
        why = "the gradient of the readout is zero, it does not depend on what the parts of the model write"
        way = "a probability may be saturated: read a logit or a log-probability"
    else:
        why = "the readout does not depend on what differs between `from` and `to`, at the positions where it does"
        way = "read it at a position that the changed part of the input reaches"
    return error("CQ785", f"every wire scores exactly zero: {why}", help=way)


def check_finite(own: Floats, wiring: Wiring, data: Dataset, rows: range, bench: Bench | None = None) -> None:
    """Refuse scores that are no numbers.

    Raises:
        DiagnosticError: CQ787, with the layer where numbers overflow.
    """
    bad = np.argwhere(~np.isfinite(own))
    if not len(bad):
        return
    row, wire = (int(x) for x in bad[0])
    source = wiring.source(wire)
    where = "" if bench is None else _overflows(bench, range(rows[row], rows[row] + 1))
    raise error(
        "CQ787",
        f"the score of `{render(source) if wiring.fine else source.address}` in row {data.rows[rows[row]]} is no number"
        f": {where or 'a gradient overflows there'}",
        help="`dtype = float64` in the settings of the model tells overflow from error",
    )


def _overflows(bench: Bench, row: range) -> str:
    """The layer in which numbers overflow: the first on the way in for values, the last one for gradients."""
    chunk = Chunk(bench, row)
    for world, here in (("from", chunk.start), ("to", chunk.end)):
        for name, value in here.nodes.items():
            if not bool(torch.isfinite(value).all()):
                return f"{_place(name)} is not finite in `{world}`"
    for name, gradient in reversed(list(gradients_of(chunk.start).items())):
        if not bool(torch.isfinite(gradient).all()):
            return f"the gradient overflows on its way back to {_place(name)}"
    return ""


def _place(name: str) -> str:
    """Where a tensor stands, in words."""
    found = _LAYER.match(name) or _STREAM.match(name)
    if found is None:
        return f"`{name}`"
    tower = f" of `{found[1]}`" if found[1] else ""
    return f"layer {found[2]}{tower}" if "layer[" in name else f"the stream into layer {found[2]}{tower}"


__all__ = ["check_finite", "zero"]
