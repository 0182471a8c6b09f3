"""Questions as a user asks them: formulas in text and LaTeX, methods, failures, advice, numbers, refusals."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

from causalcircuit.causal import (
    Diagram,
    Estimand,
    Instrument,
    Table,
    adjustment_sets,
    evaluate,
    frontdoor_sets,
    given,
    identify,
    instruments,
    is_adjustment_set,
    optimal_adjustment_set,
)
from causalcircuit.diagnostics import DiagnosticError
from tests.causal.models import Drawn, Model, graphs
from tests.causal.test_surrogates import named

NAPKIN = "W -> Z, Z -> X, X -> Y, W <-> X, W <-> Y"
FRONT = "X -> M, M -> Y, X <-> Y"
BACK = "Z -> X, Z -> Y, X -> Y"


@pytest.mark.parametrize(
    ("text", "by", "formula"),
    [
        (BACK, "adjustment", "Σ_Z P(Y | Z, X) P(Z)"),
        (BACK, "id", "Σ_Z P(Z) P(Y | Z, X)"),
        (FRONT, "frontdoor", "Σ_M P(M | X) Σ_X' P(X') P(Y | X', M)"),
        (NAPKIN, "id", "[Σ_W P(W) P(X, Y | W, Z)] / [Σ_W P(W) P(X | W, Z)]  (at any value of Z)"),
        ("X -> Y", "adjustment", "P(Y | X)"),
        ("Y -> X", "id", "P(Y)"),
        ("X -> Y, X <-> Y, Z -> X", "iv", "Cov(Z, Y) / Cov(Z, X)"),
        ("X -> Y, X <-> Y, Z -> X, W -> Z, W -> Y", "iv", "Cov(Z, Y | W) / Cov(Z, X | W)"),
    ],
)
def test_the_formulas_of_the_textbooks(text: str, by: str, formula: str) -> None:
    found = identify(text, "Y", do="X", by=by)
    assert found.identified
    assert found.by == by
    assert found.estimand is not None
    assert found.estimand.text == formula


def test_the_simplest_method_is_taken() -> None:
    assert [identify(t, "Y", do="X").by for t in (BACK, FRONT, NAPKIN)] == ["adjustment", "frontdoor", "id"]


def test_latex() -> None:
    assert identify(FRONT, "Y", do="X").estimand.latex == (  # type: ignore[union-attr]
        r"\sum_{M} P(M \mid X) \sum_{X'} P(X') P(Y \mid X', M)"
    )
    found = identify("a_b -> X1, a_b -> said_no, X1 -> said_no", "said_no", do="X1").estimand
    assert found is not None
    assert found.latex == (r"\sum_{\mathrm{a\_b}} P(\mathrm{said\_no} \mid \mathrm{a\_b}, X_{1}) P(\mathrm{a\_b})")
    ratio = identify(NAPKIN, "Y", do="X").estimand
    assert ratio is not None
    assert ratio.latex.startswith(r"\frac{\sum_{W} P(W) P(X, Y \mid W, Z)}{")


@pytest.mark.parametrize("by", ["auto", "adjustment", "frontdoor", "id"])
def test_every_method_is_right_on_every_graph_of_three(by: str) -> None:
    found = 0
    for seed, graph in enumerate(graphs(3)):
        model = Model(graph, np.random.default_rng(seed))
        diagram = named(graph, {})
        table = Table(("v0", "v1", "v2"), model.law())
        for x in range(3):
            for y in {0, 1, 2} - {x}:
                answer = identify(diagram, f"v{y}", do=f"v{x}", by=by)
                if not isinstance(answer.estimand, Estimand):
                    continue
                found += 1
                cells = evaluate(answer.estimand, table).cells
                truth = model.effect({y}, {x}).sum(axis=({0, 1, 2} - {x, y}).pop())
                assert np.abs((cells if y < x else cells.T) - truth).max() < 1e-9
                if answer.derivation:
                    assert answer.derivation[0].before == str(answer.effect)
                    assert answer.derivation[-1].before == str(answer.effect)
                    assert answer.derivation[-1].after == answer.estimand.text.partition("  (at any")[0]
    assert found > 100


def test_a_failure_names_its_hedge_and_what_would_help() -> None:
    found = identify("X -> Y, X <-> Y", "Y", do="X")
    assert not found.identified
    assert found.proven
    data = found.to_json("tau")
    assert list(data)[:3] == ["name", "query", "identified"]
    assert data["hedge"] == {
        "outer": ["X", "Y"],
        "inner": ["Y"],
        "roots": ["Y"],
        "treatments": ["X"],
        "confounders": ["X <-> Y"],
        "text": "{X, Y} over {Y}, rooted in Y: X <-> Y",
    }
    assert [a["text"] for a in data["advice"]] == [  # type: ignore[attr-defined]
        "intervene on X, and measure all others",
        "measure what X <-> Y stands for",
    ]
    assert json.loads(json.dumps(data)) == data


def test_advice_is_not_only_the_experiment_that_was_asked_for() -> None:
    found = identify("Z -> X, X -> Y, Z <-> X, Z <-> Y", "Y", do="X")
    assert ["Z"] in [list(a.names) for a in found.advice if a.kind == "intervene"]
    hidden = identify("dag { U [latent] U -> X U -> Y X -> Y }", "Y", do="X")
    assert [str(a) for a in hidden.advice if a.kind == "measure"] == ["measure U"]
    two = identify("X -> Y, X <-> Y, X -> M, M -> Y, X <-> M", "Y", do="X")
    assert [set(a.names) for a in two.advice if a.kind == "measure"] == [{"M <-> X", "X <-> Y"}]


def test_any_value_of_an_anchor_gives_the_same() -> None:
    graph = Drawn(4, ((0, 1), (1, 2), (2, 3)), ((0, 2), (0, 3)))
    model = Model(graph, np.random.default_rng(2))
    found = identify(named(graph, {}), "v3", do="v2").estimand
    assert isinstance(found, Estimand)
    assert found.anchors == ("v1",)
    table = Table(("v0", "v1", "v2", "v3"), model.law())
    truth = model.effect({3}, {2}).squeeze().T
    for value in (0, 1):
        assert np.abs(evaluate(found, table, at={"v1": value}).cells - truth).max() < 1e-9


def test_advice_is_the_smallest_and_true() -> None:
    """Against every single experiment and measurement, on all unidentified questions of graphs of three."""
    asked = 0
    for graph in graphs(3):
        diagram = named(graph, {})
        for x, y in itertools.permutations(diagram.vertices, 2):
            found = identify(diagram, y, do=x, by="id")
            if found.identified:
                continue
            asked += 1
            singles = set()
            for v in set(diagram.vertices) - {y}:
                sources = [given(diagram.vertices), given([w for w in diagram.vertices if w != v], do=v)]
                if identify(diagram, y, do=x, by="id", sources=sources).identified:
                    singles.add(v)
            assert {a.names for a in found.advice if a.kind == "intervene"} == {(v,) for v in singles}
            measured = set()
            for a, b in diagram.bidirected:
                rest = tuple(edge for edge in diagram.bidirected if edge != (a, b))
                seen = Diagram((*diagram.vertices, "C"), (*diagram.directed, ("C", a), ("C", b)), rest)
                if identify(seen, y, do=x, by="id").identified:
                    measured.add((f"{a} <-> {b}",))
            advised = {a.names for a in found.advice if a.kind == "measure"}
            assert advised == measured or (not measured and all(len(names) > 1 for names in advised) and advised)
    assert asked > 50


def test_without_a_treatment_it_is_what_is_seen() -> None:
    assert str(identify(BACK, "Y").estimand) == "P(Y)"
    assert str(identify(BACK, "Y", given="X").estimand) == "P(Y | X)"
    assert str(identify(BACK, "Y", given="X").effect) == "P(Y | X)"
    assert str(identify(BACK, "Y", do="X", given="Z").estimand) == "P(Y | Z, X)"


def test_no_path_is_said() -> None:
    found = identify("Y -> X, X <-> Y", "Y", do="X")
    assert str(found.estimand) == "P(Y)"
    assert found.notes == ("no path leads from X to Y: setting it changes nothing",)


def test_named_sets() -> None:
    diagram = Diagram.read("A -> X, A -> B, B -> Y, C -> Y, X -> M, M -> Y")
    assert adjustment_sets(diagram, "Y", "X") == (("A",), ("B",))
    assert optimal_adjustment_set(diagram, "Y", "X") == ("B", "C")
    assert optimal_adjustment_set(diagram, "Y", "X", allowed=["A"]) == ("A",)
    assert is_adjustment_set(diagram, "Y", "X", ["A", "C"])
    assert not is_adjustment_set(diagram, "Y", "X", ["A", "M"])
    assert frontdoor_sets(Diagram.read(FRONT), "Y", "X") == (("M",),)
    (one,) = instruments(Diagram.read("Z -> X, X -> Y, X <-> Y"), "Y", "X")
    assert one == Instrument("Z", "X", "Y")


def test_plug_in_numbers() -> None:
    """Simpson's paradox, worked out by hand: .7 * .5 + .2 * .5 is not what the rows with X = 1 show."""
    z = np.array([0.5, 0.5])
    x = np.array([[0.8, 0.2], [0.2, 0.8]])  # [z, x]
    y = np.array([[0.4, 0.7], [0.1, 0.2]])  # P(Y = 1 | z, x)
    joint = z[:, None, None] * x[:, :, None] * np.stack([1 - y, y], axis=-1)
    found = identify(BACK, "Y", do="X").estimand
    assert isinstance(found, Estimand)
    answer = evaluate(found, Table(("Z", "X", "Y"), joint))
    assert answer.axes == ("Y", "X")
    assert answer.at(Y=1, X=1) == pytest.approx(0.45, abs=1e-12)
    assert answer.at(Y=1, X=0) == pytest.approx(0.25, abs=1e-12)


