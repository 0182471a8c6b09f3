"""Diagrams from files and from circuits, and their way back into files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import causalcircuit as cq
from causalcircuit.causal import Diagram
from causalcircuit.causal.files import read, text_of, write
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Graph
from causalcircuit.query.identification import Variable
from causalcircuit.runs import Session, check_text, run_program
from repotools.fixtures import FIXTURES

HEAD = """\
model gpt2 = hf("MODEL")
node E1 = gpt2.embed @ all
node Early = gpt2.layer[0].head[2].out @ all
node M0 = gpt2.layer[0].mlp.out @ all
node NM = gpt2.layer[1].head[3].out @ all
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
""".replace("MODEL", str(FIXTURES / "models" / "ioi"))


def graphs(text: str, folder: Path) -> dict[str, Graph]:
    return dict(check_text(HEAD + text, folder=folder).graphs)


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    names = draw(st.lists(st.text('aB1 "\\{}->.@[]é', min_size=1, max_size=5), min_size=1, max_size=5, unique=True))
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    some = st.lists(st.sampled_from(pairs), unique=True, max_size=5) if pairs else st.just([])
    return Diagram(tuple(names), tuple(draw(some)), tuple(draw(some)), draw(st.frozensets(st.sampled_from(names))))


@settings(max_examples=150, deadline=None)
@given(diagrams(), st.sampled_from([".dot", ".gv", ".dagitty", ".txt"]))
def test_files_hold_all_of_a_diagram(diagram: Diagram, suffix: str) -> None:
    assert Diagram.read(text_of(diagram, suffix)) == diagram


@settings(max_examples=150, deadline=None)
@given(diagrams(), st.data())
def test_a_file_that_is_cut_off_is_refused(diagram: Diagram, data: st.DataObject) -> None:
    text = text_of(diagram, data.draw(st.sampled_from([".dot", ".txt"]))).rstrip()
    with pytest.raises(DiagnosticError, match="CQ834"):
        Diagram.read(text[: data.draw(st.integers(text.index("{") + 1, len(text) - 1))])


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    text = (
        'graph G = wiring(gpt2, [Early, gpt2.layer[1].mlp.out @ last, LD])\nsave G to "./out/g.dot"\n'
        'graph H { latent U, U -> Early, U -> LD, Early -> LD, Season -> LD, population may -> LD } assume "-"\n'
        'save H to "./out/h.txt"\n'
    )
    program = check_text(HEAD + text, folder=tmp_path)
    assert not (tmp_path / "out").exists()
    assert run_program(program, tests_only=True).saved == ()
    result = run_program(program)
    assert [Path(f).name for f in result.saved] == ["g.dot", "h.txt"]
    again = graphs('graph G = load("./out/g.dot")\ngraph H = load("./out/h.txt") assume "-"\n', tmp_path)
    for name, graph in again.items():
        before = program.graphs[name]
        assert set(graph.nodes) == set(before.nodes)  # names of nodes are bound, and texts of nodes are read
        assert (set(graph.directed), set(graph.bidirected)) == (set(before.directed), set(before.bidirected))
        assert (graph.latents, graph.selections) == (before.latents, before.selections)
    assert dict(again["H"].nodes)["Season"] == Variable("Season")
    assert again["G"].wiring == "held against `gpt2`"


def test_a_loaded_diagram_is_held_against_the_wiring(tmp_path: Path) -> None:
    (tmp_path / "g.dot").write_text("digraph { LD -> NM }", encoding="utf-8")
    with pytest.raises(DiagnosticError, match="CQ291"):
        graphs('graph G = load("./g.dot")', tmp_path)
    (tmp_path / "g.dot").write_text("NM -> LD, NM <-> LD, Season -> NM", encoding="utf-8")
    program = check_text(f'{HEAD}graph G = load("./g.dot")\nidentify E[NM | do(Season = 1)] in G', folder=tmp_path)
    assert program.identifications[0].identified
    assert program.warnings == ()


def test_files_in_python(tmp_path: Path) -> None:
    drawn = cq.graph("X -> Y, X <-> Y", name="G")
    drawn.save(tmp_path / "g.gv")
    assert cq.load_graph(tmp_path / "g.gv").graph == drawn.graph
    for code, ask in (
        ("CQ293", lambda: drawn.save(tmp_path / "g.png")),
        ("CQ293", lambda: cq.load_graph(tmp_path / "none.dot")),
        ("CQ845", lambda: drawn.save(tmp_path / "g.gv" / "g.dot")),
    ):
        with pytest.raises(DiagnosticError) as problem:
            ask()
        assert [d.code for d in problem.value.diagnostics] == [code]
    (tmp_path / "large.dot").write_bytes(b" " * ((1 << 24) + 1))
    with pytest.raises(DiagnosticError, match="larger"):
        read(tmp_path / "large.dot")
    write("a", tmp_path / "new" / "a.dot")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.dot"]


def test_a_file_that_cannot_be_written_is_told_after_the_answers(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    program = check_text('graph G { X -> Y }\nsave G to "./taken/g.dot"', folder=tmp_path)
    with pytest.raises(DiagnosticError, match="CQ845"):
        run_program(program)


def test_a_prompt_saves_once(tmp_path: Path) -> None:
    session = Session(folder=tmp_path)
    session.execute("graph G { X -> Y }")
    for _ in range(2):
        done = session.execute('save G to "./g.dot"')
        assert done.result is not None
        assert done.result.saved == (str(tmp_path / "g.dot"),)


def test_the_routes_of_a_circuit(tmp_path: Path) -> None:
    """Wires are arrows, and what is not in the circuit is in common; the embeddings, listed, stand for the row."""
    circuit = "circuit C { E1 -> Early -> NM -> LD, E1 -> M0 -> LD }\n"
    made = graphs(f'{circuit}graph D = diagram(C, LD) assume "-"\ngraph F = diagram(C)\n', tmp_path)
    assert set(made["D"].directed) == {
        ("E1", "Early"), ("Early", "NM"), ("NM", "LD"), ("E1", "M0"), ("M0", "LD"),
    }  # fmt: skip
    inner = {("Early", "M0"), ("Early", "NM"), ("M0", "NM")}
    assert {p for p in made["D"].bidirected if "LD" not in p} == inner
    assert ("E1", "LD") in made["D"].bidirected  # the readout asks for a column of the row
    assert dict(made["F"].nodes)["readout"] == Variable("readout")
    assert {a.replace("readout", "LD") for pair in made["F"].directed for a in pair} == set(made["D"].vertices)
    rows = graphs("circuit C { Early -> NM -> LD }\ngraph D = diagram(C, LD)\n", tmp_path)["D"]
    assert len(rows.bidirected) == 3  # without the embeddings the row is in common
    assert rows.wiring == "routes of the circuit `C`; what it leaves out is taken to carry nothing"


def test_the_routes_of_a_circuit_in_python(tmp_path: Path) -> None:
    gpt2 = cq.model(str(FIXTURES / "models/ioi"), name="gpt2")
    early, mover = gpt2.layer[0].head[2].out @ cq.all, gpt2.layer[1].head[3].out @ cq.all
    answer = gpt2.logit[cq.row.io] @ cq.last
    made = cq.diagram(cq.circuit("C", [early, mover, answer]), answer, name="D")
    text = graphs(
        "node Y = gpt2.logit[row.io] @ last\ncircuit C { Early -> NM -> Y }\ngraph D = diagram(C, Y)\n",
        tmp_path,
    )["D"]
    assert set(dict(made.graph.nodes).values()) == set(dict(text.nodes).values())
    assert len(made.graph.bidirected) == len(text.bidirected) == 3
    found = cq.identify(cq.E[answer | cq.do({mover: 0})], diagram=made)
    assert [d.code for d in found.diagnostics] == ["CQ843"]
