"""From a `show saliency(…)` to heat maps: what lies under them, their mean, and how much falls inside a mask."""

from __future__ import annotations

import time
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING

import causalcircuit.rows as rows
from causalcircuit.diagnostics import error
from causalcircuit.query import Expr, World, render
from causalcircuit.query.estimate import Interval
from causalcircuit.query.saliency import HeatMaps, Lit, RowMap, Saliency
from causalcircuit.query.units import unit_of

if TYPE_CHECKING:
    import numpy as np

    from causalcircuit.attribution.saliency import Lying, Maps
    from causalcircuit.models import LoadedModel
    from causalcircuit.rows import Dataset
    from causalcircuit.runs.progress import Progress

DRAWN = 6
"""Rows that pictures are drawn of: the first."""


def heat_maps(
    asked: Saliency, model: LoadedModel, names: Mapping[Expr | World, str], progress: Progress | None = None
) -> HeatMaps:
    """The heat maps of a statement.

    Raises:
        DiagnosticError: CQ784 nothing to lie on, CQ785 a gradient that is zero; what is wrong with the rows.
    """
    import numpy as np

    from causalcircuit.attribution import Question
    from causalcircuit.attribution.saliency import saliency

    data = rows.load(asked.data)

    def heard(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, data.ref.label)

    began = time.perf_counter()
    end = asked.start if asked.end is None else asked.end
    question = Question(asked.model, asked.readout, asked.start, end)
    found = saliency(model, data, question, asked.site, contrast=asked.end is not None, heard=heard)
    shares = _shares(asked, found, data) if asked.inside is not None else [(None, None)] * data.n
    ref = data.ref.weight
    weights = np.ones(data.n) if ref is None else np.asarray(data.column(ref.name), dtype=np.float64)
    labels = rows.clusters(data)
    made = tuple(
        RowMap(
            data.rows[i],
            tuple(map(float, found.values[i])),
            *shares[i],
            found.lying[i].tokens,
            _picture(found, found.lying[i], asked) if i < DRAWN else b"",
        )
        for i in range(data.n)
    )
    same = len({(len(r.values), found.lying[i].grid) for i, r in enumerate(made)}) == 1
    mean = np.average([r.values for r in made], axis=0, weights=weights) if same else None
    return HeatMaps(
        asked.name,
        data.ref.label,
        render(asked.readout, names),
        render(asked.site, names),
        tuple(render(w, names) for w in ([asked.start] if asked.end is None else [asked.start, asked.end])),
        str(unit_of(asked.readout)),
        found.lying[0].grid,
        made,
        None if mean is None else tuple(map(float, mean)),
        asked.end is not None,
        found.guarded,
        _lit(asked.inside, made, data, weights) if asked.inside is not None else None,
        None if labels is None else len(set(map(str, labels))),
        asked.comments,
        time.perf_counter() - began,
    )


def _picture(found: Maps, lying: Lying, asked: Saliency) -> bytes:
    """What the map of a row lies over."""
    if lying.image is None:
        return b""
    stand = found.pictures.stand(asked.site.address)
    seen = found.pictures.seen(stand, lying.image)
    if seen is None:
        return b""
    out = BytesIO()
    seen[0].save(out, "PNG")
    return out.getvalue()


def _shares(asked: Saliency, found: Maps, data: Dataset) -> list[tuple[float | None, float | None]]:
    """Of each row the share of its map that lies inside its mask, and of its patches."""
    from causalcircuit.models import RowError

    column = asked.inside or ""
    stand = found.pictures.stand(asked.site.address)
    out: list[tuple[float | None, float | None]] = []
    for i, mask in enumerate(data.column(column, asked.span)):
        lying = found.lying[i]
        if lying.image is None:
            way = "leave `inside` out, or take a site of an image tower"
            raise error("CQ784", f"`row.{column}` is a mask, and this map lies over a text", asked.span, help=way)
        if not isinstance(mask, str):
            raise error("CQ453", f"`row.{column}` names no mask ({data.place(i)})", asked.span)
        try:
            chosen = found.pictures.inside(stand, data.resolve(mask), lying.image)
        except RowError as problem:
            said = f"{problem.what} ({data.place(i)})"
            raise error(problem.code, said, asked.span, help=problem.help) from None
        own = [chosen[p] is True for p in lying.positions]
        strength = found.values[i].abs()
        total = float(strength.sum())
        share = float(strength[own].sum()) / total if total > 0 else None
        out.append((share, sum(own) / len(own)))
    return out


def _lit(column: str, made: tuple[RowMap, ...], data: Dataset, weights: np.ndarray) -> Lit | None:
    """The mean share over the rows whose map is not empty, with its interval over rows or clusters."""
    import numpy as np

    from causalcircuit.attribution.summary import means, units

    kept = [i for i, r in enumerate(made) if r.inside is not None and weights[i] > 0]
    if not kept:
        return None
    labels = rows.clusters(data)
    own = None if labels is None else [labels[i] for i in kept]
    table = np.array([[made[i].inside, made[i].area] for i in kept], dtype=np.float64)
    value, half = means(table, units(own, len(kept)), weights[kept])
    interval = Interval(float(value[0] - half[0]), float(value[0] + half[0])) if np.isfinite(half[0]) else None
    return Lit(column, float(value[0]), interval, float(value[1]), len(kept), len(made) - len(kept))
