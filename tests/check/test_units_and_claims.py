"""Units of measures and of bounds; what a claim says."""

from __future__ import annotations

import math

import pytest

from causalcircuit.query import Region, unit_of
from tests.check.programs import IOI, asked, errors, query


@pytest.mark.parametrize(
    ("estimand", "unit"),
    [
        ("E[LD]", "logit"),
        ("E[gpt2.logprob[row.io] @ last]", "nat"),
        ("E[gpt2.prob[row.io] @ last]", "probability"),
        ("P(LD > 0)", "probability"),
        ("E[LD] / E[LD | do(NM = 0)]", "ratio"),
        ("2 * E[LD] - 1", "logit"),
        ("E[norm(NM)]", "activation"),
        ("E[row.length]", ""),
        ("E[LD]^2", "logit^2"),
        ("E[LD] * E[LD]", "logit²"),
        ("E[LD] / E[gpt2.prob[row.io] @ last]", "logit/probability"),
    ],
)
def test_the_unit_of_a_measure(estimand: str, unit: str) -> None:
    assert unit_of(query(estimand).expr) == unit


@pytest.mark.parametrize(
    "mixed",
    [
        "E[LD] - E[gpt2.prob[row.io] @ last]",
        "E[gpt2.logit[row.io] @ last - gpt2.logprob[row.io] @ last]",
        "P(LD > gpt2.prob[row.io] @ last)",
        "P(LD > 2 pp)",
        "E[LD] + 3 nat",
        "E[LD | LD within [0 logit, 1 pp]]",
    ],
)
def test_unlike_measures_are_not_added_or_compared(mixed: str) -> None:
    assert errors(f"{IOI}estimate {mixed} on ioi\n") == ["CQ311"]


@pytest.mark.parametrize("word", ["d", "logits", "percent", "ci"])
def test_a_word_after_a_number_is_a_unit(word: str) -> None:
    assert errors(f"{IOI}let a = 4 {word}\n") in (["CQ210"], ["CQ101"])


def test_a_unit_stands_on_the_line_of_its_number() -> None:
    assert errors(f"{IOI}let a = 4\n  logit\n") == ["CQ210"]
    assert errors(f"{IOI}let a = 4 logit +\n  3 logit\n") == []


@pytest.mark.parametrize(
    ("claim", "region"),
    [
        ("E[LD] < -0.5 logit", Region(-math.inf, -0.5)),
        ("E[LD] >= 0.5", Region(0.5, math.inf, closed=True)),
        ("0.5 logit < E[LD]", Region(0.5, math.inf)),
        ("E[LD] within [-0.1 logit, 0.1 logit]", Region(-0.1, 0.1, closed=True)),
        ("E[LD] within [0, 0.1 logit]", Region(0.0, 0.1, closed=True)),
        ("E[LD] outside [-1 logit, 1 logit]", Region(-1.0, 1.0, closed=True, outside=True)),
        ("P(LD > 0) > 50 pp", Region(0.5, math.inf)),
        ("E[LD] / E[LD | do(NM = 0)] < 90%", Region(-math.inf, 0.9)),
        ("E[LD] < E[LD | do(NM = 0)]", Region(-math.inf, 0.0)),
    ],
)
def test_the_region_of_a_claim(claim: str, region: Region) -> None:
    (only,) = asked(f"test {claim} on ioi", IOI).claims
    assert only.region == region
    assert not only.named


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        ("E[LD] = 0", "CQ227"),
        ("E[LD] != 0", "CQ227"),
        ("E[LD]", "CQ227"),
        ("E[LD] within [1, 0]", "CQ227"),
        ("E[LD] within [0, row.length]", "CQ227"),
        ("LD > 0", "CQ214"),
        ("E[LD] > 2 pp", "CQ311"),
        ("P(LD > 0) - P(LD > 1) > 0.5%", "CQ311"),
        ("E[LD] within [0.1 logit, 1 pp]", "CQ311"),
        ("E[LD] within [-2, 1 logit]", "CQ311"),
        ("E[row.length] > 2 logit", "CQ311"),
    ],
)
def test_no_claims(claim: str, code: str) -> None:
    assert errors(f"{IOI}test {claim} on ioi\n") == [code]


def test_a_family_is_made_of_hypotheses_under_one_correction() -> None:
    two = "hypothesis a { expect E[LD] > 0 logit }\nhypothesis b { expect E[LD] < 9 logit }\n"
    family = asked("family f = [a, b] alpha 0.01\ntest f on ioi", IOI + two)
    assert (family.name, family.correction, family.alpha) == ("f", "holm", 0.01)
    assert [(c.name, c.named) for c in family.claims] == [("a", True), ("b", True)]
    assert errors(IOI + two + "family f = [a, a]\n") == ["CQ202"]
    assert errors(IOI + two + "family f = [a, LD]\n") == ["CQ205"]
    assert errors(IOI + two + "test a, b on ioi\n") == ["CQ229"]
    assert errors(IOI + two + "family f = [a]\ntest f, b on ioi correct holm\n") == ["CQ228"]
