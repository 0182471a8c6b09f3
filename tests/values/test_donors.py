"""Donors: who they are, and worlds that run on them against plain loops."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as some
from hypothesis import settings
from hypothesis import strategies as st

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine.donors import donors_of
from causalcircuit.engine.problems import Problems
from causalcircuit.query import LAST, Cell, Column, DataRef, Direction, Draw, Expr, numbered
from causalcircuit.rows import Dataset
from tests.truth.ask import truth
from tests.truth.say import call, cell, do, feed, given, mean, op, read, row, site
from tests.values.conftest import Both
from tests.values.wider import on

HEAD, STREAM = site("layer[1].head[2].out", LAST), site("layer[0].resid", LAST)
LOGIT = read("logit", row("answer"))
OTHER = do((feed("input"), row("other")))
U, V = Draw("u", 3), Draw("v", 4, Column("group"))
TEN = Draw("u", 3, times=4)


def data(rows: int, weight: str | None = None, **columns: list[object]) -> Dataset:
    ref = DataRef("d", "jsonl", Path("d.jsonl"), weight=None if weight is None else Column(weight))
    return Dataset(ref, columns, tuple(range(rows)))


def places(draw: Draw, of: Dataset) -> tuple[int, ...]:
    problems = Problems(of)
    found = donors_of(draw, of, problems)
    problems.raise_all()
    assert found is not None
    return found


@settings(max_examples=60)
@some(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=2, max_size=12), st.integers(0, 99))
def test_a_donor_is_another_row_of_the_group_and_outside_the_cluster(rows: list[tuple[int, int]], seed: int) -> None:
    own = data(len(rows), group=[g for g, _ in rows], cluster=[c for _, c in rows])
    draw = Draw("u", seed, Column("group"), Column("cluster"))
    candidates = [[j for j, (g, c) in enumerate(rows) if g == rows[i][0] and c != rows[i][1]] for i in range(len(rows))]
    if not all(candidates):
        with pytest.raises(DiagnosticError) as caught:
            places(draw, own)
        (problem,) = caught.value.diagnostics
        alone = [i for i, c in enumerate(candidates) if not c]
        assert problem.code == "CQ361"
        assert f"row {alone[0]}" in problem.help
        assert (
            len(rows) == 1
            or f"{len(alone)} rows" in problem.message
            or "one row" in problem.message
            or ("every row" in problem.message and len(alone) == len(rows))
        )
        return
    found = places(draw, own)
    assert all(j in c for j, c in zip(found, candidates, strict=True))


def test_every_candidate_is_as_likely() -> None:
    """Over 4,000 draws each of 4 other rows: a share of 1/4 ± 4 standard errors."""
    own = data(5)
    seen = Counter(places(Draw("u", seed), own)[2] for seed in range(4_000))
    assert set(seen) == {0, 1, 3, 4}
    assert all(abs(n / 4_000 - 0.25) < 4 * (0.1875 / 4_000) ** 0.5 for n in seen.values())


def test_donors_are_as_likely_as_their_weights() -> None:
    own = data(4, "w", w=[1.0, 3.0, 0.0, 4.0])
    seen = Counter(places(Draw("u", seed), own)[1] for seed in range(4_000))
    assert set(seen) == {0, 3}
    assert seen[0] / 4_000 == pytest.approx(0.2, abs=0.025)
    assert set(places(Draw("u", 0), data(3, "w", w=[0.0, 1.0, 1.0]))) == {1, 2}


def test_fixed_by_seed_name_and_row() -> None:
    own = data(40)
    assert places(U, own) == places(Draw("u", 3, times=7, number=0), own)
    assert len({places(d, own) for d in (U, Draw("v", 3), Draw("u", 4), replace(TEN, number=1))}) == 4
    # Numbers of rows in their file count, not places in the selection.
    shifted = Dataset(own.ref, {}, tuple(range(100, 140)))
    assert places(U, own) != places(U, shifted)


def known(made: Both, *draws: Draw) -> None:
    made.brute.donors = {d: places(d, made.engine.data) for d in draws}


def each_number(draw: Draw) -> list[Draw]:
    return [replace(draw, number=k) for k in range(draw.times)]


WORLDS: dict[str, Cell] = {
    "resampled": cell(LOGIT, do((HEAD, given(HEAD, on(U))))),
    "the donor's own answer": cell(LOGIT, on(U)),
    "in its group": cell(LOGIT, do((HEAD, given(HEAD, on(V))))),
    "two names": cell(LOGIT, do((HEAD, given(HEAD, on(V))), (STREAM, given(STREAM, on(U))))),
    "a nested world is the row's own": cell(LOGIT, on(U, *do((HEAD, given(HEAD))).assignments)),
    "a nested donor is the row's own": cell(LOGIT, on(U, *do((HEAD, given(HEAD, on(V)))).assignments)),
    "an input of the donor": cell(call("dot", STREAM, given(STREAM, on(U, *OTHER.assignments)))),
    "columns of the donor": cell(LOGIT, on(U, *do((STREAM, op(STREAM, "+", row("vector")))).assignments)),
    "columns beside a donor": cell(LOGIT, do((STREAM, op(given(STREAM, on(U)), "*", row("dose"))))),
    "a column read off": cell(call("dot", STREAM, given(row("vector"), on(U)))),
    "a natural value in the donor": cell(LOGIT, do((STREAM, given(op(STREAM, "+", row("dose")), on(U))))),
    "a mean over donors": cell(LOGIT, do((STREAM, mean(given(STREAM, on(U)))))),
    "a direction to donors": cell(call("dot", STREAM, Direction(given(STREAM, on(U)), than=given(STREAM, OTHER)))),
    "a distance": cell(call("norm", op(STREAM, "-", given(STREAM, on(U))))),
}


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("options", [{}, {"max_tokens": 1}, {"how": "naive"}], ids=str)
def test_against_loops(plain: Both, name: str, options: dict[str, object]) -> None:
    known(plain, U, V)
    asked = WORLDS[name]
    expected = truth(plain.brute, asked)
    got = plain.table(asked, **options).cells[asked]
    assert np.abs(got - expected).max() < 1e-9


def test_together_in_one_plan_and_weighted(weighted: Both) -> None:
    known(weighted, U, V)
    table = weighted.table(*WORLDS.values())
    for asked in WORLDS.values():
        assert np.abs(table.cells[asked] - truth(weighted.brute, asked)).max() < 1e-9


def scrub(draw: Draw) -> Cell:
    """Everything the last layer's heads write but one comes from a donor."""
    rest = [site(f"layer[1].head[{j}].out", LAST) for j in (0, 1)] + [site("layer[1].mlp.out", LAST)]
    return cell(LOGIT, do(*((s, given(s, on(draw))) for s in rest)))


