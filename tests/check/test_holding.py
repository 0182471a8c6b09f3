"""Diagrams of the wiring, and declared ones held against it: in the language, in Python, in reports (meaning 10)."""

from __future__ import annotations

import json

import pytest

import causalcircuit as cq
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import Graph
from causalcircuit.report import to_json, to_text
from causalcircuit.runs import Session, check_text, run_program
from repotools.fixtures import FIXTURES

HEAD = """\
model gpt2 = hf("./models/ioi")
data ioi = jsonl("./data/ioi.jsonl") with prompt = row.clean
node Early = gpt2.layer[0].head[1].out @ last
node NM = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
node T = row.template
"""


def graph(text: str, name: str = "G") -> Graph:
    return check_text(HEAD + text, folder=FIXTURES).graphs[name]


def said(text: str) -> list[Diagnostic]:
    try:
        return list(check_text(HEAD + text, folder=FIXTURES).warnings)
    except DiagnosticError as problem:
        return list(problem.diagnostics)


def test_the_wiring_of_some_nodes() -> None:
    made = graph('graph G = wiring(gpt2, [Early, NM, LD]) assume "prompts are drawn at random"')
    assert made.vertices == ("Early", "NM", "LD")
    assert set(made.directed) == {("Early", "NM"), ("NM", "LD"), ("Early", "LD")}
    assert set(made.bidirected) == {("Early", "NM"), ("LD", "NM"), ("Early", "LD")}
    assert (made.assume, made.wiring) == ("prompts are drawn at random", "taken from `gpt2`")
    again = check_text(
        f"{HEAD}graph G = wiring(gpt2, [NM, LD])\nestimate E[LD | do(NM = 0)] in G on ioi", folder=FIXTURES
    )
    assert len(again.commands) == 1


def test_a_layer_that_is_listed_stands_between() -> None:
    """With the whole stream listed, what comes after sees nothing else of what came before."""
    found = check_text(
        f"{HEAD}node X = gpt2.embed @ all\nnode R = gpt2.layer[0].resid @ all\nnode M = gpt2.layer[1].mlp.out @ last\n"
        "graph G = wiring(gpt2, [X, R, M])\ncheck X _||_ M | R in G\ngraph H = wiring(gpt2, [X, M])\n"
        "graph L = wiring(gpt2, [X, gpt2.layer[0].resid @ last, M])\n",
        folder=FIXTURES,
    )
    assert [i.implied for i in found.independences] == [True]
    assert found.graphs["H"].directed == (("X", "M"),)
    assert ("X", "M") in found.graphs["L"].directed  # other positions of the layer stand beside
    assert found.warnings == ()


def test_an_arrow_that_cannot_be_is_an_error() -> None:
    for text, words in (
        ("LD -> NM", ("LD", "NM", "`NM -> LD`")),
        ("NM -> Early", ("NM", "Early", "`Early -> NM`")),
        ("Early -> NM, NM -> LD, NM <-> LD, Other -> NM", ("`Other <-> NM`",)),
    ):
        other = "node Other = gpt2.layer[1].head[0].out @ last\n"
        found = [d for d in said(f'{other}graph G {{ {text} }} assume "x"') if d.is_error]
        assert [d.code for d in found] == ["CQ291"]
        assert all(w in f"{found[0].message} {' '.join(found[0].help)}" for w in words)
    named = said('node R = gpt2.layer[0].resid @ all\ngraph G { Early -> R -> LD, Early -> LD } assume "x"')
    assert "passes `R`" in named[0].message


def test_a_denied_path_is_named() -> None:
    (found,) = said("graph G { Early -> NM -> LD, NM <-> LD, Early <-> LD }")
    assert (found.code, found.is_error) == ("CQ292", False)
    assert "`Early -> LD`: a route leads there by gpt2.layer[0].attn.out -> gpt2.final_norm" in found.help
    assert "`Early <-> NM`: the row leads to both" in found.help
    assert "NM -> LD" not in found.message
    whole = "Early -> NM -> LD, Early -> LD, Early <-> NM, NM <-> LD, Early <-> LD"
    assert said(f"graph G {{ {whole} }}") == []
    assert said('graph G { Early -> NM -> LD } assume "nothing passes by"') == []