def test_what_never_occurs_is_named() -> None:
    joint = np.zeros((2, 2, 2))
    joint[0, 0], joint[0, 1], joint[1, 1] = 0.2, 0.1, 0.2
    found = identify(BACK, "Y", do="X").estimand
    assert isinstance(found, Estimand)
    with pytest.raises(DiagnosticError, match=r"CQ838.*X = 0"):
        evaluate(found, Table(("Z", "X", "Y"), joint))


def test_an_impossible_stratum_does_not_matter() -> None:
    joint = np.zeros((2, 2, 2))
    joint[0] = 0.25
    found = identify(BACK, "Y", do="X").estimand
    assert isinstance(found, Estimand)
    assert np.abs(evaluate(found, Table(("Z", "X", "Y"), joint)).cells - 0.5).max() < 1e-12


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (Table(("Z", "X"), np.full((2, 2), 0.25)), "no table holds"),
        (Table(("Z", "X", "Y"), np.full((2, 2), 0.25)), "2 axes"),
        (Table(("Z", "X", "Y"), np.full((2, 2, 2), 0.25)), "no probabilities"),
        (Table(("Z", "X", "Y"), np.full((2, 2, 2), np.nan)), "no probabilities"),
    ],
)
def test_tables_that_do_not_fit(table: Table, says: str) -> None:
    found = identify(BACK, "Y", do="X").estimand
    assert isinstance(found, Estimand)
    with pytest.raises(DiagnosticError, match=f"CQ837.*{says}"):
        evaluate(found, table)


