"""The smallest faithful circuit: what each search promises, held against choices measured one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.kept import readouts
from causalcircuit.attribution.passes import Question, Rows
from causalcircuit.attribution.search import SEARCHES, Trials
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import load as load_model
from causalcircuit.query import FACTUAL
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.formulas import Attributed
from causalcircuit.rows import load
from causalcircuit.runs import run_program

torch.set_num_threads(1)
EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = """
model gpt2 = hf("./models/ioi")
data  ioi  = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names sample 10 seed 3
data  rest = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names sample 14 seed 5
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
circuit C = attribute(LD, from = corrupt, method = eap, keep = 60 edges) on ioi
let f(Q) = (E[LD | do(outside(Q) = (outside(Q) | corrupt))] - E[LD | corrupt]) / (E[LD] - E[LD | corrupt])
"""
BOUND = 0.8


@pytest.fixture(scope="module")
def bench() -> Bench:
    program = check_text(HEAD, folder=EXAMPLES)
    asked = program.circuits["C"].formula
    assert isinstance(asked, Attributed)
    question = Question("gpt2", asked.readout, asked.start, FACTUAL)
    return Bench(Rows(load_model(program.models["gpt2"]), load(asked.data), question))


def trials_of(bench: Bench, wires: tuple[int, ...]) -> Trials:
    others = torch.ones(len(bench.wiring), dtype=torch.bool)
    others[list(wires)] = False  # those that are not considered carry what they do
    return Trials(bench, wires, others, np.arange(1.0, bench.rows.data.n + 1))


def plainly(bench: Bench, trials: Trials, wires: tuple[int, ...]) -> np.ndarray:
    """Readouts of a choice, without anything that a search remembers."""
    return readouts(bench, [trials.mask(wires)])[0].numpy()[0]


def faithful(bench: Bench, trials: Trials, wires: tuple[int, ...]) -> float:
    none, some = plainly(bench, trials, ()), plainly(bench, trials, wires)
    whole = readouts(bench, [torch.ones(len(bench.wiring), dtype=torch.bool)])[0].numpy()[0]
    return float(((some - none) @ trials.weights) / ((whole - none) @ trials.weights))


@pytest.fixture(scope="module")
def order(bench: Bench) -> tuple[int, ...]:
    draw = np.random.default_rng(0)
    return tuple(int(x) for x in draw.permutation(len(bench.wiring))[:40])


def test_measures(bench: Bench, order: tuple[int, ...]) -> None:
    trials = trials_of(bench, order)
    for some in (order[:20], order[10:]):
        assert trials.faithful(some) == pytest.approx(faithful(bench, trials, some), abs=1e-5)
    assert trials.faithful(()) == 0


def test_greedy_leaves_no_wire_that_can_go(bench: Bench, order: tuple[int, ...]) -> None:
    trials = trials_of(bench, order)
    bound = 0.7 * trials.faithful(trials.wires)
    found = SEARCHES["greedy"](trials, bound, ())
    assert trials.faithful(found) > bound
    assert 0 < len(found) < len(trials.wires)
    assert all(trials.faithful([w for w in found if w != gone]) <= bound for gone in found)


def test_bisect_is_a_step_of_the_order(bench: Bench, order: tuple[int, ...]) -> None:
    trials = trials_of(bench, order)
    bound = 0.7 * trials.faithful(trials.wires)
    found = SEARCHES["bisect"](trials, bound, ())
    assert found == trials.wires[: len(found)]
    assert trials.faithful(found) > bound >= trials.faithful(found[:-1])


def test_acdc_is_its_algorithm(bench: Bench, order: tuple[int, ...]) -> None:
    trials = trials_of(bench, order[:25])
    threshold = 0.05
    whole = readouts(bench, [torch.ones(len(bench.wiring), dtype=torch.bool)])[0].numpy()[0]

    def distance(wires: set[int]) -> float:
        return float(np.abs(plainly(bench, trials, tuple(wires)) - whole) @ trials.weights / trials.weights.sum())

    kept = set(trials.wires)
    by_ends = {(int(bench.wiring.readers[w]), int(bench.wiring.writers[w])): w for w in trials.wires}
    now = distance(kept)
    for ends in sorted(by_ends, reverse=True):
        without = distance(kept - {by_ends[ends]})
        if without - now < threshold:
            kept, now = kept - {by_ends[ends]}, without
    found = SEARCHES["acdc"](trials, BOUND, (threshold,))
    assert set(found) == kept
    assert 0 < len(found) < len(trials.wires)


def shown(text: str) -> list[Circuit]:
    result = run_program(check_text(HEAD + text, folder=EXAMPLES), keep="off")
    return [s.circuits[0] for s in result.circuits]


def test_what_is_claimed_is_what_the_world_gives() -> None:
    text = "".join(
        f"circuit K{i} = smallest(C, search = {how}, faithful > {BOUND}) on {d}\n"
        for i, (how, d) in enumerate((("greedy", "ioi"), ("bisect", "rest"), ("acdc(0.02)", "ioi")))
    )
    text += "show K0\nshow K1\nshow K2\nestimate f(K0), f(K2) on ioi\nestimate f(K1) on rest\n"
    result = run_program(check_text(HEAD + text, folder=EXAMPLES), keep="off")
    circuits = [s.circuits[0] for s in result.circuits]
    estimates = [result.estimates[i].value for i in (0, 2, 1)]
    for circuit, value in zip(circuits, estimates, strict=True):
        assert circuit.trust is not None
        none, own, whole = circuit.trust.curve
        assert (none.faithful, whole.faithful) == (0, pytest.approx(1))
        assert own.size == len(circuit.edges) < 60
        assert own.faithful > BOUND
        assert own.faithful == pytest.approx(value, abs=1e-4)
        assert own.interval is not None
        assert "on others it is less faithful" in circuit.trust.notes[1]
        assert all(e.score is not None for e in circuit.edges)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("circuit T = strongest(C, 2)\ncircuit K = smallest(T, faithful > 0.9) on ioi", "all wires of"),
        ("circuit K = smallest(C, search = acdc(2), faithful > 0.7) on ioi", "left"),
        ("circuit Few = C where score > 1000\ncircuit K = smallest(Few, faithful > 0.9) on ioi", "no wires"),
    ],
)
def test_refused(made: str, said: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        shown(made + "\nshow K\n")
    (only,) = caught.value.diagnostics
    assert only.code == "CQ796"
    assert said in only.message
