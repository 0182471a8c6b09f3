"""Directions and components against plain loops and numpy's SVD, to 1e-9 in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine.references import joined, kind_of
from causalcircuit.engine.values import Value
from causalcircuit.query import ALL, LAST, Cell, Component, Direction, Expr
from tests.truth.ask import Engine, truth
from tests.truth.say import call, cell, do, feed, given, mean, op, read, row, site
from tests.values.conftest import Both

HEAD, STREAM, SPAN = site("layer[1].head[2].out", LAST), site("layer[0].resid", LAST), site("layer[0].resid", ALL)
LOGIT = read("logit", row("answer"))
OTHER, FACTUAL = do((feed("input"), row("other"))), do()
TO_OTHER = Direction(given(STREAM, OTHER), than=given(STREAM, FACTUAL))
POOLED = Direction(given(SPAN, OTHER), pooled=True, than=given(SPAN, FACTUAL))
FIRST, SPREAD = Component(STREAM), Component(SPAN, pooled=True)

CELLS: dict[str, Cell] = {
    "steered": cell(LOGIT, do((STREAM, op(STREAM, "+", op(2, "*", TO_OTHER))))),
    "steered at every position": cell(LOGIT, do((SPAN, op(SPAN, "+", POOLED)))),
    "steered by a unit": cell(LOGIT, do((STREAM, op(STREAM, "-", call("unit", TO_OTHER))))),
    "projected out": cell(LOGIT, do((STREAM, call("project_out", STREAM, TO_OTHER)))),
    "projected out everywhere": cell(LOGIT, do((SPAN, call("project_out", SPAN, POOLED)))),
    "component projected out": cell(LOGIT, do((STREAM, call("project_out", STREAM, FIRST)))),
    "component of all positions": cell(LOGIT, do((SPAN, call("project_out", SPAN, SPREAD)))),
    "read along a direction": cell(call("dot", STREAM, TO_OTHER)),
    "read along a component": cell(call("dot", STREAM, FIRST), OTHER),
    "length of a projection": cell(call("norm", call("project_out", SPAN, SPREAD))),
    "a column as the direction": cell(LOGIT, do((STREAM, call("project_out", STREAM, row("vector"))))),
    "a direction in a changed world": cell(
        call("dot", STREAM, Direction(given(STREAM, do((HEAD, mean(HEAD)))), than=given(STREAM, OTHER)))
    ),
    "a row's own direction": cell(LOGIT, do((STREAM, call("unit", op(given(STREAM, OTHER), "-", STREAM))))),
}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("weights", ["plain", "weighted"])
def test_against_loops(name: str, weights: str, request: pytest.FixtureRequest) -> None:
    made: Both = request.getfixturevalue(weights)
    asked = CELLS[name]
    expected = truth(made.brute, asked)
    got = made.table(asked).cells[asked]
    assert np.abs(got - expected).max() <= 1e-9 * max(1, np.abs(expected).max())


def test_chunks_do_not_matter(plain: Both) -> None:
    cells = list(CELLS.values())
    one, many = (plain.table(*cells, max_tokens=n).cells for n in (1, 100_000))
    for c in cells:
        assert np.abs(one[c] - many[c]).max() < 1e-9


def test_the_table_says_how_much_a_component_explains(plain: Both) -> None:
    (note,) = plain.table(CELLS["read along a component"]).notes
    data = np.stack([plain.brute.value(i, STREAM, do())[0].numpy() for i in range(6)])
    squares = np.linalg.svd(data - data.mean(0))[1] ** 2
    assert note.code == "CQ359"
    assert f"explains {squares[0] / squares.sum():.1%} of the variance" in note.message
    assert f"second component {squares[1] / squares.sum():.1%} (6 observations of 24 components)" in note.message


def codes(made: Both, *cells: Cell) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        made.table(*cells)
    assert all(d.help for d in caught.value.diagnostics)
    return sorted(d.code for d in caught.value.diagnostics)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (call("unit", Direction(given(STREAM, FACTUAL), than=given(STREAM, FACTUAL))), "CQ357"),
        (call("project_out", STREAM, op(0, "*", STREAM)), "CQ357"),
        (Component(given(STREAM, do((STREAM, 3)))), "CQ358"),
        (Component(SPAN), "CQ356"),
        (Direction(given(SPAN, OTHER), than=given(SPAN, FACTUAL)), "CQ526"),
        (call("project_out", STREAM, HEAD), "CQ353"),
        (call("unit", LOGIT), "CQ352"),
    ],
)
def test_what_has_no_value(plain: Both, value: Expr, code: str) -> None:
    inside = given(value) if value == call("unit", LOGIT) else value
    assert code in codes(plain, cell(LOGIT, do((STREAM, inside))))


def test_worlds_that_give_one_mean_make_no_direction(plain: Both) -> None:
    """A head of the last layer writes after the stream of the first: its mean does not move."""
    same = Direction(given(STREAM, do((HEAD, 0))), than=given(STREAM, FACTUAL))
    (note,) = plain.table(cell(call("dot", STREAM, same))).notes
    assert (note.code, note.severity) == ("CQ366", "warning")


def test_two_rows_are_needed(plain: Both) -> None:
    one = Both(Engine(plain.engine.model, plain.engine.data.take([2])), plain.brute)
    assert codes(one, CELLS["read along a component"]) == ["CQ355"]


def test_equal_components_are_no_direction(plain: Both) -> None:
    """Four points of a square vary alike in two directions."""
    kind, square = kind_of(FIRST), torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    weights = torch.ones(2, dtype=torch.float64)
    parts = [kind.partial(FIRST, [Value(square[k : k + 2], (1, 1))], weights) for k in (0, 2)]
    with pytest.raises(DiagnosticError) as caught:
        kind.complete(FIRST, joined(parts[0], parts[1]))
    assert [d.code for d in caught.value.diagnostics] == ["CQ358"]
