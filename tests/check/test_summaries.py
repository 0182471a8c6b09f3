"""Quantiles, correlations and areas as the language reads them, and as Python builds them."""

from __future__ import annotations

from pathlib import Path

import pytest

import causalcircuit as cq
from causalcircuit import E, P, row
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Binary, Estimation, Expect, Expr, Number, render, unit_of
from causalcircuit.query.summaries import Correlation, Quantile

HEAD = """
model m = hf("../models/ioi")
data d = jsonl("../data/ioi.jsonl") with prompt = row.clean cluster row.names
node LD = m.logit[row.io] @ last - m.logit[row.subj] @ last
node NM = m.layer[1].head[3].out @ last
let off = do(NM = 0)
let dose(k) = E[LD | do(NM = k * mean(NM))]
"""
FOLDER = Path(__file__).parents[1] / "fixtures" / "good"


def asked(text: str) -> Expr:
    (command,) = check_text(f"{HEAD}estimate {text} on d", folder=FOLDER).commands
    assert isinstance(command, Estimation)
    return command.queries[0].expr


def code(text: str) -> str:
    with pytest.raises(DiagnosticError) as caught:
        asked(text)
    [found] = caught.value.diagnostics
    assert found.help
    return found.code


m = cq.model(str(FOLDER / "../models/ioi"), name="m")
LD = m.logit[row.io] @ cq.last - m.logit[row.subj] @ cq.last
NM = m.layer[1].head[3].out @ cq.last
off = cq.do({NM: 0})


def test_the_same_nouns_in_both() -> None:
    assert asked("quantile(LD, 0.9)") == cq.quantile(LD, 0.9).expr == Quantile(LD.expr, share=0.9)
    assert (
        asked("quantile((LD | off), 90%)") == cq.quantile(LD | off, 0.9).expr == Quantile(LD.expr, off.world, share=0.9)
    )
    both = asked("correlation((LD | off), LD)")
    assert both == cq.correlation(LD | off, LD).expr
    assert isinstance(both, Correlation)
    assert (
        asked("correlation((LD | off), (m.logit[row.io] @ last | off))")
        == cq.correlation(LD | off, (m.logit[row.io] @ cq.last) | off).expr
    )
    twice = asked("quantile((LD | off), 0.5) - quantile(LD, 0.5)")
    assert twice == (cq.quantile(LD | off, 0.5) - cq.quantile(LD, 0.5)).expr


def test_an_area_is_a_sum_by_the_trapezoidal_rule() -> None:
    found = asked("area([dose(0), dose(1), dose(4)], at = [0, 1, 4])")
    assert isinstance(found, Binary)
    heights = [asked(f"dose({k})") for k in (0, 1, 4)]
    parts = [Binary("*", Number(w), e) for w, e in zip((0.5, 2.0, 1.5), heights, strict=True)]
    assert found == Binary("+", Binary("+", parts[0], parts[1]), parts[2])
    a, b = E[LD], E[LD | off]
    assert cq.area([a, b, b]).expr == asked("area([E[LD], E[LD | off], E[LD | off]])")
    assert cq.area([a, b], at=[-1, 0.5]).expr == asked("area([E[LD], E[LD | off]], at = [-1, 0.5])")
    assert asked(render(found)) == found


@pytest.mark.parametrize("text", ["quantile((LD | off), 0.25)", "correlation((LD | off), (NM2 | off))"])
def test_canonical_text_is_read_back(text: str) -> None:
    estimand = asked(text.replace("NM2", "m.logit[row.io] @ last"))
    assert asked(render(estimand)) == estimand


def test_units() -> None:
    assert unit_of(asked("quantile(LD, 0.5)")) == "logit"
    assert unit_of(asked("correlation(LD, m.prob[row.io] @ last)")) == ""
    assert unit_of(asked("quantile(LD, 0.5) / E[LD]")) == "ratio"
    assert code("quantile(LD, 0.5) + P(LD > 0)") == "CQ311"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("quantile(LD, 0)", "CQ920"),
        ("quantile(LD, 1)", "CQ920"),
        ("quantile(LD, 90)", "CQ920"),
        ("quantile(LD, LD)", "CQ920"),
        ("quantile(LD > 0, 0.5)", "CQ920"),
        ("quantile(E[LD], 0.5)", "CQ214"),
        ("quantile(LD)", "CQ207"),
        ("correlation(LD)", "CQ207"),
        ("correlation(LD, E[LD])", "CQ214"),
        ("quantile(NM, 0.5)", "CQ231"),
        ("correlation(NM, LD)", "CQ231"),
        ("area([dose(0)])", "CQ920"),
        ("area([dose(0), dose(1)], at = [0, 1, 2])", "CQ920"),
        ("area([dose(0), dose(1)], at = [1, 1])", "CQ920"),
        ("area([dose(0), dose(1)], at = [0, LD])", "CQ920"),
        ("area(dose(0), dose(1))", "CQ207"),
        ("area(dose(0))", "CQ920"),
        ("area([LD, dose(1)])", "CQ214"),
        ("E[quantile(LD, 0.5)]", "CQ214"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, want: str) -> None:
    assert code(text) == want


def test_python_refuses_the_same() -> None:
    for build in (
        lambda: cq.quantile(LD, 1.0),
        lambda: cq.quantile(LD > 0, 0.5),
        lambda: cq.area([E[LD]]),
        lambda: cq.area([E[LD], P(LD > 0)], at=[2, 1]),
    ):
        with pytest.raises(DiagnosticError, match="CQ920"):
            build()
    with pytest.raises(DiagnosticError, match="CQ214"):
        cq.correlation(LD, E[LD])


def test_a_name_of_ones_own_goes_first() -> None:
    text = f"{HEAD}let area(x) = E[x]\nestimate area(LD) on d"
    (command,) = check_text(text, folder=FOLDER).commands
    assert isinstance(command, Estimation)
    assert isinstance(command.queries[0].expr, Expect)


def test_a_diagram_answers_for_means_alone() -> None:
    text = "graph G { X -> Y }\nidentify quantile(Y, 0.5) in G"
    with pytest.raises(DiagnosticError, match="CQ282"):
        check_text(text, folder=FOLDER)
