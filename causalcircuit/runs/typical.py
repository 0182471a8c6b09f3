"""A typical row of an attribution, for pages to look at: its tokens by tower, and its images with their patches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import FACTUAL, Call, Expect, Expr, Site, World, render
from causalcircuit.query.circuits.formulas import Attributed
from causalcircuit.query.circuits.typical import SeenImage, TypicalRow

if TYPE_CHECKING:
    from causalcircuit.engine.prepared import Setup
    from causalcircuit.models import LoadedModel
    from causalcircuit.rows import Dataset

_LOOKED_AT = 64
"""Rows among which one is chosen."""


def typical_row(
    asked: Attributed, sites: Iterable[Site], model: LoadedModel, data: Dataset, names: Mapping[Expr | World, str]
) -> TypicalRow | None:
    """The first row whose prompt has the commonest length, in the factual world where that is one of the two.

    Args:
        asked: what was attributed. sites: of the circuit. model, data: what it was attributed on.
        names: as declared, for the name of the world.

    Returns:
        `None` where the rows cannot be read as they are without running something.
    """
    world = FACTUAL if FACTUAL in (asked.start, asked.end) else asked.end
    if asked.baseline is not None:  # means are of no row
        world = asked.end if asked.baseline.side == "from" else asked.start
    some = data.take(range(0, data.n, max(1, -(-data.n // _LOOKED_AT))))
    open_ = [s for s in dict.fromkeys(sites) if s.position.kind not in ("all", "each", "new")]
    for chosen in [open_, []] if open_ else [[]]:  # a node whose position is refused is drawn where it says
        try:
            setup = _prepared(asked, world, chosen, model, some)
            break
        except DiagnosticError:
            continue
    else:
        return None
    at = _commonest([len(p.ids) for p in setup.prompts]) if setup.prompts is not None else 0
    return TypicalRow(
        some.rows[at],
        data.ref.label,
        render(world, names),
        _tokens(model, setup, at),
        tuple(_images(model, setup.images[at])) if setup.images is not None else (),
        {
            (read.info.stand, read.site.position): places[0]
            for read in setup.sites
            if read.site in open_ and len(places := read.positions[at]) == 1
        },
    )


def _prepared(asked: Attributed, world: World, sites: Sequence[Site], model: LoadedModel, data: Dataset) -> Setup:
    """The world with the places of some sites, before any pass."""
    from causalcircuit.engine import make_plan, prepare
    from causalcircuit.engine.formulas import projected

    asks = [Expect(asked.readout, world), *(Expect(Call("norm", (site,)), world) for site in sites)]
    plan = make_plan(asks, data, {asked.model: model.sites})
    ready = prepare(plan, {asked.model: model}, data)
    return ready.setups[plan.run_of(asked.model, projected(world, asked.model))]


def _commonest(lengths: Sequence[int]) -> int:
    """The first row of the commonest length, the shorter of two that are as common."""
    times = Counter(lengths)
    return lengths.index(min(times, key=lambda n: (-times[n], n)))


def _tokens(model: LoadedModel, setup: Setup, at: int) -> dict[str, tuple[str, ...]]:
    """By tower, what each of its tokens says."""
    out: dict[str, tuple[str, ...]] = {}
    for tower in model.sites.towers:
        if tower.modality == "text":
            read = tower.channel == "input" and "prefix" in model.sites.channels
            prompts = setup.sources if read else setup.prompts
            if prompts is not None:
                out[tower.name] = tuple(str(model.tokenizer.decode([i])) for i in prompts[at].ids)
    return out


def _images(model: LoadedModel, image: Path) -> Iterable[SeenImage]:
    """What the towers of images see."""
    from causalcircuit.models import Pictures, RowError

    pictures = Pictures(model)
    for tower in model.sites.towers:
        if tower.modality != "image":
            continue
        try:
            found = pictures.seen(tower.name, image)
        except RowError:
            continue
        if found is not None:
            out = BytesIO()
            found[0].save(out, "PNG")
            yield SeenImage(tower.name, out.getvalue(), found[1], found[2])
