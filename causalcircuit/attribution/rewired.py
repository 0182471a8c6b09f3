"""Outcomes in worlds in which the wires of circuits carry what they carry elsewhere, for any number of wires."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.choices import UnknownWireError, ends_of, placed
from causalcircuit.attribution.kept import Kept, prepared
from causalcircuit.attribution.passes import Question, Rows
from causalcircuit.attribution.stations import Layout, Regional, streamed
from causalcircuit.attribution.streams import Streams
from causalcircuit.attribution.summary import Floats
from causalcircuit.attribution.walk import Wiring, wiring_of
from causalcircuit.models import LoadedModel
from causalcircuit.query import Binary, Expr, Position, SiteTable, World
from causalcircuit.query.circuit import Circuit
from causalcircuit.rows import Dataset


@dataclass(frozen=True, slots=True)
class Taken:
    """Wires that are assigned: those of a circuit, or with `complement` all others between its considered nodes."""

    circuit: Circuit
    complement: bool


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Worlds of one model with one base, whose wires take what they carry in one other world.

    Attributes:
        base: the world without circuits. elsewhere: where the wires' values come from.
        parts: readouts of the model, all of which are read in each world. choices: of each world its circuits.
    """

    model: str
    base: World
    elsewhere: World
    parts: tuple[Expr, ...]
    choices: tuple[tuple[Taken, ...], ...]


def left_alone(wiring: Wiring, table: SiteTable, taken: Sequence[Taken]) -> Regional:
    """The wires that are not assigned.

    Raises:
        UnknownWireError: one of the wires is none that can be chosen.
    """
    kept = torch.ones(len(wiring), dtype=torch.bool)
    turned: list[tuple[frozenset[Position], Tensor]] = []
    for each in taken:
        own, regions = placed(wiring, table, ends_of(each.circuit.edges))
        kept &= (~torch.from_numpy(wiring.between(each.circuit.over)) | own) if each.complement else ~own
        turned += regions.items()
    # A wire that is kept (or not) at all positions is not turned back at some of them.
    back = ~kept if taken[0].complement else kept
    return Regional(kept, tuple((region, mask & back) for region, mask in turned))


def passes_of(model: LoadedModel, choices: Sequence[Sequence[Taken]], rows: int) -> int:
    """About how many passes of single rows these worlds take: known without weights.

    Raises:
        UnknownWireError: wires that cannot be chosen; DiagnosticError: CQ795, streams that are no sums.
    """
    streams = Streams.of(model)
    layout, wiring = Layout.of(streams), wiring_of(streams)
    total = rows  # the world whose values are taken
    for taken in choices:
        kept = left_alone(wiring, model.sites, taken)
        total += rows * (2 + max(len(streamed(s, kept, True).masks) for s in layout.stations.values()))
    return total


def _check_places(bench: Bench, masks: Sequence[Regional]) -> None:
    """A position is the same one in both worlds: what is carried there is taken from there.

    Raises:
        UnknownWireError: it is not.
    """
    grounds, question, table = bench.streams.grounds, bench.rows.question, bench.rows.model.sites
    if grounds is None:
        raise TypeError("a question whose positions were not looked for")
    for region, mask in ((r, m) for choice in masks for r, m in choice.regions):
        sources = {bench.wiring.writes[i] for i in set(bench.wiring.writers[mask].tolist())}
        stands = {info.stand: info for info in map(table.info, sources)}
        for position, info in ((p, i) for p in region for i in stands.values()):
            if grounds.places(question.start, info, position) != grounds.places(question.end, info, position):
                raise UnknownWireError(f"`@ {position}` is another place in the world whose values are taken")


def rewired_outcomes(
    family: Family,
    model: LoadedModel,
    data: Dataset,
    known: Callable[[range], bool] = lambda _: False,
    places: int | None = None,
) -> Iterator[tuple[range, Floats | None, int]]:
    """Rows after rows, [choices, parts, rows] what is read in each world, and the passes of single rows it took.

    Args:
        family: the worlds. model, data: they are run on.
        known: whether nothing is to be computed for some rows: these come with `None`. places: of a pass.

    Raises:
        UnknownWireError: wires that cannot be chosen; DiagnosticError: as `Rows` and `prepared`.
    """
    total = reduce(lambda a, b: Binary("+", a, b), family.parts)
    bench = Bench(Rows(model, data, Question(family.model, total, family.elsewhere, family.base)), quick=False)
    masks = [left_alone(bench.wiring, model.sites, taken) for taken in family.choices]
    _check_places(bench, masks)
    if bench.streams.grounds is not None and bench.streams.grounds.answered:
        last = torch.tensor([read is None for read in bench.wiring.reads])[bench.wiring.readers]
        gone = [part for mask in masks for part in (~mask.base, *(m for _, m in mask.regions))]
        if any(bool((part & last).any()) for part in gone):
            raise UnknownWireError(
                "an answer has several tokens, and wires into the readout are known at the prompt only"
            )
    layout, chunks, passes = prepared(bench, masks, *([] if places is None else [places]))
    for rows in chunks:
        if known(rows):
            yield rows, None, 0
            continue
        kept = Kept(bench, rows, layout)
        found = torch.stack([kept.values(mask, family.parts) for mask in masks]).numpy()
        yield rows, np.asarray(found), kept.passes + passes
        passes = 0
