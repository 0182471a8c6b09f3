"""How far a fitted model lies from interventions: every effect that can be had both ways, and the difference."""

from __future__ import annotations

from pathlib import Path

import pytest

import causalcircuit as cq
from causalcircuit.check.abstracting import abstracting
from causalcircuit.check.modelled import modelled
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Options
from causalcircuit.runs import check, check_text, run_program

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDER = Path(__file__).parents[1] / "fixtures"


def structure(realized: bool = True, edges: str = "X -> LD, Z -> X, Z -> LD") -> cq.Structure:
    gpt2 = cq.model(str(FOLDER / "models" / "ioi"), name="gpt2")
    asked = cq.data(FOLDER / "data" / "ioi.jsonl", prompt=cq.row.clean, cluster=cq.row.names)
    answer = gpt2.logit[cq.row.io] @ cq.last - gpt2.logit[cq.row.subj] @ cq.last
    worlds = {"X": {1: cq.do(), 0: cq.do({gpt2.input: cq.row.corrupt})}}
    drawn = cq.graph(
        edges, name="H", X=cq.row.easy == 1, Z=cq.row.length, LD=answer, realize=worlds if realized else None
    )
    return cq.fit(drawn, on=asked, name="T")


def test_the_question_that_it_is() -> None:
    """The effects of what worlds stand for on what a model gives; `Z` is a column, so it is neither."""
    made = structure()
    command = abstracting(made.fitted, made.fitted.data, Options())
    assert [str(r) for r in command.regimes] == ["intervention", "T"]
    assert [q.name for q in command.asked] == ["X = 0 to 1, LD"]
    moments = modelled(command.asked[0].expr, command.graph).moments
    assert [m.outcome for m in moments] == ["LD", "LD"]
    assert [dict(m.world.sets) for m in moments] == [{"X": 1.0}, {"X": 0.0}]
    assert command.examined is made.fitted
    assert [cause for cause, _ in command.skipped] == ["Z"]
    assert "`realize`" in command.skipped[0][1]


def test_the_example_and_the_same_from_python() -> None:
    """On the captioner: what the model of the three nodes says of a kitchen beside what a kitchen does."""
    whole = run_program(check(EXAMPLES / "abstraction.cq"))
    example = {e.regime: e for e in whole.estimates}
    (rows,) = whole.examinations
    assert [str(t) for t in rows.tests] == ["B _||_ F"]
    assert not rows.contradicted
    weighed = [str(a) for a in rows.arrows if a.slope is not None]
    assert weighed == ["B -> H", "F -> H"]  # arrows into Y: H <-> Y leaves them open, with the reason
    assert all("not identified" in a.reason for a in rows.arrows if a.slope is None)
    assert [cause for cause, _ in rows.skipped] == ["H", "F"]
    assert rows.notes
    assert set(example) == {"intervention", "S", "S - intervention"}
    assert any("projected out" in a and "H" in a for a in example["S"].assumptions)
    cap = cq.model(str(EXAMPLES / "models" / "captioner"), name="cap")
    long = cq.data(EXAMPLES / "data" / "scenes_long.jsonl", image=cq.row.photo, prefix="a", cluster=cq.row.figure)
    worlds = {"B": {1: cq.do({cap.image: cq.row.kitchen}), 0: cq.do({cap.image: cq.row.office})}}
    answer = cap.logit["woman"] @ cq.last - cap.logit["man"] @ cq.last
    drawn = cq.graph("B -> Y, F -> Y", B=cq.row.is_kitchen == 1, F=cq.row.gender == "woman", Y=answer, realize=worlds)
    found = cq.abstraction(cq.fit(drawn, on=long)).estimates
    assert [e.regime for e in found] == ["intervention", "S", "S - intervention"]
    for one in found:  # H is projected out there, so the rest is the same model
        assert one.value == pytest.approx(example[one.regime].value, abs=1e-5)
        assert one.interval is not None
    real, model, gap = (e.value for e in found)
    assert real is not None
    assert model is not None
    assert gap == pytest.approx(model - real)


def test_neighbouring_values_are_compared_in_the_order_of_numbers() -> None:
    gpt2 = cq.model(str(FOLDER / "models" / "ioi"), name="gpt2")
    rows = cq.data(FOLDER / "data" / "ioi.jsonl", prompt=cq.row.clean)
    other = cq.do({gpt2.input: cq.row.corrupt})
    worlds = {"Z": {10: cq.do(), 9: other, 2: other}, "X": {1: cq.do()}}
    drawn = cq.graph("Z -> LD, X -> LD", name="H", X=cq.row.easy == 1, Z=cq.row.length,
                     LD=gpt2.logit[cq.row.io] @ cq.last, realize=worlds)  # fmt: skip
    made = cq.fit(drawn, on=rows).fitted
    command = abstracting(made, made.data, Options())
    assert [q.name for q in command.asked] == ["Z = 2 to 9, LD", "Z = 9 to 10, LD"]
    assert command.skipped == (("X", "one value of it is realized, and an effect takes two"),)


@pytest.mark.parametrize("made", [lambda: structure(False), lambda: structure(edges="LD -> X, Z -> X")])
def test_nothing_to_intervene_on_is_refused(made) -> None:
    with pytest.raises(DiagnosticError, match="CQ890"):
        cq.abstraction(made())


TEXT = """data ioi = jsonl("./data/ioi_pairs.jsonl")
node X = row.base
node Y = row.source
graph G { X -> Y }
fit S = scm(G) on ioi with discrete
"""


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (r"CQ890.*`G` is a graph", "check G against interventions"),
        (r"CQ890.*can be had", "check S against interventions"),
        (r"CQ112.*`by`", "check S by adjustment against interventions"),
    ],
)
def test_statements_that_are_refused(said: str, text: str) -> None:
    with pytest.raises(DiagnosticError, match=said):
        check_text(TEXT + text, folder=EXAMPLES)
