"""From estimands to cells: what has to be measured, once each."""

from __future__ import annotations

from causalcircuit.query import (
    FACTUAL,
    Assignment,
    Binary,
    Call,
    Cell,
    Column,
    Compare,
    Counterfactual,
    Expect,
    Moment,
    Number,
    Probability,
    Readout,
    Term,
    Text,
    cells,
    cells_of,
    columns,
    compile_estimand,
    world_of,
)
from tests.query.samples import CORRUPT, HEAD, LOGIT, PATCH

OTHER = Readout("m", "logit", Column("subj"), LOGIT.position)
DIFFERENCE = Binary("-", LOGIT, OTHER)
NORM = Call("norm", (Binary("-", HEAD, Counterfactual(HEAD, CORRUPT)),))


def test_equal_expectations_share_a_term() -> None:
    effect = Binary("-", Expect(DIFFERENCE, PATCH), Expect(DIFFERENCE))
    total = Binary("-", Expect(DIFFERENCE, CORRUPT), Expect(DIFFERENCE))
    arithmetic, terms = compile_estimand(Binary("/", effect, total))
    assert arithmetic == Binary("/", Binary("-", Term(0), Term(1)), Binary("-", Term(2), Term(1)))
    assert terms == (
        Moment(DIFFERENCE, PATCH, None, False),
        Moment(DIFFERENCE, FACTUAL, None, False),
        Moment(DIFFERENCE, CORRUPT, None, False),
    )


def test_probabilities_and_conditions_are_terms_of_their_own() -> None:
    event, condition = Compare(">", LOGIT, Number(0)), Compare("=", Column("g"), Text("man"))
    estimand = Binary("-", Probability(event, CORRUPT, condition), Expect(event, CORRUPT, condition))
    _, terms = compile_estimand(estimand)
    assert terms == (Moment(event, CORRUPT, condition, True),)  # the mean of an event is its probability


def test_an_estimand_is_no_term_of_itself() -> None:
    arithmetic, terms = compile_estimand(Call("exp", (Number(1),)))
    assert (arithmetic, terms) == (Call("exp", (Number(1),)), ())


def test_cells_are_readouts_in_their_worlds() -> None:
    assert list(cells(DIFFERENCE, PATCH)) == [Cell(LOGIT, PATCH), Cell(OTHER, PATCH)]
    assert list(cells(Column("x"), PATCH)) == []


def test_a_nested_world_inherits_nothing() -> None:
    value = Binary("-", LOGIT, Counterfactual(LOGIT, CORRUPT))
    assert list(cells(value, PATCH)) == [Cell(LOGIT, PATCH), Cell(LOGIT, CORRUPT)]
    twice = Counterfactual(Counterfactual(LOGIT, FACTUAL), CORRUPT)
    assert list(cells(twice, PATCH)) == [Cell(LOGIT, FACTUAL)]


def test_a_norm_is_one_cell_whatever_stands_in_it() -> None:
    assert list(cells(Binary("*", NORM, Number(2)), PATCH)) == [Cell(NORM, PATCH)]


def test_all_cells_of_an_estimand_once_in_order_of_use() -> None:
    condition = Compare(">", NORM, Number(1))
    estimand = Binary("-", Expect(DIFFERENCE, PATCH, condition), Expect(DIFFERENCE, CORRUPT))
    again = Binary("+", estimand, Expect(LOGIT, PATCH))
    assert cells_of(again) == (
        Cell(LOGIT, PATCH),
        Cell(OTHER, PATCH),
        Cell(NORM, PATCH),
        Cell(LOGIT, CORRUPT),
        Cell(OTHER, CORRUPT),
    )


def test_two_spellings_of_a_world_make_one_cell() -> None:
    ones = [Assignment(HEAD, Number(1.0)), Assignment(Column("x"), Number(2.0))]
    both = Binary("-", Expect(LOGIT, world_of(ones)), Expect(LOGIT, world_of(reversed(ones))))
    assert len(cells_of(both)) == 1


def test_columns_that_enter_as_values_are_not_those_inside_cells() -> None:
    value = Binary("*", DIFFERENCE, Column("weight"))
    assert list(columns(value)) == ["weight"]
    assert list(columns(Compare("=", Column("g"), Column("h")))) == ["g", "h"]
