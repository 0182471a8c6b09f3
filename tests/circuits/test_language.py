"""Circuits in programs: what a drawing means, how many wires there are, formulas, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import ALL, Address, Part, Program, Site, Wires, render, site_table
from causalcircuit.query.circuits.compare import wire_text
from causalcircuit.query.circuits.formulas import Attributed, Filtered, Known, Smallest, asked_in
from causalcircuit.query.circuits.wires import count_wires, nodes_of, reads_of, shared_in
from causalcircuit.query.wiring import end_of, obstacle
from repotools.fixtures import FIXTURES

HEAD = """
model gpt2 = hf("./models/ioi")
data  ioi  = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names split 70/30 seed 7
node X = gpt2.embed @ all
node Early = gpt2.layer[0].head[2].out @ all
node NM = gpt2.layer[1].head[3].out @ all
node Heads = gpt2.layer[*].head[*].out @ all
node MLPs = gpt2.layer[*].mlp.out @ all
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
"""


def checked(text: str) -> Program:
    return check_text(HEAD + text, "t.cq", FIXTURES)


def wires(text: str, name: str = "G") -> set[str]:
    formula = checked(text).circuits[name].formula
    assert isinstance(formula, Known)
    return {wire_text(e).replace(" @ all", "") for e in formula.circuit.edges}


def test_an_arrow_into_a_head_means_all_that_it_reads_by() -> None:
    assert wires("circuit G { Early -> NM -> LD }") == {
        *(f"layer[0].head[2].out -> layer[1].head[3].{x}" for x in "qkv"),
        "layer[1].head[3].out -> readout",
    }


def test_a_name_for_a_read_means_that_alone_and_leaves_its_head() -> None:
    found = wires("node Q = gpt2.layer[1].head[3].q @ all\ncircuit G { Early -> Q -> LD }")
    assert found == {"layer[0].head[2].out -> layer[1].head[3].q", "layer[1].head[3].out -> readout"}


def test_a_set_means_each_and_wires_that_are_not_there_are_left_out_of_no_pair() -> None:
    assert wires("circuit G { X -> MLPs -> LD }") == {
        "embed -> layer[0].mlp.in",
        "embed -> layer[1].mlp.in",
        "layer[0].mlp.out -> readout",
        "layer[1].mlp.out -> readout",
    }
    with pytest.raises(DiagnosticError, match="CQ236"):  # from the second MLP into the first
        checked("circuit G { MLPs -> MLPs }")


def test_positions_of_queries_are_their_own_and_of_keys_those_of_the_write() -> None:
    text = "node A = gpt2.layer[0].head[2].out @ 1\nnode B = gpt2.layer[1].head[3].out @ 2\ncircuit G { A -> B -> LD }"
    assert {w for w in wires(text) if "readout" not in w} == {
        f"layer[0].head[2].out @ 1 -> layer[1].head[3].{x} @ 1" for x in "kv"
    }


def test_the_sets_of_the_language() -> None:
    drawn = "circuit A { X -> Early -> NM -> LD }\ncircuit B { X -> NM -> LD, X -> LD }\n"
    a, b = wires(drawn, "A"), wires(drawn, "B")
    assert wires(drawn + "circuit G = union(A, B)") == a | b
    assert wires(drawn + "circuit G = intersect(A, B)") == a & b
    assert wires(drawn + "circuit G = A except B") == a - b
    assert wires(drawn + "circuit G = union(A, B) except (A except B)") == b
    assert wires(drawn + "circuit G = paths(A, X, NM)") == {w for w in a if "readout" not in w}
    assert wires(drawn + "circuit G = paths(B, X, LD)") == b
    assert wires(drawn + "circuit G = paths(B, X, Early)") == set()


def test_a_circuit_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "a.cq").write_text(HEAD.replace("./", f"{FIXTURES}/") + "circuit A { Early -> NM -> LD }\n")
    text = 'use "./a.cq" as a\ncircuit B = union(a.A, a.A)\nshow a.A, B\nsave a.A to "./b.json"'
    program = check_text(text, folder=tmp_path)
    assert [v.circuits[0].name for v in program.views] == ["A", "B"]
    assert program.savings[0].path == tmp_path / "b.json"


def test_a_file_is_read_when_a_program_is_checked() -> None:
    formula = checked('circuit F = load("./circuits/early.json") where score > 0').circuits["F"].formula
    assert isinstance(formula, Known)
    assert [wire_text(e) for e in formula.circuit.edges] == ["layer[1].head[3].out @ all -> readout"]
    assert formula.circuit.name == "F"
    text = HEAD.replace("model gpt2", "model other").replace("gpt2.", "other.")
    renamed = check_text(f'{text}circuit F = load("./circuits/early.json", model = other)', folder=FIXTURES)
    assert renamed.circuits["F"].model == "other"


def test_what_is_attributed() -> None:
    text = """
circuit C = attribute(LD, over = [Heads, MLPs], from = corrupt, to = do(), method = eap_ig(5), keep = 20 edges,
  above = 0.02) on ioi.train where abs(score) > 0.1 seed 3
