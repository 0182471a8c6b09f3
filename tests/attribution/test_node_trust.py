"""Faithfulness of nodes: against worlds of the language, on hand-set weights, and where it cannot be had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from causalcircuit.attribution import Question, node_circuit, node_scores
from causalcircuit.attribution.node_trust import trusted_nodes
from causalcircuit.check import check_text
from causalcircuit.query import FACTUAL, LAST, Cell, Counterfactual, Site, World
from causalcircuit.query.circuit import Circuit, Trust
from causalcircuit.report.trusting import trust_facts
from causalcircuit.runs import run_program
from tests.attribution.test_activations import run
from tests.attribution.test_ends import READOUT, Pair, at, end, others, pair  # noqa: F401
from tests.circuits.samples import ORIGIN
from tests.truth.say import M, do, op, site

torch.set_num_threads(1)
EXAMPLES = Path(__file__).parents[2] / "examples"
TEXT = """
model gpt2 = hf("./models/ioi") with dtype = float64
data  ioi  = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names sample 30 seed 3
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
node A = gpt2.layer[1].head[3].out @ all
node B = gpt2.layer[0].head[2].out @ all
node C0 = gpt2.layer[0].mlp.out @ all
node C1 = gpt2.layer[1].mlp.out @ all
let corrupt = do(gpt2.input = row.corrupt)
circuit N = attribute(LD, over = [A, B, C0, C1], from = {}, method = exact_nodes, keep = 2 nodes) on ioi
let kept = E[LD | do(outside(N) = (outside(N) | {}))]
let none = E[LD | do(A = (A | {}), B = (B | {}), C0 = (C0 | {}), C1 = (C1 | {}))]
estimate (kept - none) / (E[LD] - none) on ioi
show N
"""
MEANS = "do(A = mean(A, pooled), B = mean(B, pooled), C0 = mean(C0, pooled), C1 = mean(C1, pooled))"


def measured(
    given: Pair, question: Question, over: list[Site], keep: int, method: str = "atp"
) -> tuple[Circuit, Trust]:
    model, data = given
    found = node_scores(model, data, question, method, over=over)
    made = node_circuit(found, question, data, replace(ORIGIN, considered=len(found.sites)), over=over, keep=keep)
    out = trusted_nodes(made, found, model, data, question)
    assert out.trust is not None
    return out, out.trust


@pytest.mark.parametrize("start", ["corrupt", "mean(pooled)"])
def test_it_is_what_worlds_of_the_language_say(start: str) -> None:
    world = MEANS if start.startswith("mean") else start
    found = run_program(check_text(TEXT.format(start, *[world] * 5), folder=EXAMPLES), keep="off")
    made = found.circuits[0].circuits[0]
    assert made.trust is not None
    point = next(p for p in made.trust.curve if p.size == 2)
    assert point.faithful == pytest.approx(found.estimates[0].value, abs=1e-8)
    assert point.interval is not None
    assert point.interval.low < point.faithful < point.interval.high
    assert [p.size for p in made.trust.curve] == [0, 1, 2, 4]
    assert (made.trust.curve[0].faithful, made.trust.curve[-1].faithful) == (0, 1)
    assert made.trust.cpr is not None
    assert made.trust.passes > 0
    facts = {name: f"{number} {meaning}" for name, number, meaning in trust_facts(made)}
    assert "by 2 nodes alone" in facts["faithfulness"]


@pytest.fixture
def one(pair: Pair) -> Pair:  # noqa: F811
    """One row, whose effect is what it is."""
    return pair[0], pair[1].take([0])


def test_nodes_of_any_kind(one: Pair, end: World) -> None:  # noqa: F811
    """Positions, neurons and queries, held against a world in which all others are assigned one by one."""
    cut = [Site(site("embed").address, p) for p in (at(0), at(4), others(at(0), at(4)))]
    more = [site("layer[0].mlp.neuron[3]"), site("layer[1].mlp.neuron[5]"), site("layer[1].head[2].q")]
    made, trust = measured(one, Question(M, READOUT, FACTUAL, end), [*cut, *more], 3)
    kept = {n.site for n in made.nodes}

    def world(held: list[Site]) -> World:
        # What is changed in `to` is assigned again where it is held: the whole embedding by its parts.
        return do(*end_of(end), *((s, Counterfactual(s, FACTUAL)) for s in held))

    every = [*cut, *more]
    cells = [Cell(READOUT, world(h)) for h in (every, [s for s in every if s not in kept], [])]
    none, some, whole = (v[0] for v in run(*one, cells))
    assert [p.size for p in trust.curve] == [0, 1, 3, 6]
    assert trust.curve[2].faithful == pytest.approx((some - none) / (whole - none), abs=1e-9)
    assert abs(whole - none) > 1e-3


def end_of(world: World) -> list[tuple[Site, object]]:
    return [(a.target, a.value) for a in world.assignments]  # type: ignore[misc]


def test_all_nodes_bring_about_the_effect(one: Pair, end: World) -> None:  # noqa: F811
    made, trust = measured(one, Question(M, READOUT, FACTUAL, end), [], 2)
    assert trust.curve[-1].faithful == pytest.approx(1)
    assert trust.curve[0].faithful == 0
    assert len(made.nodes) == 2
    assert next(p for p in trust.curve if p.size == 2).faithful != pytest.approx(1, abs=1e-6)


def test_nodes_that_overlap_are_no_choice(pair: Pair, end: World) -> None:  # noqa: F811
    over = [site("layer[0].mlp.out"), Site(site("layer[0].mlp.out").address, LAST), site("layer[1].mlp.out")]
    _, trust = measured(pair, Question(M, READOUT, FACTUAL, end), over, 1)
    assert not trust.curve
    assert any("overlap" in n for n in trust.notes)


def test_nodes_that_do_nothing_have_no_share(pair: Pair) -> None:  # noqa: F811
    node = site("layer[1].mlp.out", at(0))
    last = site("layer[1].mlp.out", LAST)
    world = do((last, op(last, "+", 1e-30)), (node, op(node, "*", 2.0)))
    found = node_scores(*pair, Question(M, READOUT, FACTUAL, do((last, op(last, "*", 1.5)))), "atp", over=[node, last])
    made = node_circuit(found, Question(M, READOUT, FACTUAL, world), pair[1], ORIGIN, over=[node, last], keep=1)
    trust = trusted_nodes(made, found, *pair, Question(M, READOUT, FACTUAL, world)).trust
    assert trust is not None
    assert not trust.curve
    assert any("undefined" in n for n in trust.notes)


def test_what_is_too_much_is_not_done_unasked(one: Pair, end: World, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    from causalcircuit.attribution import node_trust

    monkeypatch.setattr(node_trust, "FLOOR", 0)
    _, trust = measured(one, Question(M, READOUT, FACTUAL, end), [], 2)
    assert not trust.curve
    assert any("too many to do unasked" in n for n in trust.notes)
    monkeypatch.setattr(node_trust, "_NODES", 3)
    _, trust = measured(one, Question(M, READOUT, FACTUAL, end), [], 2)
    assert any("more than 3 nodes" in n for n in trust.notes)
