"""Meaning 11: verdicts by interval, families by adjusted p, too few resamples refused before the run."""

import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Tested
from tests.runs.asking import ask


def judged(claims: str, rest: str = "") -> tuple[Tested, ...]:
    return ask(f"test {claims} on d {rest}").hypotheses


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("effect(NM) < -0.5 logit", "supported"),
        ("effect(NM) > -0.5 logit", "refuted"),
        ("effect(NM) < -2.1 logit", "inconclusive"),
        ("effect(NM) within [-3 logit, -1 logit]", "supported"),
        ("effect(NM) outside [-0.1 logit, 0.1 logit]", "supported"),
        ("effect(NM) outside [-3 logit, -1 logit]", "refuted"),
        ("effect(NM) < effect(gpt2.layer[0].head[1].out @ last)", "supported"),
    ],
)
def test_alone(claim: str, verdict: str) -> None:
    (h,) = judged(claim)
    assert h.verdict == verdict
    assert h.p_adjusted == h.p


def test_one_sided_and_equivalence_claims_use_the_interval_of_level_1_minus_2_alpha() -> None:
    (one,) = judged("effect(NM) < 0 logit")
    (two,) = judged("effect(NM) outside [-0.1 logit, 0.1 logit]")
    assert (one.level, two.level) == (pytest.approx(0.90), pytest.approx(0.95))


def test_p_is_where_the_interval_ends_at_the_bound() -> None:
    bound = -1.9
    (h,) = judged(f"effect(NM) < {bound} logit")
    assert h.p is not None
    at = ask(f"estimate effect(NM) on d ci {1 - 2 * h.p:.12f}").estimates[0]
    assert at.interval is not None
    assert at.interval.high == pytest.approx(bound, abs=1e-6)


def test_a_family_is_judged_by_adjusted_p_and_its_intervals_hold_together() -> None:
    names = "for H in gpt2.layer[*].head[*].out @ last correct holm alpha 0.05"
    family = judged("effect(H) < -0.1 logit", names)
    assert len(family) == 8
    alone = judged("effect(NM) < -0.1 logit")[0]
    mover = next(h for h in family if h.at == (("H", "gpt2.layer[1].head[3].out @ last"),))
    assert mover.value == alone.value
    assert mover.interval is not None
    assert alone.interval is not None
    assert mover.interval.high > alone.interval.high
    for h in family:
        assert h.p is not None
        assert h.p_adjusted is not None
        assert h.p <= h.p_adjusted
        assert (h.verdict == "supported") == (h.p_adjusted <= 0.05)


def test_several_claims_need_a_correction() -> None:
    with pytest.raises(DiagnosticError) as caught:
        judged("effect(NM) < 0, effect(NM) < -1")
    assert caught.value.diagnostics[0].code == "CQ229"


def test_too_few_resamples_for_the_family_are_refused_before_the_run() -> None:
    with pytest.raises(DiagnosticError) as caught:
        judged(
            "effect(H) < 0 for H in gpt2.layer[*].mlp.neuron[*] @ last".partition(" for ")[0],
            "for H in gpt2.layer[*].mlp.neuron[0..99] @ last correct holm alpha 0.05 with bootstrap(2000) seed 1",
        )
    assert [d.code for d in caught.value.diagnostics] == ["CQ606"]
    assert "4000" in caught.value.diagnostics[0].message


def test_even_powers_are_not_bootstrapped() -> None:
    with pytest.raises(DiagnosticError) as caught:
        ask("estimate effect(NM)^2 on d with bootstrap(2000) seed 1")
    assert [d.code for d in caught.value.diagnostics] == ["CQ608"]