circuit K = smallest(C, search = acdc(0.01), faithful > 0.9) on ioi.test
"""
    program = checked(text)
    filtered = program.circuits["C"].formula
    assert isinstance(filtered, Filtered)
    made = filtered.of
    assert isinstance(made, Attributed)
    assert (str(made.method), str(made.keep), made.above, made.seed) == ("eap_ig(5)", "20 edges", 0.02, 3)
    assert made.data.label == "ioi.train"
    assert len(made.over) == 10
    assert render(made.start) == "do(gpt2.input = row.corrupt)"
    assert made.end.factual
    smallest = program.circuits["K"].formula
    assert isinstance(smallest, Smallest)
    assert smallest.of == filtered
    assert list(asked_in(smallest)) == [made, smallest]
    assert (str(smallest.search), smallest.faithful, smallest.model) == ("acdc(0.01)", 0.9, "gpt2")


def test_equal_formulas_are_one_circuit() -> None:
    line = "attribute(LD, from = corrupt, method = eap) on ioi"
    program = checked(f"circuit A = {line}\ncircuit B = {line}\ncircuit D = {line} seed 1")
    a, b, d = (program.circuits[n].formula for n in "ABD")
    assert a == b
    assert hash(a) == hash(b)
    assert a != d


def test_the_wires_of_a_circuit_are_one_target() -> None:
    program = checked(
        "circuit G { Early -> NM -> LD }\nlet kept(Q) = E[LD | do(outside(Q) = (outside(Q) | corrupt))]\n"
        "estimate kept(G) - E[LD | do(G = (G | corrupt))] on ioi"
    )
    expr = program.commands[0].queries[0].expr  # type: ignore[union-attr]
    text = "E[LD | do(outside(G) = (outside(G) | corrupt))] - E[LD | do(G = (G | corrupt))]"
    assert render(expr, program.names) == text
    target = expr.left.world.assignments[0].target  # type: ignore[attr-defined]
    assert isinstance(target, Wires)
    assert target.complement


def test_canonical_text_tells_circuits_apart() -> None:
    """Worlds are ordered and kept by their text, so that two circuits must never share one."""
    program = checked("circuit A { X -> Heads -> LD }\ncircuit B { X -> Heads, MLPs -> LD }")
    a, b = (render(Wires("gpt2", program.circuits[n].formula)) for n in "AB")
    assert a != b
    assert len(a) < 250


def test_a_drawing_may_name_nodes_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "a.cq").write_text(HEAD.replace("./", f"{FIXTURES}/"))
    program = check_text('use "./a.cq" as a\ncircuit G { a.Early -> a.NM -> a.LD }\nshow G', folder=tmp_path)
    formula = program.circuits["G"].formula
    assert isinstance(formula, Known)
    assert len(formula.circuit.edges) == 4


def test_free_words_stay_free() -> None:
    program = checked("let load = E[LD]\nlet to = load\nnode save = NM\nlet union = to\nestimate union, load on ioi")
    assert len(program.commands) == 1


# ---- how many wires there are

CONFIGS = {
    "gpt2": {"model_type": "gpt2", "n_layer": 12, "n_head": 12, "n_embd": 768, "architectures": ["GPT2LMHeadModel"]},
    "parallel": {"model_type": "gpt_neox", "num_hidden_layers": 3, "num_attention_heads": 2, "hidden_size": 8,
                 "intermediate_size": 16, "use_parallel_residual": True, "architectures": ["GPTNeoXForCausalLM"]},
    "grouped": {"model_type": "llama", "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
                "hidden_size": 8, "intermediate_size": 16, "architectures": ["LlamaForCausalLM"]},
}  # fmt: skip


def test_gpt2_small_has_the_wires_of_the_literature() -> None:
    table = site_table(CONFIGS["gpt2"])
    assert len(nodes_of(table, "m")) == 157
    assert count_wires(table, "m") == 32_491


@pytest.mark.parametrize("name", ["parallel", "grouped"])
def test_wires_are_counted_as_they_are_one_by_one(name: str) -> None:
    table = site_table(CONFIGS[name])
    nodes = nodes_of(table, "m")
    targets = dict.fromkeys(r for n in nodes for r in reads_of(table, n))
    pairs = [(s, t) for s in nodes for t in targets if not obstacle(table, table.info(s.address), end_of(table, t))]
    assert count_wires(table, "m") == len(pairs) + len(nodes)
    few = nodes[::2]
    mine = dict.fromkeys(r for n in few for r in reads_of(table, n))
    some = [p for p in pairs if p[0] in few and p[1] in mine]
    assert count_wires(table, "m", few) == len(some) + len(few)


def test_heads_that_share_keys_read_them_once() -> None:
    table = site_table(CONFIGS["grouped"])
    assert shared_in(table) == {"": 2}
    head = Site(Address("m", (Part("layer", 1), Part("head", 3), Part("out"))), ALL)
    assert [s.address.local for s in reads_of(table, head)] == [
        "layer[1].head[3].q",
        "layer[1].kv[1].k",
        "layer[1].kv[1].v",
    ]


def test_across_towers() -> None:
    text = """
model cap = hf("./models/captioner")
node Seen = cap.encoder.layer[1].mlp.out @ all
node Cross = cap.decoder.layer[1].cross.head[3].out @ all
node W = cap.logit["woman"] @ last - cap.logit["man"] @ last
circuit G { Seen -> Cross -> W }
"""
    formula = check_text(text, folder=FIXTURES).circuits["G"].formula
    assert isinstance(formula, Known)
    assert {wire_text(e) for e in formula.circuit.edges} == {
        *(f"encoder.layer[1].mlp.out @ all -> decoder.layer[1].cross.head[3].{x} @ all" for x in "kv"),
        "decoder.layer[1].cross.head[3].out @ all -> readout",
    }
    with pytest.raises(DiagnosticError, match="CQ235"):
        check_text(text + "circuit H { Seen -> W }", folder=FIXTURES)
