"""`show C` in a terminal: nodes by layer, bars with one zero, what speaks against it first; at every width."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from causalcircuit.query import Result
from causalcircuit.query.circuit import Circuit, CircuitEdge, CircuitNode, Score, SizePoint, Trust
from causalcircuit.query.circuits import compare, grouped
from causalcircuit.query.circuits.shown import CircuitShown
from causalcircuit.query.estimate import Interval
from causalcircuit.report import to_json, to_text
from tests.circuits.samples import ORIGIN, circuit, circuits, edge, site


def scored(source: str, target: str | None, value: float) -> CircuitEdge:
    score = Score(value, Interval(value - 0.1, value + 0.1), 324, 0.9)
    return replace(edge(source, target), score=score)


C = circuit(
    scored("layer[0].head[2].out", "layer[1].head[3].q", 0.8),
    scored("layer[1].head[3].out", None, -0.4),
    scored("embed", "layer[0].mlp.in", 0.2),
    scored("layer[0].mlp.out", None, 0.0),
    origin=ORIGIN,
)


def text(*shown: Circuit, width: int = 100, **how: bool) -> str:
    return to_text(Result(circuits=tuple(CircuitShown((c,)) for c in shown)), width=width, **how)


def test_nodes_stand_by_layer_from_the_inputs_down_to_the_readout() -> None:
    lines = [line.split() for line in text(C).splitlines()]
    labels = [line for line in lines if line and line[0] in ("input", "layer", "readout")]
    assert labels == [["input", "embed"], ["layer", "0", "0.2", "mlp", "0"], ["layer", "1", "1.3"], ["readout", "LD"]]


def test_bars_have_one_zero_and_lengths_in_proportion() -> None:
    bars = {line.split("  ")[1]: line for line in text(C).splitlines() if "->" in line}
    ups, downs = bars["0.2 -> 1.3.q"], bars["1.3 -> LD"]
    assert ups.count("█") == pytest.approx(2 * downs.count("█"), abs=1)
    assert ups.count("█") == pytest.approx(4 * bars["embed -> mlp 0"].count("█"), abs=4)
    assert downs.index("█") < ups.index("█")
    assert max(i for i, c in enumerate(downs) if c == "█") < min(i for i, c in enumerate(ups) if c == "█")
    assert not set(bars["mlp 0 -> LD"]) & set("█▌▐")
    assert ups.split()[-4:] == ["+0.80", "[0.70,", "0.90]", "90%"]


def test_what_makes_it_untrustworthy_is_said_first() -> None:
    failed = replace(C, trust=Trust(failures=("40 wires are 0.31 faithful", "unstable")))
    assert text(failed).splitlines()[1].strip() == "not to be trusted: 40 wires are 0.31 faithful"
    assert "against  unstable" in text(failed)
    good = replace(C, trust=Trust((SizePoint(40, 0.1, 0.931),), pearson=0.951, held=30, jaccard=0.8))
    assert "40 wires are 0.93 faithful, r 0.95 with exact patching of 30 wires, 80% alike" in text(good)
    assert "trust: not measured" in text(C)
    assert "trust" not in text(circuit(edge("embed", None)))


def test_groups_stand_for_their_nodes() -> None:
    found = text(grouped(C, {"early": [site("layer[0].head[2].out"), site("embed")]}))
    assert "input    early" in found
    assert "layer 0  mlp 0" in found
    assert "groups  early: 0.2, embed" in found


def test_only_the_strongest_are_listed() -> None:
    many = circuit(*(scored(f"layer[{i}].head[{j}].out", None, i + j / 10) for i in range(6) for j in range(6)))
    found = text(many)
    assert sum("->" in line for line in found.splitlines()) == 20
    assert "and 16 weaker ones" in found


def test_nodes_without_wires() -> None:
    nodes = Circuit("N", "m", nodes=tuple(CircuitNode(e.source, e.score) for e in C.edges), origin=ORIGIN)
    found = text(nodes)
    assert "->" not in found
    assert "0.2 " in found
    assert "+0.80" in found


def test_two_beside_each_other() -> None:
    other = replace(C, name="D", edges=C.edges[1:])
    result = Result(circuits=(CircuitShown((C, other), compare(C, other)),))
    found = to_text(result, width=90)
    for said in (
        "C beside D",
        "0.750 (Jaccard)",
        "1.000 (Spearman) over 3 wires",
        "in both (3)",
        "only C (1)",
        "only D (0)",
    ):
        assert said in found
    assert '"jaccard": 0.75' in to_json(result)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(circuits, st.integers(40, 120), st.booleans(), st.booleans())
def test_any_circuit_fits_any_terminal(c: Circuit, width: int, ascii_only: bool, brief: bool) -> None:
    found = text(c, width=width, ascii_only=ascii_only, brief=brief)
    assert all(cell_len(line) <= width for line in found.splitlines())
    assert not any(ord(ch) < 32 and ch != "\n" for ch in found)
    if ascii_only:
        assert found.isascii()
    to_json(Result(circuits=(CircuitShown((c,)),)))
