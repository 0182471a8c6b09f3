"""A sweep's numbers are those of its questions asked one by one."""

from __future__ import annotations

import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Estimate
from causalcircuit.runs import check_text
from tests.sweeps.programs import EXAMPLES, HEAD, answers

SWEPT = {
    "gpt2.layer[0..1].head[0, 2].out @ last": [f"gpt2.layer[{i}].head[{j}].out @ last" for i in (0, 1) for j in (0, 2)],
    "[NM, gpt2.layer[0].mlp.out @ token(row.io)]": ["NM", "gpt2.layer[0].mlp.out @ token(row.io)"],
    "[NM, gpt2.layer[0].resid @ last] except NM": ["gpt2.layer[0].resid @ last"],
    "outside(gpt2.layer[0..1].head[1..3].out @ last)": [f"gpt2.layer[{i}].head[0].out @ last" for i in (0, 1)],
    "gpt2.layer[*].resid_in @ each [token(row.io), last]": [
        f"gpt2.layer[{i}].resid_in @ {p}" for i in (0, 1) for p in ("token(row.io)", "last")
    ],
}


def alone(question: str, data: str = "ioi") -> Estimate:
    (only,) = answers(f"estimate {question} on {data}\n").estimates
    return only


@pytest.mark.parametrize("over", SWEPT)
def test_for_is_one_question_after_another(over: str) -> None:
    swept = answers(f"estimate effect(H) on ioi for H in {over}\n").estimates
    single = [alone(f"effect({site})") for site in SWEPT[over]]
    assert [(e.value, e.interval) for e in swept] == [(e.value, e.interval) for e in single]
    assert [e.estimand for e in swept] == [e.estimand for e in single]


def test_joint_sets_with_a_narrower_site() -> None:
    swept = answers("estimate E[LD | swap(H)] - E[LD] on ioi for H in gpt2.layer[1].head[*].out @ last\n").estimates
    for j, e in enumerate(swept):
        site = f"gpt2.layer[1].head[{j}].out @ last"
        others = [
            f"gpt2.layer[{i}].head[{k}].out @ all = (gpt2.layer[{i}].head[{k}].out @ all | do())"
            for i in (0, 1)
            for k in range(4)
        ]
        one = alone(f"E[LD | do({', '.join(others)}, {site} = ({site} | corrupt))] - E[LD]")
        assert (e.value, e.interval) == (one.value, one.interval)


def test_each_position_is_a_question_of_its_own() -> None:
    swept = answers("estimate effect(R) on walk for R in gpt2.layer[*].resid_in @ each\n").estimates
    assert len(swept) == 2 * 23
    for i, k in ((0, 0), (0, 18), (0, 22), (1, 5), (1, 18), (1, 22)):
        e = swept[23 * i + k]
        one = alone(f"effect(gpt2.layer[{i}].resid_in @ {k})", "walk")
        assert dict(e.at)["R"] == f"gpt2.layer[{i}].resid_in @ {k}"
        assert e.value == pytest.approx(one.value, abs=1e-12)
    tokens = [dict(e.at).get("token") for e in swept[:23]]
    assert tokens[:3] == ['"After"', '" the"', '" long"']
    assert tokens[18] is None  # a name: rows differ there


def test_each_without_for_is_a_family_too() -> None:
    bare = answers("estimate E[LD | do(gpt2.layer[0].resid @ each = 0)] - E[LD] on walk\n").estimates
    assert [dict(e.at)["position"] for e in bare] == [str(k) for k in range(23)]
    assert bare[22].value == pytest.approx(
        alone("E[LD | do(gpt2.layer[0].resid @ last = 0)] - E[LD]", "walk").value, abs=1e-12
    )


def test_a_grid_goes_through_every_pair() -> None:
    text = "estimate E[LD | do(A = 0, B = 0)] on ioi for A in gpt2.layer[0].head[0..1].out @ last "
    pairs = answers(text + "for B in gpt2.layer[1].head[2..3].out @ last\n").estimates
    assert len(pairs) == 4
    for e in pairs:
        a, b = dict(e.at)["A"], dict(e.at)["B"]
        assert e.value == alone(f"E[LD | do({a} = 0, {b} = 0)]").value


