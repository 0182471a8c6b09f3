"""A linear network whose structural model is known: what right and wrong diagrams say of its rows, in closed form.

The rows are all combinations of noise values of mean 0 and variance 1, so in them noises are independent exactly: what
a regime says of these rows is what it says of endless ones. With U the common cause that nobody measures,

    x = w + u + e,  m = 3/4 x + f,  y = 1/2 m + w + u + g:

X moves Y by 3/8 and M moves it by 1/2; a slope of Y that lacks U, or U and W, has their share on top.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import causalcircuit as cq
from benchmarks.linear_network import EFFECT, NOTHING, RIGHT, UNSEEN, asked, dealt, lines, table, write
from causalcircuit.diagnostics import DiagnosticError

torch.set_num_threads(1)
THREE = (-(1.5**0.5), 0.0, 1.5**0.5)
Answers = dict[str, float | None]


@pytest.fixture(scope="module")
def combined(tmp_path_factory: pytest.TempPathFactory) -> cq.Data:
    """Five noises of three values each: 243 rows."""
    return write(tmp_path_factory.mktemp("all") / "rows.jsonl", np.array(list(itertools.product(THREE, repeat=5))))


@pytest.fixture(scope="module")
def treated(tmp_path_factory: pytest.TempPathFactory) -> cq.Data:
    """X is 1 in 1/2 + (w + u)/8 of the rows of each kind and 0 in the others, by a noise that is what it has to be."""
    rows = [
        [w, u, x - w - u, f, g]
        for w, u, f, g, k in itertools.product((-1, 1), (-1, 1), THREE, (-1, 1), range(4))
        for x in [float(k < 2 + (w + u) / 2)]
    ]
    assert len(rows) == 96
    return write(tmp_path_factory.mktemp("dealt") / "rows.jsonl", np.array(rows))


def said(question: cq.Quantity, drawing: cq.Drawing, data: cq.Data, *by: str) -> Answers:
    """The answer of each regime, `S` a linear structural model; nothing is left to chance, so there is no interval."""
    regimes = [cq.fit(drawing, on=data) if r == "S" else r for r in by]
    found = cq.estimate(question, on=data, diagram=drawing, by=regimes, population=True).estimates
    return {e.regime: e.value for e in found}


ON_TOP = {
    ("X", UNSEEN): Fraction(1, 2),
    ("X", NOTHING): Fraction(2, 3),  # cov(w + u, x) / var(x)
    ("M", UNSEEN): Fraction(3, 4) / (2 * Fraction(9, 16) + 1),  # cov(u, m | w) / var(m | w)
    ("M", NOTHING): Fraction(3, 2) / (3 * Fraction(9, 16) + 1),
}
"""What a slope of Y has on top of the effect: the covariance of the forgotten cause over the variance of the other."""


@pytest.mark.parametrize(("diagram", "names"), [(UNSEEN, "adjustment(W)"), (NOTHING, "adjustment")])
@pytest.mark.parametrize(("cause", "effect"), [("X", Fraction(3, 8)), ("M", Fraction(1, 2))])
def test_a_wrong_diagram_is_off_by_what_it_forgets(
    combined: cq.Data, diagram: str, names: str, cause: str, effect: Fraction
) -> None:
    one = asked(diagram)
    found = said(one.effect(cause), one.drawing, combined, "intervention", names)
    off = ON_TOP[cause, diagram]
    exact, answer = found.values()
    assert exact == pytest.approx(float(effect), abs=1e-12)
    assert answer == pytest.approx(float(effect + off), abs=1e-9)


def test_the_right_diagram_says_what_interventions_say(combined: cq.Data) -> None:
    """X through the front door, M behind the back door that X closes, both by formula and by a model of all four."""
    one = asked(RIGHT)
    of_x = said(one.effect("X"), one.drawing, combined, "intervention", "frontdoor(M)", "id", "S")
    of_m = said(one.effect("M"), one.drawing, combined, "intervention", "adjustment(X)", "id", "S")
    for found, truth in ((of_x, EFFECT), (of_m, 0.5)):
        for name, value in found.items():
            assert value == pytest.approx(truth, abs=1e-9), name
    with pytest.raises(DiagnosticError, match="CQ860"):
        said(one.effect("X"), one.drawing, combined, "adjustment")


def test_a_model_of_a_wrong_diagram_multiplies_wrong_slopes(combined: cq.Data) -> None:
    """It sends X through M alone, whose slope is off; the adjustment for W reads Y on X, off by another sum."""
    for diagram in (UNSEEN, NOTHING):
        one = asked(diagram)
        model = said(one.effect("X"), one.drawing, combined, "S")["S"]
        assert model == pytest.approx(0.75 * float(Fraction(1, 2) + ON_TOP["M", diagram]), abs=1e-9)


@pytest.mark.parametrize(
    ("diagram", "by", "off"),
    [
        (RIGHT, "frontdoor(M)", Fraction(0)),
        (UNSEEN, "adjustment(W)", Fraction(8, 15)),  # E[u | x = 1, w] - E[u | x = 0, w] = 1/5 + 1/3 at either w
        (NOTHING, "adjustment", Fraction(1)),  # E[w + u | x = 1] - E[w + u | x = 0] = 1/2 + 1/2
    ],
)
def test_a_confounded_treatment_of_rows(treated: cq.Data, diagram: str, by: str, off: Fraction) -> None:
    """The worlds that stand for the column's values feed the network a row of its own with the treatment exchanged."""
    one = dealt(diagram)
    exact, answer = said(one.effect("X"), one.drawing, treated, "intervention", by).values()
    assert exact == pytest.approx(EFFECT, abs=1e-12)
    assert answer == pytest.approx(EFFECT + float(off), abs=1e-9)


def test_a_model_is_held_against_interventions(combined: cq.Data) -> None:
    """`check S against interventions`: the right one agrees on every effect, the wrong one shows where it does not."""
    right, wrong = (cq.abstraction(cq.fit(asked(d).drawing, on=combined)).estimates for d in (RIGHT, NOTHING))
    for found, off in ((right, 0.0), (wrong, float(ON_TOP["M", NOTHING]))):
        gaps = {e.name: e.value for e in found if e.regime == "S - intervention"}
        assert gaps["X = 0 to 1, M"] == pytest.approx(0.0, abs=1e-9)
        assert gaps["X = 0 to 1, Y"] == pytest.approx(0.75 * off, abs=1e-9)
        assert gaps["M = 0 to 1, Y"] == pytest.approx(off, abs=1e-9)


def test_rows_by_chance_show_the_same(tmp_path: Path) -> None:
    """400 rows of Gaussian noise: within five standard errors of the closed forms, and the wrong ones are found out."""
    rng = np.random.default_rng(3)
    found = list(lines(write(tmp_path / "rows.jsonl", rng.standard_normal((400, 5)))))
    for one in found:
        off = 0.0 if one.diagram == RIGHT else float(ON_TOP["X", one.diagram])
        if one.diagram == UNSEEN and one.regime == "S":
            off = 0.75 * float(ON_TOP["M", UNSEEN])
        error = (one.answer.high - one.answer.low) / (2 * 1.96)
        assert one.exact == pytest.approx(EFFECT, abs=1e-12)
        assert abs(one.value - EFFECT - off) < 5 * error, one
        assert one.gap == pytest.approx(one.value - one.exact, abs=1e-12)
        assert (one.p < 1e-4) == (one.diagram != RIGHT), one
    assert table([found]).count("\n") == 1 + len(found)
