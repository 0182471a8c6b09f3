"""Every wire of a GPT-2 and of a Llama with grouped queries against arithmetic on the stream, in float64 to 1e-9."""

from __future__ import annotations

import pytest

from causalcircuit.query import ALL, LAST, Cell, Position, Wire
from tests.truth.say import cell, do, index, op, together
from tests.wires.conftest import Pair
from tests.wires.nodes import READOUT, wires

BOUND = 1e-9
PLACES = [(ALL, ALL), (LAST, ALL), (ALL, index(2)), (together(index(1), LAST), ALL)]


def asked(made: Pair, start: Position, end: Position, every: int = 1) -> dict[Cell, Wire]:
    """A world for each wire: its source turned round, and moved."""
    chosen = wires(made.model.sites, start, end)[::every]
    return {cell(READOUT, do((w, op(op(w.source, "*", -0.5), "+", 0.2)))): w for w in chosen}


def hold(made: Pair, cells: dict[Cell, Wire], moved: float) -> None:
    gaps = made.gaps(cells)
    worst = max(gaps, key=lambda c: gaps[c])
    assert gaps[worst] <= BOUND, cells[worst]
    fact = made.truth(cell(READOUT))
    effects = [abs(made.truth(c) - fact).max() for c in cells]
    assert sum(e > 1e-4 for e in effects) >= moved * len(cells), "wires have effects"


def test_every_wire_of_gpt2(gpt2: Pair) -> None:
    cells = asked(gpt2, ALL, ALL)
    assert len(cells) == 177
    hold(gpt2, cells, 0.9)


@pytest.mark.parametrize(("start", "end"), PLACES[1:], ids=str)
def test_wires_of_gpt2_at_some_positions(gpt2: Pair, start: Position, end: Position) -> None:
    hold(gpt2, asked(gpt2, start, end, 4), 0.5)


def test_wires_of_llama(llama: Pair) -> None:
    hold(llama, asked(llama, ALL, ALL, 17), 0.9)


@pytest.mark.slow
@pytest.mark.parametrize(("start", "end"), PLACES, ids=str)
def test_every_wire_of_llama(llama: Pair, start: Position, end: Position) -> None:
    hold(llama, asked(llama, start, end), 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("start", "end"), PLACES[1:], ids=str)
def test_every_wire_of_gpt2_at_some_positions(gpt2: Pair, start: Position, end: Position) -> None:
    hold(gpt2, asked(gpt2, start, end), 0.5)