def test_scrubbing_against_loops(plain: Both) -> None:
    known(plain, U)
    assert np.abs(plain.table(scrub(U)).cells[scrub(U)] - truth(plain.brute, scrub(U))).max() < 1e-9


def test_draws_are_an_axis(plain: Both) -> None:
    known(plain, *each_number(TEN))
    asked = scrub(TEN)
    table = plain.table(asked, cell(LOGIT))
    got = table.cells[asked]
    assert got.shape == (6, 4)
    assert table.cells[cell(LOGIT)].shape == (6,)
    for k, one in enumerate(numbered(asked)):
        assert np.abs(got[:, k] - truth(plain.brute, one)).max() < 1e-9
    records = table.records()
    mine = [i for i, w in enumerate(records["world"]) if "draw" in w]
    assert [records["draw"][i] for i in mine] == [k for _ in range(6) for k in range(4)]
    assert [records["value"][i] for i in mine] == got.flatten().tolist()
    assert [records["row"][i] for i in mine] == [r for r in range(6) for _ in range(4)]


def test_positions_of_another_number_are_refused(plain: Both) -> None:
    """A donor's prompt is not as long; nothing is padded or cut."""
    whole = site("layer[0].resid")
    with pytest.raises(DiagnosticError) as caught:
        plain.table(cell(LOGIT, do((whole, given(whole, on(U))))))
    assert [d.code for d in caught.value.diagnostics] == ["CQ526"]


def test_a_group_of_one_lists_its_rows(plain: Both) -> None:
    lonely: Expr = given(HEAD, on(Draw("u", 3, Column("clean"))))
    with pytest.raises(DiagnosticError) as caught:
        plain.table(cell(LOGIT, do((HEAD, lonely))))
    (problem,) = caught.value.diagnostics
    assert problem.code == "CQ361"
    assert "row 0" in problem.help