def test_the_witnesses_of_a_hedge_can_be_asked_for() -> None:
    found = identify("X -> Y, X <-> Y", "Y", do="X")
    one, two = found.hedge.models()  # type: ignore[union-attr]
    assert np.abs(one.law() - two.law()).max() < 1e-12
    assert np.abs(one.law({"X": 1}).sum(axis=0) - two.law({"X": 1}).sum(axis=0)).max() > 0.1


WRONG = [
    ("CQ832", {"of": "Y", "do": "Q"}),
    ("CQ833", {"of": "Y", "do": "Y"}),
    ("CQ833", {"of": "Y", "do": "X", "given": "X"}),
    ("CQ835", {"of": "Y", "do": "X", "sources": [given("Y", do="Y")]}),
    ("CQ835", {"of": "Y", "do": "X", "sources": [given([])]}),
    ("CQ832", {"of": "Y", "do": "X", "sources": [given(["Y", "Q"])]}),
    ("CQ836", {"of": "Y", "do": "X", "sources": [given("Y", population="trial")]}),
    ("CQ839", {"of": ["Y", "Z"], "do": "X", "by": "iv"}),
    ("CQ840", {"of": [], "do": "X"}),
    ("CQ841", {"of": "Y", "do": "X", "by": "magic"}),
]


