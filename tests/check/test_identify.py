"""`identify`: the language and Python ask of diagrams what `causal.identify` answers, and say so on every surface."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import causalcircuit as cq
from causalcircuit import causal
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query.identification import Identified
from causalcircuit.report import to_json, to_text
from causalcircuit.runs import Session, check_text, run_program
from causalcircuit.syntax import opening_words
from repotools.fixtures import FIXTURES

EXAMPLE = Path(__file__).parents[2] / "examples" / "identify.cq"
NAMES = "ABCDF"  # `E` is the mean


def asked(text: str) -> Identified:
    (found,) = check_text(text, folder=FIXTURES).identifications
    return found


def codes(text: str) -> list[str]:
    try:
        return [d.code for d in check_text(text, folder=FIXTURES).warnings]
    except DiagnosticError as problem:
        return [d.code for d in problem.diagnostics]


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, causal.Diagram, causal.Effect, list[causal.Given] | None]:
    """The text of a question, and its diagram, effect and sources."""
    n = draw(st.integers(2, 5))
    names = NAMES[:n]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    some = st.lists(st.sampled_from(pairs), unique=True, max_size=6)
    directed, bidirected = draw(some), draw(some)
    latents = draw(st.sets(st.sampled_from(names), max_size=n - 2))
    observed = [v for v in names if v not in latents]
    selected = draw(st.sets(st.sampled_from(observed), max_size=1))
    trial = [("trial", v) for v in sorted(selected)]
    diagram = causal.Diagram(tuple(names), tuple(directed), tuple(bidirected), frozenset(latents), tuple(trial))
    order = draw(st.permutations(observed))
    cut = draw(st.integers(1, len(order)))
    more = draw(st.integers(cut, len(order)))
    of, do, fixed = order[:1], order[1:cut], order[cut:more]
    known = None
    if selected and draw(st.booleans()):
        known = [causal.given(observed[:1]), causal.given(observed[1:], observed[0], "trial")]
    items = [f"{a} -> {b}" for a, b in directed] + [f"{b} <-> {a}" for a, b in bidirected]
    items += [f"latent {v}" for v in sorted(latents)] + [f"population trial -> {v}" for _, v in trial] + list(names)
    behind = [f"do({', '.join(f'{v} = 1' for v in do)})"] * bool(do) + [f"{v} = 2" for v in fixed]
    text = f"graph G {{ {', '.join(draw(st.permutations(items)))} }}\n"
    text += f"identify E[{of[0]}{' | ' if behind else ''}{', '.join(behind)}] in G"
    if known is not None:
        text += f" from P({observed[0]}), P[trial]({', '.join(observed[1:])} | do({observed[0]} = *))"
    return text, diagram, causal.Effect(tuple(of), tuple(sorted(do)), tuple(fixed)), known


@settings(max_examples=150, deadline=None)
@given(questions())
def test_the_language_asks_what_the_room_of_diagrams_answers(
    question: tuple[str, causal.Diagram, causal.Effect, list[causal.Given] | None],
) -> None:
    """Verdict, kind of failure and effect; formulas too, where the order of vertices does not choose among several."""
    text, diagram, effect, known = question
    found = asked(text)
    answer = causal.identify(diagram, effect.of, effect.do, effect.given, sources=known)
    (one,) = found.effects
    assert one.effect == str(effect)
    assert (found.identified, one.proven) == (answer.identified, answer.identified or answer.proven)
    assert bool(one.hedge) == (answer.hedge is not None)
    assert found.identified == (not codes(text))


def test_a_mean_of_a_sum_needs_less_than_the_joint_distribution() -> None:
    graph = "graph G { A -> B, A <-> C, C <-> B }\n"
    assert asked(f"{graph}identify E[B - 2 * C + 1 | do(A = 1)] in G").identified
    assert [e.effect for e in asked(f"{graph}identify E[-B + C / 2 | do(A = 1)] in G").effects] == [
        "P(B | do(A))",
        "P(C | do(A))",
    ]
    for joint in ("E[B * C | do(A = 1)]", "P(B and C | do(A = 1))", "P(B = C | do(A = 1))", "E[C / B | do(A = 1)]"):
        assert not asked(f"{graph}identify {joint} in G").identified


def test_an_estimand_has_each_effect_once_and_fails_with_any() -> None:
    found = asked(
        "graph G { X -> Y, X <-> Y, X -> Z }\nlet d = E[Y | do(X = 1)] - E[Y | do(X = 0)]\n"
        "identify d / (E[Z | do(X = 1)] - E[Z]) in G"
    )
    assert [(e.effect, e.identified) for e in found.effects] == [
        ("P(Y | do(X))", False),
        ("P(Z | do(X))", True),
        ("P(Z)", True),
    ]
    made = found.to_json()
    assert (made["identified"], made["proven"], made["estimand"], made["derivation"]) == (False, True, None, [])
    assert made["hedge"]["confounders"] == ["X <-> Y"]
    assert len(made["effects"]) == 3


def test_vertices_stand_for_what_is_declared() -> None:
    """A column, a readout and arithmetic are vertices; an estimand may spell them out."""
    head = (
        'model gpt2 = hf("./models/ioi")\ndata ioi = jsonl("./data/ioi.jsonl") with prompt = row.clean\n'
        "node T = row.template\nnode NM = gpt2.layer[1].head[3].out @ last\n"
        "node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last\n"
        'graph G { T -> NM -> LD, T <-> LD } assume "prompts are drawn at random"\n'
    )
    named = asked(f"{head}identify E[LD | do(T = 1)] in G")
    spelt = asked(
        f"{head}identify E[gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last | do(row.template = 1)] in G"
    )
    assert named.effects == spelt.effects
    assert named.query == spelt.query == "E[LD | do(T = 1)]"
    assert [e.by for e in named.effects] == ["frontdoor"]
    assert asked(f"{head}identify E[LD | do(NM = mean(NM))] in G").identified
    assert codes(f"{head}identify E[gpt2.logit[row.io] @ last | do(T = 1)] in G") == ["CQ281"]
    assert codes(f"{head}estimate E[LD | do(T = 1)] on ioi") == ["CQ215"]
    assert codes(f"{head}circuit C = attribute(LD, from = do(T = 1), to = do()) on ioi\nshow C") != []


def test_conditions_fix_variables_and_effects_among_them_are_told() -> None:
    found = asked("graph G { X -> M -> Y, Z -> Y }\nidentify E[Y | do(X = 1), M = 2 and Z, not Z] in G")
    assert [e.effect for e in found.effects] == ["P(Y | do(X), M, Z)"]
    assert "M is an effect of what is set" in found.effects[0].notes[0]
    for condition in ("Z > 2", "Z within [0, 1]", "Z = M", "M = 1 or Z = 1", "Z + 1 = 2"):
        assert codes(f"graph G {{ X -> M -> Y, Z -> Y }}\nidentify E[Y | do(X = 1), {condition}] in G") == ["CQ282"]


def test_what_a_model_can_be_given_is_read_as_ever_where_it_is_a_vertex() -> None:
    head = (
        'model gpt2 = hf("./models/ioi")\ndata ioi = jsonl("./data/ioi.jsonl") with prompt = row.clean\n'
        "node NM = gpt2.layer[1].head[3].out @ last\nnode All = gpt2.layer[*].head[0].out @ last\n"
        "node LD = gpt2.logit[row.io] @ last\n"
    )
    graph = 'graph G { NM -> LD, All -> LD } assume "prompts are drawn at random"\n'
    asks = "estimate E[LD | do(NM = resample(NM, seed = 3))], E[LD | do(All = mean(All))] on ioi\n"
    plain, drawn = (check_text(head + more + asks, folder=FIXTURES).commands for more in ("", graph))
    assert plain == drawn
    for wrong, code in (('NM = "text"', "CQ216"), ("NM = 1, NM = 2", "CQ301"), ("LD = 1", "CQ215")):
        assert codes(f"{head}{graph}estimate E[LD | do({wrong})] on ioi") == [code]
    found = asked(f"{head}{graph}identify E[LD | do(All = mean(All), NM = 0)] in G")
    assert [e.effect for e in found.effects] == ["P(LD | do(All, NM))"]
    assert codes(f"{head}{graph}identify E[LD | do(gpt2.layer[0].head[0].out @ last = 0)] in G") == ["CQ281"]
    assert codes(f"{graph.replace('All', 'X')}identify E[LD | do(X = 1, X = 2)] in G") == ["CQ301"]


def test_populations() -> None:
    graph = "graph G { X -> Y, L -> Y, population -> L }\n"
    found = asked(f"{graph}identify E[Y | do(X = 1)] in G from P(L), P[population](L, Y | do(X = *))")
    assert found.effects[0].estimand == "Σ_L P(L) P[population](Y | L, do(X))"
    bound = 'data ioi = jsonl("./data/ioi.jsonl")\nnode population = row.template\n'
    declared = asked(f"{bound}graph G {{ population -> L }}\nidentify E[L | do(population = 1)] in G")
    assert declared.effects[0].effect == "P(L | do(population))"  # a declared name is a variable like any other


@pytest.mark.parametrize(
    "line", ["population <-> X", "X -> population", "population <- X", "latent population", "population"]
)
def test_a_population_is_a_root(line: str) -> None:
    assert codes(f"graph G {{ {line} }}") == ["CQ280"]


def test_python_asks_the_same() -> None:
    shop = cq.graph("X -> M, M -> Y, X <-> Y", name="shop", X=cq.row.easy)
    x, y = shop["X"], shop["Y"]
    result = cq.identify(tau=cq.P((y == 1) | cq.do({x: 1})) - cq.P((y == 1) | cq.do({x: 0})), diagram=shop)
    (found,) = result.identifications
    text = asked(
        'data ioi = jsonl("./data/ioi.jsonl")\nnode X = row.easy\ngraph shop { X -> M, M -> Y, X <-> Y }\n'
        "let tau = P(Y = 1 | do(X = 1)) - P(Y = 1 | do(X = 0))\nidentify tau in shop"
    )
    assert found == text
    bow = cq.graph("dag { X -> Y X <-> Y }")
    question = cq.E[bow["Y"] | cq.do({bow["X"]: 1})]
    assert [d.code for d in cq.identify(question, diagram=bow).diagnostics] == ["CQ843"]
    assert cq.identify(question, diagram=bow, sources=["P(Y | do(X = *))"]).identifications[0].identified
    for code, ask in (
        ("CQ214", lambda: cq.identify(bow["Y"], diagram=bow)),
        ("CQ215", lambda: cq.do({cq.row.easy: 1})),
        ("CQ280", lambda: cq.graph("dag { U [latent] U -> X }", U=cq.row.easy)),
        ("CQ280", lambda: cq.graph("X -> Y", X=cq.row.easy, Y=cq.row.easy)),
        ("CQ281", lambda: cq.identify(cq.E[cq.row.easy | cq.do({bow["X"]: 1})], diagram=bow)),
        ("CQ285", lambda: cq.identify(question, diagram=bow, sources=["P(Y | do(X = 1))"])),
        ("CQ832", lambda: bow["Z"]),
        ("CQ832", lambda: cq.graph("X -> Y", Z=cq.row.easy)),
        ("CQ841", lambda: cq.identify(question, diagram=bow, by="magic")),
    ):
        with pytest.raises(DiagnosticError) as problem:
            ask()
        assert [d.code for d in problem.value.diagnostics] == [code]


def test_the_command_answers_without_a_heavy_library() -> None:
    code = (
        "import sys; from causalcircuit.__main__ import main\n"
        "try: main()\n"
        "finally: print([m for m in ('torch', 'transformers', 'pandas') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(EXAMPLE), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"
    made = json.loads(done.stdout)
    assert [(i["graph"], i["identified"]) for i in made["identifications"]] == [
        ("shop", True),
        ("bow", False),
        ("moved", True),
        ("moved", True),
    ]
    assert {"name", "query", "identified", "estimand", "derivation", "hedge", "advice"} <= set(
        made["identifications"][0]
    )
    assert [d["code"] for d in made["diagnostics"]] == ["CQ843"]


def test_reports() -> None:
    program = check_text(EXAMPLE.read_text(encoding="utf-8"))
    result = run_program(program)
    text = to_text(result)
    assert "tau in shop · identified" in text
    assert "hedge       {kitchen, says_woman} over {says_woman}" in text
    assert "rule 2" in text
    assert "rule 2" not in to_text(result, brief=True)
    assert to_text(result, ascii_only=True).isascii()
    assert json.loads(to_json(result))["identifications"][1]["advice"][0]["kind"] == "intervene"
    assert run_program(program, tests_only=True).identifications == ()


def test_a_prompt_answers_each_statement_once() -> None:
    session = Session(folder=FIXTURES)
    assert session.execute("graph G { X -> Y }").declared == ("X", "Y", "G")
    first = session.execute("identify E[Y | do(X = 1)] in G").result
    second = session.execute("identify E[Y] in G").result
    assert first is not None
    assert second is not None
    assert [len(r.identifications) for r in (first, second)] == [1, 1]
    session.execute("graph G { X -> Y, X <-> Y }")
    again = session.execute("identify E[Y | do(X = 1)] in G")
    assert [d.code for d in again.diagnostics] == ["CQ843"]
    assert "identify" in opening_words()


def test_files_in_use_declare_and_do_not_ask(tmp_path: Path) -> None:
    (tmp_path / "a.cq").write_text("graph G { X -> Y, X <-> Y }\nidentify E[Y | do(X = 1)] in G\n", encoding="utf-8")
    program = check_text('use "./a.cq" as a\n', folder=tmp_path)
    assert program.identifications == ()
    assert program.warnings == ()
