"""The heat maps of a result as files."""

from __future__ import annotations

import re

from causalcircuit.query import Result
from causalcircuit.query.circuits import as_text
from causalcircuit.report.saliency import heat_scene
from causalcircuit.report.scene import scene
from causalcircuit.report.svg import svg

_LONGEST = 60


def pictures(result: Result) -> dict[str, bytes]:
    """By the names of their files: every heat map as SVG and PNG, `effect-H.svg`, every circuit as `C.circuit.json`."""
    from causalcircuit.report.png import png  # Pillow is loaded only where a picture is drawn

    out: dict[str, bytes] = {}
    scenes = [(s.name, scene(s)) for s in result.shown if s.panels] + [(m.name, heat_scene(m)) for m in result.maps]
    for said, drawn in scenes:
        name = _free(re.sub(r"[^\w.]+", "-", said).strip("-.")[:_LONGEST] or "heatmap", out)
        out[f"{name}.svg"] = svg(drawn).encode()
        out[f"{name}.png"] = png(drawn)
    for view in result.circuits:
        if view.comparison is None:
            out[f"{_free(view.circuits[0].name, out)}.circuit.json"] = as_text(view.circuits[0]).encode()
    return out


def _free(name: str, taken: dict[str, bytes]) -> str:
    """A name that no other picture has, whatever the case of its letters."""
    known = {key.casefold() for key in taken}
    made, k = name, 2
    while f"{made}.svg".casefold() in known:
        made, k = f"{name}-{k}", k + 1
    return made
