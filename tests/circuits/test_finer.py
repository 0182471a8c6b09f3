"""Circuits whose wires end in single positions, neurons and features: their names, routes and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from causalcircuit.query import ALL, LAST, Address, Part, Position, Result, Site, Word
from causalcircuit.query.address import Attached
from causalcircuit.query.circuits import paths, read, write
from causalcircuit.query.circuits.routes import belongs
from causalcircuit.query.circuits.shown import CircuitShown
from causalcircuit.report import to_text
from causalcircuit.report.circuit_names import node_of, place_name, short, wire_name
from tests.circuits.samples import circuit, edge, site

SUBJ = Position("token", words=(Word("subj"),))
FEATURE = Site(Address("m", (Attached("s"), Part("feature", 5))), ALL)
ERROR = Site(Address("m", (Attached("s"), Part("error"))), ALL)


def at(text: str, position: Position) -> Site:
    return Site(site(text).address, position)


@pytest.mark.parametrize(
    ("node", "name"),
    [
        (at("embed", SUBJ), "embed@subj"),
        (at("layer[0].mlp.neuron[17]", ALL), "0.mlp[17]"),
        (at("layer[0].mlp.neuron[17]", LAST), "0.mlp[17]@last"),
        (at("layer[2].expert[3].out", ALL), "2.expert[3]"),
        (at("vision.embed", Position("image", index=7)), "vision patch 7"),
        (at("vision.layer[0].head[1].out", Position("image", index=7)), "vision 0.1@patch 7"),
        (at("layer[1].head[3].k", Position("index", index=4)), "1.3.k@4"),
        (at("layer[1].head[3].out", Position("list", parts=(SUBJ, LAST))), "1.3@subj+last"),
        (at("embed", Position("except", parts=(ALL, LAST))), "embed@all but last"),
        (at("projector.out", Position("inside", mask="face")), "projector@inside face"),
        (FEATURE, "s[5]"),
        (ERROR, "s.error"),
    ],
)
def test_short_names(node: Site, name: str) -> None:
    assert short(node) == name


def test_all_positions_have_no_name() -> None:
    assert place_name(ALL) == ""


def test_a_node_stands_where_it_writes_not_where_it_looks() -> None:
    assert node_of(at("layer[1].head[3].q", LAST)) == node_of(at("layer[1].head[3].out", LAST)) == "1.3@last"
    assert node_of(at("layer[1].head[3].k", SUBJ)) == "1.3"
    made = circuit(edge("embed", "layer[1].head[3].k"))
    wires = (
        type(made.edges[0])(at("embed", SUBJ), at("layer[1].head[3].k", SUBJ)),
        type(made.edges[0])(at("layer[1].head[3].out", LAST), None),
    )
    said = to_text(Result(circuits=(CircuitShown((circuit(*wires),)),)), width=100)
    assert "1.3@last" in said
    assert "layer 1  1.3@last\n" in said.replace(" \n", "\n")
    assert "embed@subj -> 1.3.k\n" in said.replace(" \n", "\n")
    assert wire_name(at("embed", SUBJ), at("layer[1].head[3].k", LAST)) == "embed@subj -> 1.3.k@last"
    assert wire_name(at("embed", LAST), at("layer[1].head[3].q", LAST)) == "embed@last -> 1.3.q@last"


def test_routes_go_on_through_what_reads_by_itself() -> None:
    neuron, other = at("layer[1].mlp.neuron[4]", ALL), at("layer[1].mlp.neuron[5]", ALL)
    assert belongs(neuron, neuron)
    assert belongs(FEATURE, FEATURE)
    assert not belongs(neuron, other)
    assert not belongs(FEATURE, ERROR)
    assert not belongs(at("layer[1].mlp.neuron[4]", LAST), at("layer[1].mlp.neuron[4]", Position("index", index=-2)))
    make = type(edge("embed", None))
    head = site("layer[0].head[0].out")
    whole = circuit(make(head, neuron), make(head, FEATURE), make(neuron, None), make(other, None), make(FEATURE, None))
    assert [(e.source, e.target) for e in paths(whole, (head,), None).edges] == [
        (head, neuron), (head, FEATURE), (neuron, None), (FEATURE, None),
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", ["json", "graphml"])
def test_files_come_back_unchanged(suffix: str, tmp_path: Path) -> None:
    make = type(edge("embed", None))
    whole = circuit(
        make(at("embed", SUBJ), at("layer[1].mlp.neuron[4]", LAST)),
        make(at("vision.embed", Position("image", index=3)), FEATURE),
        make(ERROR, None),
    )
    write(whole, tmp_path / f"c.{suffix}")
    assert read(tmp_path / f"c.{suffix}") == whole
