"""Wires that the rows, the model or the readout rule out: CQ315, CQ575 and CQ576 name them."""

from __future__ import annotations

from typing import Any

import pytest

from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.engine import make_plan, prepare
from causalcircuit.query import ALL, LAST, Address, Cell, Expr, Generated, Part, Readout, Site, Text, Wire, World
from tests.truth.say import M, cell, do, index, site, token
from tests.wires.conftest import Pair
from tests.wires.nodes import READOUT


def refusals(made: Pair, asked: Cell) -> tuple[Diagnostic, ...]:
    with pytest.raises(DiagnosticError) as caught:
        prepare(make_plan([asked], made.data, {M: made.model.sites}), {M: made.model}, made.data)
    return caught.value.diagnostics


def prepared(made: Pair, asked: Cell) -> None:
    prepare(make_plan([asked], made.data, {M: made.model.sites}), {M: made.model}, made.data)


def wire(source: Expr, end: Expr, value: Any = 0.0) -> World:
    return do((Wire(source, end), value))


NAME = token("name")


def test_ends_that_do_not_meet_in_a_row(gpt2: Pair) -> None:
    """The names stand before the end of each prompt."""
    (found,) = refusals(gpt2, cell(READOUT, wire(site("layer[0].mlp.out", NAME), READOUT)))
    assert found.code == "CQ315"
    assert "leads to another position" in found.message
    assert "in every row" in found.message


def test_an_end_before_its_start_in_a_row(gpt2: Pair) -> None:
    end = site("layer[1].mlp.in", index(0))
    (found,) = refusals(gpt2, cell(READOUT, wire(site("layer[0].mlp.out", NAME), end)))
    assert (found.code, "an earlier position" in found.message) == ("CQ315", True)


def test_only_the_rows_in_which_ends_do_not_meet_are_named(gpt2: Pair) -> None:
    """Where one prompt ends, the longer one goes on."""
    lengths = [len(gpt2.model.tokenizer(t).input_ids) for t in gpt2.data.columns["clean"]]
    short, long = (f(range(len(lengths)), key=lambda i: lengths[i]) for f in (min, max))
    end = index(lengths[short] - 1)
    (found,) = refusals(gpt2, cell(READOUT, wire(site("layer[0].mlp.out", end), READOUT)))
    assert (found.code, "every row" in found.message) == ("CQ315", False)
    assert "in one row of 2" in found.message
    assert f"from position {lengths[short] - 1} to position {lengths[long] - 1}" in str(found)


def test_ends_that_meet_are_taken(gpt2: Pair) -> None:
    prepared(gpt2, cell(READOUT, wire(site("layer[0].mlp.out", NAME), site("layer[1].kv[0].k", NAME))))
    prepared(gpt2, cell(READOUT, wire(site("layer[0].mlp.out", ALL), site("layer[1].mlp.in", NAME))))


def test_a_module_beside_a_wire(gpt2: Pair) -> None:
    module = Site(Address(M, (Part("module", text="transformer.drop"),)), ALL)
    world = do((Wire(site("embed"), READOUT), 0.0), (module, 0.0))
    (found,) = refusals(gpt2, cell(READOUT, world))
    assert found.code == "CQ575"


def test_a_plan_without_tables(gpt2: Pair) -> None:
    with pytest.raises(DiagnosticError) as caught:
        make_plan([cell(READOUT, wire(site("embed"), READOUT))], gpt2.data)
    assert [d.code for d in caught.value.diagnostics] == ["CQ575"]


def test_an_answer_of_several_tokens_where_a_wire_ends(gpt2: Pair) -> None:
    long = Readout(M, "logprob", Text(" Bartholomew went home"), LAST)
    (found,) = refusals(gpt2, cell(long, wire(site("embed"), long)))
    assert (found.code, "several tokens" in found.message) == ("CQ576", True)
    prepared(gpt2, cell(long, wire(site("embed"), site("layer[1].head[0].q"))))


def test_one_heads_read_of_shared_keys_ends_with_the_prompt(llama: Pair) -> None:
    long = Readout(M, "logprob", Text("letter of the king"), LAST)
    text = Generated(M, 3)
    for asked, kind in ((long, "several tokens"), (text, "a text is written")):
        (found,) = refusals(llama, cell(asked, wire(site("embed"), site("layer[1].head[0].k"))))
        assert (found.code, kind in found.message) == ("CQ576", True)
    prepared(llama, cell(long, wire(site("embed"), site("layer[1].kv[0].k"))))
