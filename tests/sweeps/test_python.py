"""From Python the same nouns, and the same numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

import causalcircuit as cq
from causalcircuit import DiagnosticError, E, do, last, row
from tests.sweeps.programs import EXAMPLES, answers

gpt2 = cq.model(str(EXAMPLES / "models" / "ioi"), name="gpt2", dtype="float64")
ioi = cq.data(EXAMPLES / "data" / "ioi.jsonl", prompt=row.clean, cluster=row.names, sample=40, seed=3)
LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
NM = gpt2.layer[1].head[3].out @ last
corrupt = do({gpt2.input: row.corrupt})


def effect(h: cq.Quantity) -> cq.Quantity:
    return E[LD | do({h: h | corrupt})] - E[LD]


def test_show_and_its_pictures(tmp_path: Path) -> None:
    made = cq.show(cq.sweep(effect, H=gpt2.layer["*"].head["*"].out @ last), on=ioi, form="heatmap")
    (ours,) = made.shown
    (theirs,) = answers("show effect(H) on ioi for H in gpt2.layer[*].head[*].out @ last as heatmap\n").shown
    assert (ours.name, ours.panels, ours.p_adjusted) == (theirs.name, theirs.panels, theirs.p_adjusted)
    assert [(e.at, e.value, e.interval) for e in ours.estimates] == [
        (e.at, e.value, e.interval) for e in theirs.estimates
    ]
    assert [p.name for p in cq.pictures(made, tmp_path)] == ["effect-H.svg", "effect-H.png"]


def test_sets_and_positions() -> None:
    heads = gpt2.layer["*"].head["*"].out @ last
    assert len(list(cq.except_(heads, NM))) == len(list(cq.outside(NM))) == 7
    swept = cq.estimate(
        cq.sweep(effect, R=gpt2.layer["*"].resid_in @ cq.each[cq.token(row.io), last]), on=ioi
    ).estimates
    theirs = answers("estimate effect(R) on ioi for R in gpt2.layer[*].resid_in @ each [token(row.io), last]\n")
    assert [(e.at, e.value) for e in swept] == [(e.at, e.value) for e in theirs.estimates]
    judged = cq.test(cq.sweep(lambda h: effect(h) < cq.logit(-1), H=heads), on=ioi, correct="holm").hypotheses
    assert len(judged) == 8


def test_mistakes() -> None:
    with pytest.raises(DiagnosticError, match="CQ249"):
        cq.show(E[LD], on=ioi, form="heatmap")
    with pytest.raises(DiagnosticError, match="CQ249"):
        cq.sweep(effect)
    with pytest.raises(DiagnosticError, match="CQ221"):
        cq.sweep(effect, H=[])
    with pytest.raises(DiagnosticError, match="CQ241"):
        cq.except_(NM, gpt2.layer[0].mlp.out @ last)
