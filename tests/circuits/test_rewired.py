"""Worlds with all wires of a circuit: beside single wires, beside each other, from Python, and out of the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import causalcircuit as cq
from causalcircuit import E, P, all, do, last, row
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import (
    ALL,
    Address,
    Assignment,
    Cell,
    Counterfactual,
    OutcomeTable,
    Part,
    Position,
    Program,
    Result,
    Site,
    Wire,
    Wires,
    world_of,
)
from causalcircuit.query.circuits.formulas import Known
from causalcircuit.runs import run_program
from causalcircuit.runs.rewiring import Rewiring, split
from causalcircuit.runs.single_wires import single_wires

torch.set_num_threads(1)
EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = f"""
model gpt2 = hf("{EXAMPLES}/models/ioi") with dtype = float64
data  ioi  = jsonl("{EXAMPLES}/data/ioi.jsonl") with prompt = row.clean cluster row.names sample 12 seed 3
node X = gpt2.embed @ all
node Early = gpt2.layer[0].head[2].out @ all
node NM = gpt2.layer[1].head[3].out @ all
node NL = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
circuit G {{ X -> Early -> NM -> LD }}
circuit H {{ Early -> NM -> LD }}
node NT = gpt2.layer[0].head[2].out @ 5
node KT = gpt2.layer[1].head[3].k @ [2, 5]
circuit L {{ NL -> LD }}
circuit T {{ NT -> NM -> LD }}
circuit K {{ Early -> KT }}
circuit M {{ NM -> LD }}
circuit N {{ X -> NM }}
let kept(Q) = E[LD | do(outside(Q) = (outside(Q) | corrupt))]
let gone(Q) = E[LD | do(Q = (Q | corrupt))]
"""


EARLY = Part("layer", 0), Part("head", 2), Part("out")
LATE = Part("layer", 1), Part("head", 3), Part("out")


def run(text: str, keep: str = "off") -> Result:
    return run_program(check_text(HEAD + text), keep=keep)  # type: ignore[arg-type]


def table(text: str) -> OutcomeTable:
    (found,) = run(text).tables.values()
    return found


def asked(text: str) -> tuple[Program, tuple[Cell, ...]]:
    from causalcircuit.runs.execute import Runner

    program = check_text(HEAD + text)
    runner = Runner(keep="off")
    commands = runner.circuits(program).resolved(program.commands)
    return program, split(q.expr for c in commands for q in c.queries)[1]  # type: ignore[union-attr]


def value(result: Result, i: int = 0) -> float:
    found = result.estimates[i].value
    assert isinstance(found, float)
    return found


@pytest.mark.parametrize(
    "world",
    [
        "gone(H)",
        "gone(M)",
        "E[LD | do(gpt2.layer[0].head[1].out @ all = 0), do(H = (H | corrupt))]",
        "E[LD | corrupt, do(H = (H | do()))]",
        "E[LD | do(H = (H | do(gpt2.layer[0].mlp.out @ all = 0)))]",
        "P(LD > 0 | do(H = (H | corrupt)))",
        "gone(L)",
        "gone(T)",
        "E[LD | corrupt, do(K = (K | do()), L = (L | do()))]",
        'E[gpt2.logprob[" and Diana"] @ last | do(N = (N | corrupt))]',
        'E[gpt2.logprob[[" and Diana", " Mary"]] @ last | do(N = (N | corrupt), gpt2.layer[0].mlp.out @ all = 0)]',
    ],
)
def test_few_wires_are_those_wires_one_by_one(world: str) -> None:
    program, cells = asked(f"estimate {world} on ioi\n")
    from causalcircuit.models import load
    from causalcircuit.rows import load as rows_of

    data = rows_of(program.data["ioi"])
    models = {"gpt2": load(program.models["gpt2"])}
    rewiring = Rewiring(cells, data, None)
    rewiring.run(models)
    assert rewiring.complete
    for cell in cells:
        truth = single_wires(cell, models, data).values
        assert np.allclose(rewiring.values[cell], truth, rtol=0, atol=1e-9)
        assert truth.std() > 0.01


def test_ends() -> None:
    result = run(
        "circuit All = attribute(LD, from = corrupt, method = eap) on ioi\ncircuit Some = strongest(All, 12)\n"
        "estimate kept(All), gone(All), E[LD], E[LD | corrupt], kept(Some) on ioi\n"
    )
    whole, none, clean, corrupt = (value(result, i) for i in range(4))
    assert whole == pytest.approx(clean, abs=1e-9)
    assert none == pytest.approx(corrupt, abs=1e-9)
    assert abs(clean - corrupt) > 1
    assert corrupt + 0.1 < value(result, 4) < clean - 0.1


def test_beside_ordinary_worlds_in_one_file() -> None:
    result = run(
        "estimate kept(G) - E[LD | corrupt], gone(G) / E[LD], E[(LD | do(G = (G | corrupt))) - LD] on ioi\n"
        "test gone(G) - E[LD] < 0 logit on ioi\nestimate kept(G), gone(G), E[LD], E[LD | corrupt] on ioi\n"
    )
    got = [value(result, i) for i in range(3)]
    kept, gone, clean, corrupt = (value(result, i) for i in range(3, 7))
    assert got == pytest.approx([kept - corrupt, gone / clean, gone - clean], abs=1e-9)
    assert result.hypotheses[0].value == pytest.approx(gone - clean, abs=1e-9)


def test_names_and_cost_are_reported() -> None:
    result = run("estimate kept(G) on ioi\n")
    assert result.estimates[0].cost["row_passes"] > 12
    found = result.estimates[0]
    assert found.symbols == "E[LD | do(outside(G) = (outside(G) | corrupt))]"
    assert [name for name, _ in found.where] == ["G", "corrupt", "LD"]


def test_two_circuits_of_one_world() -> None:
    apart = "estimate E[LD | do(M = (M | corrupt), N = (N | corrupt))] on ioi\n"
    one = "circuit Both { X -> NM, NM -> LD }\nestimate gone(Both) on ioi\n"
    assert value(run(apart)) == pytest.approx(value(run(one)), abs=1e-9)
    # With values of two worlds they are written out one by one.
    two = "estimate E[LD | do(M = (M | corrupt), N = (N | do(gpt2.input = row.clean)))] on ioi\n"
    assert value(run(two)) == pytest.approx(value(run("estimate gone(M) on ioi\n")), abs=1e-9)


def test_a_site_in_such_a_world_and_positions_are_written_out() -> None:
    sites = "estimate E[norm(NL) | do(%s)] on ioi\n"
    by_circuit = value(run(sites % "N = (N | corrupt)"))
    wires = "(X -> gpt2.layer[1].head[3].q @ all) = (X | corrupt)"
    wires += "".join(f", (X -> gpt2.layer[1].head[3].{x} @ all) = (X | corrupt)" for x in "kv")
    assert by_circuit == pytest.approx(value(run(sites % wires)), abs=1e-9)
    last = "estimate gone(L) on ioi\n"  # the readout is read at the last position
    assert value(run(last)) == pytest.approx(value(run("estimate gone(M) on ioi\n")), abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "estimate E[norm(NM) | do(outside(G) = (outside(G) | corrupt))] on ioi\n",
        'estimate E[gpt2.logprob[" and Diana"] @ last | do(outside(G) = (outside(G) | corrupt))] on ioi\n',
        "estimate E[LD | do(G = (G | do(outside(G) = (outside(G) | corrupt))))] on ioi\n",
        "estimate E[LD | do(NM = (NM | do(outside(G) = (outside(G) | corrupt))))] on ioi\n",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        run(text)
    assert caught.value.diagnostics[0].code == "CQ264"


def test_all_others_of_wires_at_some_positions() -> None:
    """Between two heads, one wire stays at two positions: all else between them is written out for each row."""
    from causalcircuit.models import load
    from causalcircuit.rows import load as rows_of

    program, (cell,) = asked("estimate E[gpt2.logit[row.io] @ last | do(outside(K) = (outside(K) | corrupt))] on ioi\n")
    (a,) = cell.world.assignments
    assert isinstance(a.target, Wires)
    assert isinstance(a.target.circuit, Known)
    early, late = (Site(Address("gpt2", path), ALL) for path in (EARLY, LATE))
    own = replace(a.target, circuit=Known(replace(a.target.circuit.circuit, over=(early, late))))
    assert isinstance(a.value, Counterfactual)
    corrupt = a.value.world
    narrow = Cell(cell.readout, world_of([Assignment(own, Counterfactual(own, corrupt))]))
    data = rows_of(program.data["ioi"]).take(range(4))
    model = load(program.models["gpt2"])
    rewiring = Rewiring((narrow,), data, None)
    rewiring.run({"gpt2": model})
    for i in range(data.n):
        length = len(model.tokenizer(data.column("clean")[i])["input_ids"])
        rest = Position("list", parts=tuple(Position("index", p) for p in range(length) if p not in (2, 5)))
        reads = {x: Address("gpt2", (*LATE[:-1], Part(x))) for x in "qkv"}
        wires = [Wire(early, Site(reads["q"], ALL)), Wire(early, Site(reads["v"], ALL))]
        wires += [Wire(Site(early.address, rest), Site(reads["k"], rest))]
        wires += [Wire(early, cell.readout), Wire(late, cell.readout)]
        world = world_of(Assignment(w, Counterfactual(w.source, corrupt)) for w in wires)
        truth = single_wires(Cell(cell.readout, world), {"gpt2": model}, data.take([i])).values
        assert rewiring.values[narrow][i] == pytest.approx(float(truth[0]), abs=1e-9)


def test_the_store_finds_them_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAUSALCIRCUIT_STORE", str(tmp_path / "store"))
    text = "estimate kept(G), gone(G) - E[LD] on ioi\n"
    first, again = run(text, "use"), run(text, "use")
    assert [value(first, i) for i in range(2)] == [value(again, i) for i in range(2)]
    assert first.run["computed"] > 0
    assert again.run["computed"] == 0
    # Another circuit, another world and the complement are other outcomes; a name is not.
    for other in ("gone(M)", "kept(M)", "E[LD | do(G = (G | do(gpt2.input = row.clean)))]"):
        assert run(f"estimate {other} on ioi\n", "use").run["computed"] > 0
    renamed = run("circuit Again { X -> Early -> NM -> LD }\nestimate kept(Again) on ioi\n", "use")
    assert renamed.run["computed"] == 0
    assert value(renamed) == value(first)


def test_weights_of_rows_enter(tmp_path: Path) -> None:
    weighted = HEAD.replace(" sample 12 seed 3", " sample 12 seed 3 weight row.w")
    lines = [__import__("json").loads(x) for x in (EXAMPLES / "data/ioi.jsonl").read_text().splitlines()]
    file = tmp_path / "w.jsonl"
    file.write_text("\n".join(__import__("json").dumps({**x, "w": 1 + i % 3}) for i, x in enumerate(lines)))
    text = weighted.replace(f"{EXAMPLES}/data/ioi.jsonl", str(file)) + "estimate gone(G), E[LD] on ioi as population\n"
    result = run_program(check_text(text), keep="off")
    (found,) = result.tables.values()
    assert found.weight is not None
    assert found.weight.std() > 0
    columns = [np.asarray(v) for c, v in found.cells.items() if c.world.assignments]
    rewired = columns[0] - columns[1]
    assert abs(value(result)) == pytest.approx(abs(np.average(rewired, weights=found.weight)), abs=1e-9)
    assert abs(value(result)) != pytest.approx(abs(rewired.mean()), abs=1e-6)


def test_python_gives_the_same_numbers() -> None:
    gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2", dtype="float64")
    ioi = cq.data(EXAMPLES / "data/ioi.jsonl", prompt=row.clean, cluster=row.names, sample=12, seed=3)
    nodes = gpt2.embed @ all, gpt2.layer[0].head[2].out @ all, gpt2.layer[1].head[3].out @ all
    LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
    corrupt = do({gpt2.input: row.corrupt})
    G = cq.circuit("G", (*nodes, LD))
    kept = do({G.outside: G.outside | corrupt})
    mine = cq.estimate(E[LD | kept], P((LD > 0) | kept), on=ioi)
    theirs = run("estimate kept(G), P(LD > 0 | do(outside(G) = (outside(G) | corrupt))) on ioi\n")
    assert [e.value for e in mine.estimates] == [e.value for e in theirs.estimates]


def test_a_pass_that_does_not_add_up_gives_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    from causalcircuit.attribution.streams import Streams

    whole = Streams.write
    monkeypatch.setattr(Streams, "write", lambda self, write, *rest: whole(self, write, *rest) * 0.99)
    with pytest.raises(DiagnosticError, match="CQ797"):
        run("estimate kept(G) on ioi\n")
