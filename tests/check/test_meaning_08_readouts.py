"""Meaning 8, as far as it is known without a tokenizer: answers, sets of answers, scalars, contrasts across models."""

from __future__ import annotations

import pytest

from causalcircuit.query import Items, Readout, Text
from tests.check import objects as o
from tests.check.programs import IOI, errors, query

TWO = IOI + 'model two = hf("./models/ioi") with dtype = float64\n'


@pytest.mark.parametrize(
    ("estimand", "code"),
    [
        ("E[gpt2.logit[row.io] @ last]", ""),
        ('E[gpt2.logit[" Mary"] @ last]', ""),
        ('E[gpt2.prob[[" he", " she"]] @ last]', ""),
        ("E[gpt2.logprob[[row.io, row.subj]] @ last]", ""),
        ('E[gpt2.logit[[" he", " she"]] @ last]', "CQ508"),
        ('E[gpt2.logit[""] @ last]', "CQ508"),
        ("E[gpt2.prob[[]] @ last]", "CQ508"),
        ("E[gpt2.logit[3] @ last]", "CQ508"),
        ("E[gpt2.logit[*] @ last]", "CQ508"),
        ("E[gpt2.logit @ last]", "CQ508"),
        ("E[gpt2.logit[row.length] @ last]", "CQ508"),
        ("E[gpt2.logit[row.io]]", "CQ209"),
        ("E[gpt2.logit[row.io] @ all]", "CQ516"),
        ("E[gpt2.logit[row.io] @ [0, 1]]", "CQ516"),
        ("E[gpt2.layer[0].logit[row.io] @ last]", "CQ508"),
    ],
)
def test_answers(estimand: str, code: str) -> None:
    assert errors(f"{IOI}estimate {estimand} on ioi\n") == [code] * bool(code)


@pytest.mark.parametrize(
    ("estimand", "scalar"),
    [
        ("E[NM]", False),
        ("E[mean(NM)]", False),
        ("E[(NM | do(NM = 0))]", False),
        ("E[row.length + NM]", False),
        ("P(NM > 0)", False),
        ("E[LD | NM > 0]", False),
        ("E[norm(NM)]", True),
        ("E[norm(NM - mean(NM))]", True),
        ("E[dot(NM, (NM | do()))]", True),
        ("E[LD * row.length]", True),
        ("E[abs(LD)]", True),
    ],
)
def test_an_expectation_takes_one_number_a_row(estimand: str, scalar: bool) -> None:
    assert errors(f"{IOI}estimate {estimand} on ioi\n") == ([] if scalar else ["CQ231"])


def test_a_mean_of_ratios_is_not_a_ratio_of_means() -> None:
    assert query("E[LD / row.length]").expr != query("E[LD] / E[row.length]").expr


@pytest.mark.parametrize(
    ("estimand", "fine"),
    [
        ("E[gpt2.logit[row.io] @ last] - E[two.logit[row.io] @ last]", False),
        ("E[gpt2.logit[row.io] @ last - two.logit[row.io] @ last]", False),
        ("E[gpt2.logit[row.io] @ last - two.logit[row.io] @ last + two.logit[row.subj] @ last]", False),
        ("E[LD] - E[two.logit[row.io] @ last - two.logit[row.subj] @ last]", True),
        ("E[LD - (two.logit[row.io] @ last - two.logit[row.subj] @ last)]", True),
        ("E[2 * LD] - E[two.logprob[row.io] @ last]", None),  # units
        ("E[gpt2.prob[row.io] @ last] - E[two.prob[row.io] @ last]", True),
        ("E[gpt2.logprob[row.io] @ last - two.logprob[row.io] @ last]", True),
        ("P(LD > 0) - P(two.logit[row.io] @ last > two.logit[row.subj] @ last)", True),
        ("E[LD^2] - E[two.logit[row.io] @ last - two.logit[row.subj] @ last]", None),
    ],
)
def test_across_models_only_contrasts_are_compared(estimand: str, fine: bool | None) -> None:
    found = errors(f"{TWO}estimate {estimand} on ioi\n")
    assert found == ([] if fine else ["CQ311"] if fine is None else ["CQ312"])


def test_objects_are_held_to_the_same() -> None:
    he = Readout("gpt2", "logit", Items((Text(" he"), Text(" she"))), o.LOGIT.position)
    assert o.codes(o.Expect(he)) == ["CQ508"]
    assert o.codes(o.Expect(o.HEAD)) == ["CQ231"]
    assert o.codes(o.Expect(Readout("gpt2", "logit", o.Column("length"), o.LOGIT.position))) == ["CQ508"]
    kitchen = o.do((o.Input("cap", "image"), o.Column("kitchen")))
    raw = Readout("cap", "logit", Text("woman"), o.LOGIT.position)
    across = o.Binary("-", o.Expect(o.LOGIT, kitchen), o.Expect(raw, kitchen))
    assert "CQ312" in o.codes(across, o.SCENES)
