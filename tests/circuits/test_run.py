"""Circuits where a program is run: shown, saved, refused where the weights are others; the same from Python."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import causalcircuit as cq
from causalcircuit import E, all, do, last, row
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query.circuit import CircuitEdge, Score
from causalcircuit.query.circuits import read, write
from causalcircuit.query.circuits.formulas import Attributed, Known
from causalcircuit.runs import Session, run_program
from causalcircuit.runs.circuits import Circuits
from causalcircuit.runs.contents import Contents
from causalcircuit.store import Files
from tests.circuits.samples import ORIGIN, circuit, site

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = f"""
model gpt2 = hf("{EXAMPLES}/models/ioi")
data  ioi  = jsonl("{EXAMPLES}/data/ioi.jsonl") with prompt = row.clean cluster row.names
node X = gpt2.embed @ all
node Early = gpt2.layer[0].head[2].out @ all
node NM = gpt2.layer[1].head[3].out @ all
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
circuit G {{ X -> Early -> NM -> LD }}
"""
gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2")
ioi = cq.data(EXAMPLES / "data/ioi.jsonl", prompt=row.clean, cluster=row.names)
X, Early, NM = gpt2.embed @ all, gpt2.layer[0].head[2].out @ all, gpt2.layer[1].head[3].out @ all
LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
corrupt = do({gpt2.input: row.corrupt})


def test_what_is_shown_and_saved(tmp_path: Path) -> None:
    text = HEAD + '## By hand\nshow G\nshow compare(G, G)\nsave G to "./g.json"\nsave G to "./deep/g.graphml"\n'
    result = run_program(check_text(text, folder=tmp_path), keep="off")
    assert [len(s.circuits) for s in result.circuits] == [1, 2]
    assert result.circuits[0].comments == ("By hand",)
    assert result.circuits[1].comparison is not None
    assert result.circuits[1].comparison.jaccard == 1.0
    for name in ("g.json", "deep/g.graphml"):
        assert read(tmp_path / name) == result.circuits[0].circuits[0]
    assert [Path(p).name for p in result.saved] == ["g.json", "g.graphml"]
    made = result.to_json()["circuits"]
    assert made[0]["format"] == "causalcircuit/circuit"
    assert made[1]["jaccard"] == 1.0


def test_nothing_is_made_before_it_is_asked_for() -> None:
    text = HEAD + "circuit C = attribute(LD, from = corrupt, method = ifr) on ioi\nshow G\n"
    assert len(run_program(check_text(text), keep="off").circuits) == 1


def weights() -> str:
    found = Contents(Files(None)).weights(gpt2.ref)
    assert found is not None
    return found


@pytest.mark.parametrize("ask", ["show F", 'save F to "./again.json"', "circuit H = strongest(F, 1)\nshow H"])
def test_a_file_is_held_against_the_weights(tmp_path: Path, ask: str) -> None:
    edge = CircuitEdge(site("layer[0].mlp.out", model="gpt2"), None, Score(1.0))
    made = replace(circuit(edge), model="gpt2", origin=replace(ORIGIN, model="gpt2 gpt2"))
    write(replace(made, origin=replace(made.origin, weights=weights())), tmp_path / "mine.json")
    write(made, tmp_path / "other.json")
    text = HEAD + f'circuit F = load("./mine.json")\n{ask}'
    assert run_program(check_text(text, folder=tmp_path), keep="off") is not None
    program = check_text(text.replace("mine", "other"), folder=tmp_path)
    with pytest.raises(DiagnosticError, match="CQ774"):
        run_program(program, keep="off")


def test_questions_get_the_wires_of_circuits_that_take_a_model() -> None:
    text = HEAD + (
        "circuit C = attribute(LD, from = corrupt, method = eap) on ioi\n"
        "let kept(Q) = E[LD | do(outside(Q) = (outside(Q) | corrupt))]\n"
        "test kept(C) - kept(G) > 0 logit on ioi\nestimate kept(C) on ioi\n"
    )
    program = check_text(text)
    known = program.circuits["G"].formula
    assert isinstance(known, Known)
    asked = []

    class Told(Circuits):
        def ask(self, formula: object) -> object:  # type: ignore[override]
            asked.append(formula)
            return known.circuit

    from causalcircuit.runs.keeping import Keeping

    made = Told(program, lambda _: None, Keeping.opened("off")).resolved(program.commands)  # type: ignore[arg-type, return-value]
    again = check_text(text.replace("kept(C)", "kept(G)"))
    bare = Circuits(again, lambda _: None, Keeping.opened("off")).resolved(again.commands)  # type: ignore[arg-type, return-value]
    assert [made[0].claims[0].query.expr, made[1].queries[0].expr] == [  # type: ignore[union-attr]
        bare[0].claims[0].query.expr,  # type: ignore[union-attr]
        bare[1].queries[0].expr,  # type: ignore[union-attr]
    ]
    assert [a for a in asked if not isinstance(a, Attributed)] == []
    assert asked


def test_a_plan_says_what_it_leaves_out() -> None:
    text = HEAD + "circuit C = attribute(LD, from = corrupt, method = eap) on ioi\n"
    text += "circuit K = smallest(C, search = greedy, faithful > 0.9) on ioi\nshow K\n"
    found = cq.plan(check_text(text))
    assert [d.code for d in found.diagnostics] == ["CQ266"]
    assert found.data == ()
    assert [c.name for c in found.circuits] == ["K"]  # what it is searched in


def test_a_drawn_circuit_costs_nothing() -> None:
    found = cq.plan(check_text(HEAD + "show G\n"))
    assert (found.diagnostics, found.data, found.circuits) == ((), (), ())


def test_a_prompt_keeps_circuits() -> None:
    session = Session(EXAMPLES)
    assert session.execute(HEAD).declared[-1] == "G"
    shown = session.execute("show G").result
    assert shown is not None
    assert len(shown.circuits) == 1
    again = session.execute("circuit G = paths(G, X, NM)\nshow G").result
    assert again is not None
    assert len(again.circuits) == 1
    assert len(again.circuits[0].circuits[0].edges) == 6


def test_checking_a_drawing_loads_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "g.cq"
    file.write_text(HEAD + "circuit C = attribute(LD, from = corrupt, method = eap) on ioi\nshow G\n")
    script = (
        "import sys\nfrom pathlib import Path\nfrom causalcircuit.runs import check\n"
        f"check(Path({str(file)!r}))\n"
        "print([m for m in ('torch', 'transformers', 'pandas', 'networkx', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "g.cq"
    file.write_text(HEAD + 'show G\nsave G to "./g.dot"\n')
    base = [sys.executable, "-m", "causalcircuit", "run", str(file), "--no-store"]
    done = subprocess.run([*base, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=True)
    assert "circuit G · 7 wires" in done.stdout
    assert "g.dot" in done.stderr
    assert (tmp_path / "g.dot").read_text().startswith("digraph")
    assert read(tmp_path / "out" / "G.circuit.json").name == "G"
    done = subprocess.run([*base, "--format", "json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["circuits"][0]["name"] == "G"


# ---- Python builds the same


def same(text: str, made: cq.Circuit, name: str = "C") -> bool:
    return check_text(HEAD + text).circuits[name].formula == made.declared.formula


def test_python_builds_the_same_circuits() -> None:
    drawn = cq.circuit("G", (X, Early, NM, LD))
    assert same("", drawn, "G")
    line = "circuit C = attribute(LD, over = [Early, NM], from = corrupt, to = do(), method = {}{}) on ioi{}"
    over = [Early, NM]
    made = cq.attribute(LD, over=over, start=corrupt, on=ioi, method="eap_ig(5)", keep="4 edges", above=0.1, seed=3)
    assert same(line.format("eap_ig(5)", ", keep = 4 edges, above = 0.1", " seed 3"), made)
    assert same(line.format("eap", "", ""), cq.attribute(LD, over=over, start=corrupt, on=ioi, method="eap"))
    c = cq.attribute(LD, start=corrupt, on=ioi, method="eap")
    first = "circuit A = attribute(LD, from = corrupt, method = eap) on ioi\n"
    assert same(first + "circuit C = A where abs(score) > 0.1 and not selected < 0.5",
                c.where("abs(score) > 0.1 and not selected < 0.5"))  # fmt: skip
    assert same(first + "circuit C = union(A, G)", c | drawn)
    assert same(first + "circuit C = intersect(A, G)", c & drawn)
    assert same(first + "circuit C = A except G", c - drawn)
    assert same(first + "circuit C = strongest(A, 7)", c.strongest(7))
    assert same(first + "circuit C = paths(A, X, [Early, NM])", c.paths(X, [Early, NM]))
    assert same(first + "circuit C = paths(A, X, LD)", c.paths(X, LD))
    assert same(first + "circuit C = group(A, e = [X, Early])", c.group(e=[X, Early]))
    assert same(first + "circuit C = smallest(A, search = acdc(0.01), faithful > 0.9) on ioi",
                cq.smallest(c, search="acdc(0.01)", faithful=0.9, on=ioi))  # fmt: skip
    assert same("circuit C = paths(G, X, NM)", drawn.paths(X, NM).named("C"))


def test_python_builds_the_same_worlds() -> None:
    drawn = cq.circuit("G", (X, Early, NM, LD))
    made = E[LD | do({drawn.outside: drawn.outside | corrupt})] - E[LD | do({drawn.wires: drawn.wires | corrupt})]
    text = "estimate E[LD | do(outside(G) = (outside(G) | corrupt))] - E[LD | do(G = (G | corrupt))] on ioi"
    assert check_text(HEAD + text).commands[0].queries[0].expr == made.expr  # type: ignore[union-attr]
    with pytest.raises(DiagnosticError, match="CQ262"):
        do({drawn.wires: 0})


def test_python_files(tmp_path: Path) -> None:
    drawn = cq.circuit("G", (X, Early, NM, LD))
    drawn.save(tmp_path / "g.json")
    again = cq.load_circuit(tmp_path / "g.json", gpt2)
    assert again.circuit == drawn.circuit
    other = cq.model(str(EXAMPLES / "models/ioi"), name="other")
    assert cq.load_circuit(tmp_path / "g.json", other).declared.model == "other"
    with pytest.raises(DiagnosticError, match="CQ774"):
        cq.load_circuit(tmp_path / "g.json", cq.model(str(EXAMPLES / "models/captioner"), name="cap"))
    assert cq.show(drawn).circuits[0].circuits[0] == drawn.circuit
    assert drawn.compare(drawn.strongest(1) if drawn.edges[0].score else drawn).jaccard == 1.0


@pytest.mark.parametrize(
    ("code", "build"),
    [
        ("CQ250", lambda: cq.attribute(LD, start=corrupt, on=ioi, method="epa")),
        ("CQ250", lambda: cq.attribute(LD, start=corrupt, on=ioi, method="eap ig")),
        ("CQ251", lambda: cq.attribute(LD, start=do(), on=ioi)),
        ("CQ252", lambda: cq.attribute(LD, start=corrupt, on=ioi, keep="500 edges")),
        ("CQ253", lambda: cq.attribute(LD, start=corrupt, on=ioi, keep="500")),
        ("CQ253", lambda: cq.attribute(LD, start=corrupt, on=ioi, method="eap(5)")),
        ("CQ253", lambda: cq.smallest(cq.circuit("G", (X, NM)), faithful=1.5, on=ioi)),
        ("CQ254", lambda: cq.attribute(NM, start=corrupt, on=ioi)),
        ("CQ255", lambda: cq.attribute(LD, over=gpt2.layer[1].head[3].q @ all, start=corrupt, on=ioi)),
        ("CQ402", lambda: cq.attribute(LD, start=do({gpt2.input: row.corupt}), on=ioi)),
        ("CQ263", lambda: cq.circuit("G", (X,))),
        ("CQ263", lambda: cq.circuit("G")),
        ("CQ236", lambda: cq.circuit("G", (NM, Early))),
        ("CQ259", lambda: cq.circuit("G", (X, NM)).strongest(1)),
        ("CQ260", lambda: cq.circuit("G", (X, NM)).where("length > 1")),
        ("CQ261", lambda: cq.circuit("G", (X, NM)).group(a=Early)),
        ("CQ267", lambda: cq.smallest(cq.circuit("G", (X, NM)), faithful=0.9, on=ioi)),
    ],
)
def test_mistakes_are_the_same_diagnostics(code: str, build) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DiagnosticError) as caught:
        build()
    assert caught.value.diagnostics[0].code == code
    assert caught.value.diagnostics[0].help


def test_a_method_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("causalcircuit.attribution.METHODS", {})
    with pytest.raises(DiagnosticError, match="CQ265"):
        cq.attribute(LD, start=corrupt, on=ioi, method="eap").circuit  # noqa: B018
