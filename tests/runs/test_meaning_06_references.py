"""Meaning 6: references are taken once, over all rows of the data after `where` and split, and held fixed."""

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Mean, walk
from tests.runs.asking import ask, value


def test_before_per_and_conditions() -> None:
    grouped = ask("estimate E[LD | do(NM = mean(NM))] on d per row.template").estimates
    whole = value("E[LD | do(NM = mean(NM))]")
    assert sum((e.value or 0) * e.n for e in grouped) / sum(e.n for e in grouped) == pytest.approx(whole, rel=1e-9)
    conditioned = value('E[LD | do(NM = mean(NM)), row.template = "plain"]')
    assert conditioned == pytest.approx(
        next(e.value for e in grouped if dict(e.at)["row.template"] == "plain"), rel=1e-9
    )


def test_after_where_and_split() -> None:
    train, whole = value("E[norm(NM - mean(NM))]", "d.train"), value("E[norm(NM - mean(NM))]")
    assert train != whole


def test_the_mean_of_the_deviations_from_a_mean_is_zero() -> None:
    """Over the rows, A − mean(A) averages to nothing: its projection on the mean too."""
    assert value("E[dot(NM, mean(NM))] - E[dot(mean(NM), mean(NM))]") == pytest.approx(0, abs=1e-5)


def test_in_the_factual_world_unless_they_name_one() -> None:
    factual = value("E[LD | corrupt, do(NM = mean(NM))] - E[LD | corrupt, do(NM = mean((NM | do())))]")
    assert factual == 0
    assert value("E[LD | do(NM = mean((NM | corrupt)))] - E[LD | do(NM = mean(NM))]") != 0


def test_held_fixed_under_resampling() -> None:
    """The table has one column a world: what is resampled are rows of it, not the reference."""
    result = ask("estimate E[LD | do(NM = mean(NM))] on d with bootstrap(500) seed 1")
    (e,) = result.estimates
    assert e.interval is not None
    assert any("held fixed" in line and f"{e.n} rows" in line for line in e.assumptions)
    (cell, *_) = result.tables["d"].cells
    assert any(isinstance(x, Mean) for a in cell.world.assignments for x in walk(a.value))
    assert np.isfinite(result.tables["d"].cells[cell]).all()


def test_one_value_a_position_where_rows_align_and_pooled_where_not() -> None:
    with pytest.raises(DiagnosticError) as caught:
        ask("estimate effect(gpt2.layer[0].resid @ all) on d")
    assert [d.code for d in caught.value.diagnostics] == ["CQ527"]
    assert "pooled" in " ".join(caught.value.diagnostics[0].help)
    assert value("E[LD | do(gpt2.layer[0].resid @ all = mean(gpt2.layer[0].resid @ all, pooled))]") < 3
    each = "E[W | kitchen, do(cap.encoder.out @ all = mean((cap.encoder.out @ all | office)))]"
    assert value(each, "s") < value("E[W | kitchen]", "s")


def test_a_reference_is_a_vector_not_an_estimand() -> None:
    with pytest.raises(DiagnosticError) as caught:
        ask("estimate E[LD | do(NM = E[norm(NM)])] on d")
    assert [d.code for d in caught.value.diagnostics] == ["CQ214"]
