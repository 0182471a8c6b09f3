"""Outcomes in worlds in which the wires of circuits carry what they carry elsewhere, for any number of wires."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.choices import UnknownWireError, chosen, considered_of, ends_of
from causalcircuit.attribution.kept import Kept, prepared
from causalcircuit.attribution.passes import Question, Rows
from causalcircuit.attribution.stations import Layout, streamed
from causalcircuit.attribution.streams import Streams
from causalcircuit.attribution.summary import Floats
from causalcircuit.attribution.walk import Wiring, wiring_of
from causalcircuit.models import LoadedModel
from causalcircuit.query import Binary, Expr, SiteTable, World
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


def assigned(wiring: Wiring, table: SiteTable, taken: Sequence[Taken]) -> Tensor:
    """[wires] which wires are assigned.

    Raises:
        UnknownWireError: one of the wires is none that can be chosen.
    """
    found = torch.zeros(len(wiring), dtype=torch.bool)
    for each in taken:
        own = chosen(wiring, table, ends_of(each.circuit.edges))
        found |= (considered_of(wiring, each.circuit.over) & ~own) if each.complement else own
    return found


def passes_of(model: LoadedModel, choices: Sequence[Sequence[Taken]], rows: int) -> int:
    """About how many passes of single rows these worlds take: known without weights.

    Raises:
        UnknownWireError: wires that cannot be chosen; DiagnosticError: CQ795, streams that are no sums.
    """
    streams = Streams.of(model)
    layout, wiring = Layout.of(streams), wiring_of(streams)
    total = rows  # the world whose values are taken
    for taken in choices:
        kept = ~assigned(wiring, model.sites, taken)
        total += rows * (2 + max(len(streamed(s, kept, True).masks) for s in layout.stations.values()))
    return total


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
    masks = [~assigned(bench.wiring, model.sites, taken) for taken in family.choices]
    if bench.streams.grounds is not None and bench.streams.grounds.answered:
        last = torch.tensor([read is None for read in bench.wiring.reads])[bench.wiring.readers]
        if any(bool((~mask & last).any()) for mask in masks):
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
