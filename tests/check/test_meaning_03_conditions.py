"""Meaning 3: conditions hold in the world of the bar."""

from __future__ import annotations

import pytest

from causalcircuit.query import Compare, Text
from tests.check import objects as o
from tests.check.programs import IOI, errors, query, warnings


def ask(estimand: str) -> tuple[list[str], list[str]]:
    text = f"{IOI}estimate {estimand} on ioi\n"
    return errors(text), warnings(text)


@pytest.mark.parametrize(
    "estimand",
    [
        'E[LD | row.template = "t0"]',
        'E[LD | do(NM = 0), row.template = "t0"] - E[LD | row.template = "t0"]',
        "E[LD | row.easy]",
        "E[LD | row.easy = 1]",
        "E[LD | row.length = 12]",
        "E[LD | row.surprise within [2, 3]]",
        "E[LD | (LD | do()) > 0]",  # the factual value, whatever the world
        "E[LD | do(NM = 0), (LD | do()) > 0] - E[LD | (LD | do()) > 0]",
        "E[(LD | do(NM = 0)) | LD > 0] - E[LD | LD > 0]",
        "E[LD | do(NM = 0), norm(gpt2.layer[0].resid @ last) > 1]",
    ],
)
def test_conditions_that_no_assignment_moves_are_ordinary_subgroups(estimand: str) -> None:
    assert ask(estimand) == ([], [])


@pytest.mark.parametrize("condition", ["LD > 0", "not LD > 0", "row.easy and LD > 0"])
def test_a_condition_on_a_descendant_warns(condition: str) -> None:
    assert ask(f"E[LD | do(NM = 0), {condition}]") == ([], ["CQ307"])


@pytest.mark.parametrize(
    "estimand",
    [
        "E[LD | do(NM = 0), LD > 0] - E[LD | LD > 0]",
        "E[LD | LD > 0] - E[LD | do(NM = 0), LD > 0]",
        "2 * (E[LD | do(NM = 0), LD > 0] - E[LD | do(NM = 1), LD > 0])",
        "P(LD > 1 | do(NM = 0), LD > 0) - P(LD > 1 | LD > 0)",
    ],
)
def test_a_difference_of_such_terms_is_an_error(estimand: str) -> None:
    assert ask(estimand)[0] == ["CQ308"]


def test_a_condition_upstream_of_the_assignment_is_fine() -> None:
    assert ask("E[LD | do(gpt2.layer[1].mlp.out @ last = 0), LD > 0]")[1] == ["CQ307"]


@pytest.mark.parametrize(
    "condition",
    [
        "row.surprise = 2.25",
        "row.surprise != 2.25",
        "2.25 = row.surprise",
        "LD = 0",
        "-LD = 0",
        "norm(NM) > 1 and LD = 1",
    ],
)
def test_equality_of_real_numbers_is_an_error(condition: str) -> None:
    assert ask(f"E[LD | {condition}]")[0] == ["CQ309"]


def test_equality_of_a_node_asks_whether_do_was_meant() -> None:
    assert ask("E[LD | NM = 0]")[0] == ["CQ310"]
    assert ask("E[LD | gpt2.input = row.corrupt]")[0] == ["CQ310"]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ("LD", "CQ314"),
        ("row.length", "CQ314"),
        ("row.template", "CQ314"),
        ("not row.length", "CQ314"),
        ("row.easy", ""),
    ],
)
def test_an_event_is_a_comparison_or_a_column_of_truth_values(event: str, code: str) -> None:
    assert ask(f"P({event})")[0] == [code] * bool(code)
    assert ask(f"E[LD | {event}]")[0] == [code] * bool(code)


def test_strings_and_numbers_are_never_equal() -> None:
    assert ask("E[LD | row.template = 0]")[0] == ["CQ409"]
    assert ask('E[LD | row.length = "12"]')[0] == ["CQ409"]


def test_several_conditions_all_hold() -> None:
    listed = query('E[LD | row.easy = 0, row.template = "t0"]')
    assert listed.expr == query('E[LD | row.easy = 0 and row.template = "t0"]').expr


def test_objects_are_held_to_the_same() -> None:
    off = o.do((o.HEAD, 0))
    up = Compare(">", o.LOGIT, o.Number(0.0))
    t0 = Compare("=", o.Column("template"), Text("t0"))
    assert o.codes(o.Expect(o.LD, off, t0)) == []
    assert o.codes(o.Expect(o.LD, off, up)) == ["CQ307"]
    assert set(o.codes(o.Binary("-", o.Expect(o.LD, off, up), o.Expect(o.LD, o.FACTUAL, up)))) == {"CQ307", "CQ308"}
    assert o.codes(o.Expect(o.LD, o.FACTUAL, Compare("=", o.Column("surprise"), o.Number(2.25)))) == ["CQ309"]
    assert o.codes(o.Expect(o.LD, o.FACTUAL, Compare("=", o.HEAD, o.Number(0.0)))) == ["CQ310"]
    assert o.codes(o.Expect(o.LD, o.FACTUAL, o.Column("template"))) == ["CQ314"]