@pytest.mark.parametrize(("code", "asked"), WRONG)
def test_what_is_wrong_with_a_question(code: str, asked: dict[str, object]) -> None:
    with pytest.raises(DiagnosticError) as problem:
        identify(BACK, **asked)  # type: ignore[arg-type]
    (found,) = problem.value.diagnostics
    assert found.code == code
    assert found.help


def test_latents_are_neither_asked_of_nor_measured() -> None:
    diagram = Diagram.read("dag { U [latent] U -> X X -> Y }")
    with pytest.raises(DiagnosticError, match="CQ842"):
        identify(diagram, "Y", do="U")
    with pytest.raises(DiagnosticError, match="CQ835"):
        identify(diagram, "Y", do="X", sources=[given(["U", "Y"])])
    with pytest.raises(DiagnosticError, match="CQ832"):
        is_adjustment_set(diagram, "Y", "X", "U")


def test_instruments_of_sets_are_refused() -> None:
    with pytest.raises(DiagnosticError, match="CQ839"):
        instruments(Diagram.read(BACK), ["Y", "Z"], "X")  # type: ignore[arg-type]


def test_the_room_needs_neither_torch_nor_networkx_to_identify() -> None:
    code = (
        "import sys; from causalcircuit.causal import identify; identify('X -> Y', 'Y', do='X').to_json();"
        "print([m for m in ('torch', 'transformers', 'pandas', 'pgmpy', 'networkx', 'dowhy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_set_can_be_named() -> None:
    text = "A -> X, A -> B, B -> Y, C -> Y, X -> M, M -> Y"
    assert str(identify(text, "Y", do="X", by="adjustment", using=["A", "C"]).estimand) == (
        "Σ_{A, C} P(Y | A, X, C) P(A, C)"
    )
    wrong = identify(text, "Y", do="X", by="adjustment", using="M")
    assert not wrong.identified
    assert wrong.notes == ("{M} is no valid adjustment set",)
    assert str(identify(text, "Y", do="X", by="frontdoor", using="M").estimand) == (
        "Σ_M P(M | X) Σ_X' P(X') P(Y | X', M)"
    )
    conditional = "X -> Y, X <-> Y, Z -> X, W -> Z, W -> Y"
    assert identify(conditional, "Y", do="X", by="iv", using=["Z", "W"]).identified
    assert not identify(conditional, "Y", do="X", by="iv", using="Z").identified
    with pytest.raises(DiagnosticError, match="CQ841"):
        identify(text, "Y", do="X", using="A")
    with pytest.raises(DiagnosticError, match="CQ833"):
        identify(text, "Y", do="X", by="adjustment", using="X")


def test_a_diagram_with_more_variables_than_an_array_has_axes() -> None:
    names = [f"v{i}" for i in range(90)]
    diagram = Diagram((*names, "Z", "X", "Y"), (("Z", "X"), ("Z", "Y"), ("X", "Y"), *itertools.pairwise(names)))
    found = identify(diagram, "Y", do="X").estimand
    assert isinstance(found, Estimand)
    assert evaluate(found, Table(("Z", "X", "Y"), np.full((2, 2, 2), 0.125))).cells == pytest.approx(0.5)