def test_show_holds_together() -> None:
    (shown,) = answers("show effect(H) on ioi for H in gpt2.layer[*].head[*].out @ last as heatmap\n").shown
    plain = answers("estimate effect(H) on ioi for H in gpt2.layer[*].head[*].out @ last\n").estimates
    wide = answers(f"estimate effect(H) on ioi for H in gpt2.layer[*].head[*].out @ last ci {1 - 0.05 / 8}\n").estimates
    assert [e.value for e in shown.estimates] == [e.value for e in plain]
    for e, w in zip(shown.estimates, wide, strict=True):
        assert (e.interval.low, e.interval.high) == pytest.approx((w.interval.low, w.interval.high), rel=1e-12)
    # p inverts the interval: at level 1 - p an end lies at 0.
    for e, p in zip(shown.estimates, shown.p, strict=True):
        if p > 1e-12:
            (at,) = answers(
                f"estimate effect(H) on ioi for H in {dict(e.at)['H']} ci {max(1e-12, 1 - p):.17f}\n"
            ).estimates
            assert min(abs(at.interval.low), abs(at.interval.high)) < 1e-6 * max(1, abs(e.value))
    ordered = sorted(range(8), key=lambda i: shown.p[i])
    largest = 0.0
    for rank, i in enumerate(ordered):  # Holm (1979), written out
        largest = max(largest, min(1.0, (8 - rank) * shown.p[i]))
        assert shown.p_adjusted[i] == pytest.approx(largest, rel=1e-12)
    panel = shown.panels[0]
    assert (panel.rows.title, panel.columns.title) == ("layer", "head")
    for i, row in enumerate(panel.cells):
        for j, place in enumerate(row):
            assert dict(shown.estimates[place].at)["H"] == f"gpt2.layer[{i}].head[{j}].out @ last"


def test_p_is_given_where_0_means_something() -> None:
    (kept,) = answers("show P(LD > 0 | do(H = 0)) on ioi for H in gpt2.layer[1].head[*].out @ last\n").shown
    assert kept.p == ()
    assert all(e.interval is not None for e in kept.estimates)


def test_prompts_of_different_length_are_told() -> None:
    with pytest.raises(DiagnosticError) as caught:
        answers("estimate effect(R) on ioi for R in gpt2.layer[*].resid_in @ each\n")
    (d,) = caught.value.diagnostics
    assert d.code == "CQ244"
    assert "13, 16, 17, 20, 23" in d.message
    assert any("@ each [token" in h for h in d.help)


def test_a_family_that_cannot_reach_its_level_is_told_before_a_pass() -> None:
    over = "gpt2.layer[*].mlp.neuron[0..71] @ last"  # 144 of them
    words = f"test effect(H) outside [-0.1 logit, 0.1 logit] on ioi for H in {over} with bootstrap(2000) seed 1 "
    with pytest.raises(DiagnosticError) as caught:
        check_text(HEAD + words + "correct holm alpha 0.05\n", folder=EXAMPLES)
    assert [d.code for d in caught.value.diagnostics if d.is_error] == ["CQ606"]
    assert "5760 are needed" in caught.value.diagnostics[0].message
    with pytest.raises(DiagnosticError) as caught:
        check_text(HEAD + f"show effect(H) on ioi for H in {over} with bootstrap(2000) seed 1\n", folder=EXAMPLES)
    assert {d.code for d in caught.value.diagnostics if d.is_error} == {"CQ605"}


def test_a_family_over_positions_is_held_against_its_resamples_once_rows_are_read() -> None:
    with pytest.raises(DiagnosticError) as caught:
        answers(
            "test effect(R) outside [-1 logit, 1 logit] on walk for R in gpt2.layer[*].resid_in @ each "
            "with bootstrap(1000) seed 1 correct holm alpha 0.05\n"
        )
    assert [d.code for d in caught.value.diagnostics if d.is_error] == ["CQ606"]


def test_members_without_a_path_are_left_out_and_named() -> None:
    (shown,) = answers("show effect(R) on walk for R in gpt2.layer[1].resid @ each as heatmap\n").shown
    assert [dict(e.at)["R"] for e in shown.estimates] == ["gpt2.layer[1].resid @ 22"]
    assert shown.left_out == tuple(f"gpt2.layer[1].resid @ {k}" for k in range(22))
    assert shown.family == 1
