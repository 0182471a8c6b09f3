"""From tables to samples: worlds, conditions, events, texts, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference import infer, sample_of
from causalcircuit.query import (
    LAST,
    Address,
    Assignment,
    Binary,
    Call,
    Cell,
    Column,
    Compare,
    Counterfactual,
    Expect,
    Expr,
    Logic,
    Negative,
    Number,
    Options,
    OutcomeTable,
    Part,
    Probability,
    Readout,
    Site,
    Text,
    Truth,
    Within,
    World,
    world_of,
)

LOGIT = Readout("m", "logit", Text("a"), LAST)
HEAD = Site(Address("m", (Part("layer", 0), Part("head", 1), Part("out"))), LAST)
ABLATED = world_of([Assignment(HEAD, Number(0.0))])
NORM = Call("norm", (HEAD,))
FACTUAL = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
PATCHED = np.array([0.5, 1.0, 1.5, -2.0, 2.5, 3.0])
SIZE = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0])


def table(**more: Any) -> OutcomeTable:
    columns = {
        "score": np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        "gender": np.array(["man", "woman", "man", "woman", "man", "man"], dtype=object),
        "gold": np.array([1.0, 0.0, 1.0, 1.0, 0.0, 0.0]),
        "gap": np.array([1.0, np.nan, 1.0, 1.0, 1.0, 1.0]),
        "hole": np.array(["x", None, "x", "x", "x", "x"], dtype=object),
    }
    cells = {Cell(LOGIT, World()): FACTUAL, Cell(LOGIT, ABLATED): PATCHED, Cell(NORM, World()): SIZE}
    return OutcomeTable(np.arange(10, 16), cells, columns=columns, **more)


def means(e: Expr, **more: Any) -> float:
    value = infer(sample_of(e, table(**more)), Options(population=True)).value
    assert value is not None
    return value


def code_of(e: Expr, **more: Any) -> tuple[str, str]:
    with pytest.raises(DiagnosticError) as caught:
        sample_of(e, table(**more))
    [found] = caught.value.diagnostics
    assert found.help
    return found.code, found.message


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (Expect(LOGIT), 3.5),
        (Expect(LOGIT, ABLATED), PATCHED.mean()),
        (Binary("-", Expect(LOGIT, ABLATED), Expect(LOGIT)), PATCHED.mean() - 3.5),
        (Expect(Binary("-", Counterfactual(LOGIT, ABLATED), LOGIT)), PATCHED.mean() - 3.5),
        (Expect(Counterfactual(LOGIT, World()), ABLATED), 3.5),
        (Expect(Binary("/", LOGIT, NORM)), (FACTUAL / SIZE).mean()),
        (Binary("/", Expect(LOGIT), Expect(NORM)), 3.5 / 2),
        (Expect(Binary("*", LOGIT, Column("score"))), (FACTUAL * np.arange(6)).mean()),
        (Expect(Negative(Call("abs", (LOGIT,))), ABLATED), -np.abs(PATCHED).mean()),
        (Expect(Call("log", (LOGIT,))), np.log(FACTUAL).mean()),
        (Expect(Binary("^", LOGIT, Number(2.0))), (FACTUAL**2).mean()),
        (Probability(Compare(">", LOGIT, Number(0.0)), ABLATED), 5 / 6),
        (Probability(Within(LOGIT, Number(2.0), Number(4.0))), 3 / 6),
        (Probability(Within(LOGIT, Number(2.0), Number(4.0), outside=True)), 3 / 6),
        (Probability(Column("gold")), 3 / 6),
        (Probability(Logic("not", (Column("gold"),))), 3 / 6),
        (Probability(Compare("=", Column("gold"), Truth(True))), 3 / 6),
        (Probability(Logic("and", (Column("gold"), Compare("=", Column("gender"), Text("man"))))), 2 / 6),
        (Probability(Logic("or", (Column("gold"), Compare("!=", Column("gender"), Text("man"))))), 4 / 6),
        (Expect(LOGIT, condition=Compare("=", Column("gender"), Text("woman"))), 3.0),
        (Expect(LOGIT, ABLATED, Compare("<", LOGIT, Number(1.2))), (0.5 + 1.0 - 2.0) / 3),
        (Expect(Counterfactual(LOGIT, ABLATED), World(), Compare(">", LOGIT, Number(4.0))), 2.75),
    ],
)
def test_the_value_of_an_estimand(expression: Expr, value: float) -> None:
    assert means(expression) == pytest.approx(value, rel=1e-12)


def test_a_condition_holds_in_the_world_of_its_bar() -> None:
    found = sample_of(Expect(LOGIT, ABLATED, Compare("<", LOGIT, Number(1.2))), table())
    assert found.mask[:, 0].tolist() == [True, True, False, True, False, False]
    assert found.n == 3


def test_equal_expectations_share_a_term() -> None:
    e = Binary("/", Binary("-", Expect(LOGIT, ABLATED), Expect(LOGIT)), Expect(LOGIT))
    assert sample_of(e, table()).values.shape == (6, 2)


def test_a_group_of_rows() -> None:
    found = sample_of(Expect(LOGIT), table(), where=np.arange(6) < 2)
    assert found.values[:, 0].tolist() == [1.0, 2.0]


def test_clusters_and_weights_come_along() -> None:
    found = sample_of(
        Expect(LOGIT),
        table(cluster=np.array(["b", "a", "b", "c", "a", "b"], dtype=object), weight=np.arange(6.0)),
    )
    assert found.cluster is not None
    assert found.cluster.tolist() == [0, 1, 0, 2, 1, 0]
    assert means(Expect(LOGIT), weight=np.arange(6.0)) == pytest.approx(np.average(FACTUAL, weights=np.arange(6.0)))


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1.0, 1e308])
def test_only_the_proportions_of_weights_count(scale: float) -> None:
    assert means(Expect(LOGIT), weight=np.full(6, scale)) == pytest.approx(FACTUAL.mean(), rel=1e-12)


def test_rows_outside_the_condition_need_no_value() -> None:
    inverse = Binary("/", LOGIT, Column("score"))
    assert means(Expect(inverse, condition=Compare(">", Column("score"), Number(0.0)))) == pytest.approx(
        (FACTUAL[1:] / np.arange(1, 6)).mean()
    )


@pytest.mark.parametrize(
    ("expression", "code", "words"),
    [
        (Expect(Binary("/", LOGIT, Column("score"))), "CQ712", "row 10: division by zero"),
        (Expect(Call("log", (LOGIT,)), ABLATED), "CQ712", "row 13: log of -2"),
        (Expect(Call("exp", (Binary("*", LOGIT, Number(1e6)),))), "CQ712", "rows 10, 11, 12 and 3 more"),
        (Probability(Compare(">", Binary("/", LOGIT, Column("score")), Number(0.0))), "CQ712", "row 10"),
        (Expect(LOGIT, condition=Compare(">", LOGIT, Number(100.0))), "CQ711", "no row meets"),
        (Expect(LOGIT, condition=Compare("=", Column("gender"), Text("Man"))), "CQ711", 'row.gender = "Man"'),
        (Expect(Column("gender")), "CQ713", "row.gender"),
        (Probability(LOGIT), "CQ713", "no event: it is 2 on rows 11, 12, 13 and 2 more"),
        (Probability(Compare("<", Column("gender"), Text("x"))), "CQ713", "order"),
        (Probability(Compare("=", Column("gender"), Number(1.0))), "CQ713", "compares a text with a number"),
        (Expect(Column("gap")), "CQ713", "`row.gap` is missing on row 11"),
        (Probability(Compare("=", Column("hole"), Text("x"))), "CQ713", "missing on row 11"),
        (Expect(HEAD), "CQ713", "no single number"),
    ],
)
def test_what_has_no_value_is_refused_by_name(expression: Expr, code: str, words: str) -> None:
    found, message = code_of(expression)
    assert found == code
    assert words in message


def test_an_empty_group_and_a_bad_weight_are_refused() -> None:
    with pytest.raises(DiagnosticError, match="CQ711"):
        sample_of(Expect(LOGIT), table(), where=np.zeros(6, np.bool_))
    assert code_of(Expect(LOGIT), weight=np.array([1.0, -1, 1, 1, 1, 1])) == ("CQ714", "row 11 has the weight -1")
    assert code_of(Expect(LOGIT), weight=np.zeros(6))[0] == "CQ711"