def test_what_is_no_node_may_stand_in_between() -> None:
    """A latent, or a vertex that is bound to nothing, on a route; a latent that is in common."""
    drawn = "Early -> U, U -> LD, Early -> NM -> LD, latent U"
    latents = "latent W, W -> Early, W -> NM, W -> LD"
    assert said(f"graph G {{ {drawn}, {latents} }}") == []
    assert said(f"graph G {{ Early -> U -> LD, Early -> NM -> LD, {latents} }}") == []
    # A column is measured: it explains not all that the row brings.
    (found,) = said("graph G { NM -> LD, T -> NM, T -> LD }")
    assert "`LD <-> NM`" in found.message


def test_what_was_held_against_what_is_told() -> None:
    model = "graph G { NM -> LD, NM <-> LD, T -> NM, Season -> T }"
    assert graph(model).wiring == "held against `gpt2`; not checked: T, Season"
    assert graph("graph G { X -> T }").wiring == "not checked"
    program = check_text(f"{HEAD}{model}\nidentify E[LD | do(NM = 0)] in G\n", folder=FIXTURES)
    result = run_program(program)
    assert "held against `gpt2`; not checked: T, Season" in to_text(result)
    assert "not checked" not in to_text(result, brief=True)
    assert json.loads(to_json(result))["identifications"][0]["wiring"] == graph(model).wiring
    bare = check_text("graph G { X -> Y }\nidentify E[Y | do(X = 1)] in G")
    assert "not checked" in to_text(run_program(bare))


def test_two_models_are_held_each_against_its_own() -> None:
    cap = 'model cap = hf("./models/captioner")\nnode A = cap.encoder.layer[0].mlp.out @ all\n'
    more = f'{cap}node W = cap.logit["woman"] @ last\n'
    assert (
        graph(f"{more}graph G {{ NM -> LD, NM <-> LD, A -> W, A <-> W, LD -> W }}").wiring
        == "held against `gpt2`, `cap`"
    )
    assert [d.code for d in said(f'{more}graph G {{ NM -> LD, W -> A }} assume "x"')] == ["CQ291"]


def test_python_draws_the_same() -> None:
    gpt2 = cq.model(str(FIXTURES / "models/ioi"), name="gpt2")
    early, mover = gpt2.layer[0].head[1].out @ cq.last, gpt2.layer[1].head[3].out @ cq.last
    answer = gpt2.logit[cq.row.io] @ cq.last - gpt2.logit[cq.row.subj] @ cq.last
    nodes = {"Early": early, "NM": mover, "LD": answer}
    assert cq.wiring(gpt2, nodes).graph == graph("graph G = wiring(gpt2, [Early, NM, LD])")
    heads = gpt2.layer[1].head["*"].out @ cq.last
    assert cq.wiring(gpt2, [early, heads, answer], name="H").graph == graph(
        "graph H = wiring(gpt2, [gpt2.layer[0].head[1].out @ last, gpt2.layer[1].head[*].out @ last, "
        "gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last])",
        "H",
    )
    drawn = cq.graph("Early -> NM -> LD", **nodes)
    assert drawn.graph == graph("graph G { Early -> NM -> LD }")
    asked = cq.identify(cq.E[answer | cq.do({mover: 0})], diagram=drawn)
    assert [d.code for d in asked.diagnostics] == ["CQ292"]
    assert [d.code for d in cq.independent("Early", "LD", given="NM", diagram=drawn).diagnostics] == ["CQ292"]
    for code, ask in (
        ("CQ291", lambda: cq.graph("LD -> NM, Early", **nodes)),
        ("CQ288", lambda: cq.wiring(gpt2, [early, cq.row.template])),
        ("CQ289", lambda: cq.wiring(gpt2, [mover, gpt2.layer[1].head[3].out @ cq.all])),
        ("CQ240", lambda: cq.wiring(gpt2, [])),
    ):
        with pytest.raises(DiagnosticError) as problem:
            ask()
        assert [d.code for d in problem.value.diagnostics] == [code]


def test_at_a_prompt() -> None:
    session = Session(folder=FIXTURES)
    for line in HEAD.splitlines():
        session.execute(line)
    assert session.execute("graph G = wiring(gpt2, [NM, LD])").declared == ("G",)
    assert session.execute("graph G = wiring(gpt2, [Early, LD])").diagnostics == ()
    assert session.execute("let wiring = 3").declared == ("wiring",)
