"""Refuters on estimators whose faults are known, and DoWhy's own answers where ours part from them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference.observed import sensitivity
from causalcircuit.query.refutation import REFUTERS
from causalcircuit.scm.refutation import Change, Subject, _quiet, common_cause, placebo, subset
from causalcircuit.scm.refuting import refute
from causalcircuit.scm.simulated import confounder, drawn

PAGE = Path(__file__).parents[2] / "docs" / "refutation.md"
N = 300


def slope(y: np.ndarray, *columns: np.ndarray) -> float:
    """The coefficient of the first column."""
    design = np.column_stack([np.ones(len(y)), *columns])
    return float(np.linalg.lstsq(design, y, rcond=None)[0][1])


def sample(seed: int = 0, effect: float = 0.5, covariates: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r = np.random.default_rng(seed)
    z = r.normal(size=(N, covariates))
    x = 0.8 * z[:, 0] + r.normal(size=N)
    return z, x, effect * x + z[:, 0] + r.normal(size=N)


def linear(z: np.ndarray, x: np.ndarray, y: np.ndarray, bias: float = 0.0) -> Callable[[Change], float]:
    """Least squares; with `bias`, an estimator that is wrong by that much."""

    def refit(c: Change) -> float:
        own = x if c.donors is None else x[c.donors]
        columns = [own, *z.T] + ([] if c.cause is None else [c.cause])
        return slope(y[c.rows], *(v[c.rows] for v in columns)) + bias

    return refit


def subject(
    z: np.ndarray, x: np.ndarray, y: np.ndarray, bias: float = 0.0, half: float = 0.115, unit: np.ndarray | None = None
) -> Subject:
    refit = linear(z, x, y, bias)
    value = refit(Change(np.arange(len(x))))
    of = np.arange(len(x)) if unit is None else unit
    return Subject(value, (value - half, value + half), of, unit is not None, x[:, None], refit)


SOUND = subject(*sample())


def test_a_sound_estimate_holds() -> None:
    for refuter in (placebo, common_cause, subset):
        found = refuter(SOUND, 7, 60)
        assert (found.verdict, found.lost, found.repeats) == ("held", 0, 60), found
        assert found.before == SOUND.value
        assert found.spread[0] <= found.after <= found.spread[1]
    assert abs(placebo(SOUND, 7, 60).after) < 0.03
    # Leaving a share 1 - f of the rows out moves an estimate by about sqrt(1 / f - 1) standard errors.
    low, high = subset(SOUND, 7, 150).spread
    assert high - low == pytest.approx(2 * 1.96 * 0.5 * 0.0585, rel=0.3)


def test_a_biased_estimator_finds_an_effect_of_a_placebo() -> None:
    found = placebo(subject(*sample(), bias=0.3), 7, 60)
    assert found.verdict == "failed"
    assert found.after == pytest.approx(0.3, abs=0.03)


def test_an_effect_that_shuffles_reach_is_said_to_be_one() -> None:
    found = placebo(subject(*sample(effect=0.0)), 7, 60)
    assert found.verdict == "held"
    assert "cannot tell it from none" in found.said


def test_an_estimate_that_few_rows_make_does_not_stay() -> None:
    z, x, y = sample()
    x[:3], y[:3] = 40.0, -200.0  # three rows turn the line
    assert subset(subject(z, x, y), 7, 60).verdict == "failed"


def test_too_much_to_adjust_for_moves_with_noise() -> None:
    z, x, y = (part[:60] for part in sample(covariates=56))
    assert common_cause(subject(z, x, y, half=0.05), 7, 40).verdict == "failed"


def test_no_interval_leaves_it_open() -> None:
    bare = replace(SOUND, interval=None)
    assert [f(bare, 7, 20).verdict for f in (common_cause, subset)] == ["undecided", "undecided"]
    lost = replace(SOUND, refit=lambda c: np.nan)
    assert [f(lost, 7, 20).verdict for f in (placebo, common_cause, subset)] == ["undecided"] * 3


def test_seeds_are_kept_and_draws_differ() -> None:
    assert subset(SOUND, 7, 20) == subset(SOUND, 7, 20)
    assert subset(SOUND, 7, 20).after != subset(SOUND, 8, 20).after
    assert subset(SOUND, 7, 20).spread[0] < subset(SOUND, 7, 20).spread[1]


def test_clusters_stay_whole() -> None:
    z, x, y = sample()
    unit = np.repeat(np.arange(N // 5), 5)
    own = x[np.unique(unit, return_index=True)[1]][unit]  # one treatment a cluster
    inner = linear(z, own, y)
    seen: list[Change] = []

    def refit(c: Change) -> float:
        seen.append(c)
        return inner(c)

    made = Subject(inner(Change(np.arange(N))), (-9, 9), unit, True, own[:, None], refit)
    assert made.assigned_by_unit
    assert "clusters" in subset(made, 7, 10).what
    assert "clusters" in placebo(made, 7, 10).what
    common_cause(made, 7, 10)
    for c in seen[:10]:
        kept = np.unique(unit[c.rows])
        assert len(kept) == round(0.8 * N / 5)
        assert len(c.rows) == 5 * len(kept)
    for c in seen[10:20]:
        assert c.donors is not None
        given = own[c.donors].reshape(-1, 5)
        assert (given == given[:, :1]).all()
        assert sorted(given[:, 0]) == sorted(own.reshape(-1, 5)[:, 0])
    for c in seen[20:]:
        assert c.cause is not None
        assert (c.cause.reshape(-1, 5) == c.cause.reshape(-1, 5)[:, :1]).all()
    assert "rows" in placebo(subject(z, x, y, unit=unit), 7, 10).what  # it differs within clusters


# ---- an unobserved common cause


@pytest.mark.parametrize("shares", [(0.05, 0.1), (0.3, 0.2), (0.5, 0.6)])
@pytest.mark.parametrize("effect", [0.5, -0.7])
def test_a_simulated_confounder_biases_as_cinelli_and_hazlett_say(shares: tuple[float, float], effect: float) -> None:
    z, x, y = sample(3, effect)
    found = sensitivity({"z": z[:, 0], "x": x, "y": y}, "x", "y", ["z"], values=(0, 1))
    root = np.full(N, N**-0.5)
    w = drawn(x, y, np.column_stack([np.ones(N), z]), root, shares, found.value, np.random.default_rng(1))
    assert slope(y, x, z[:, 0], w) == pytest.approx(found.adjusted(*shares)[0], abs=1e-9)


def test_the_strongest_covariate_is_the_measure() -> None:
    z, x, y = sample(covariates=3)
    covariates = {f"z{i}": z[:, [i]] for i in range(3)}
    made = subject(z, x, y)
    found = confounder(made, y, covariates, np.ones(N), 7)
    assert "as strong as `z0`" in found.what
    # the partial R² of a column is 1 less the share of the rest that it leaves
    rest = [y - np.column_stack(c) @ np.linalg.lstsq(np.column_stack(c), y, rcond=None)[0] for c in (
        [np.ones(N), x, z[:, 1], z[:, 2]], [np.ones(N), x, *z.T],
    )]  # fmt: skip
    assert f"{100 * (1 - rest[1] @ rest[1] / (rest[0] @ rest[0])):.2g}% of the outcome" in found.what
    values = dict(found.strengths)
    assert [*values] == [0.5, 1.0, 2.0]
    assert values[2.0] < values[1.0] < values[0.5] < made.value
    assert found.after == values[1.0]
    assert found.verdict == ("held" if values[1.0] > 0 else "fragile")


def test_verdicts_of_a_confounder() -> None:
    large, small = (sample(effect=e) for e in (9.0, 0.05))
    covariates = {"z": sample()[0]}
    assert confounder(subject(*large), large[2], covariates, np.ones(N), 7).verdict == "held"
    assert confounder(subject(*small), small[2], covariates, np.ones(N), 7).verdict == "fragile"
    lost = replace(subject(*large), refit=lambda c: np.nan)
    assert confounder(lost, large[2], covariates, np.ones(N), 7).verdict == "undecided"


def test_without_covariates_a_strength_is_set_and_said() -> None:
    r = np.random.default_rng(4)
    x = r.normal(size=N)
    y = 2 * x + r.normal(size=N)
    made = subject(np.zeros((N, 0)), x, y)
    found = confounder(made, y, {}, np.ones(N), 7)
    assert "10%" in found.what
    assert found.verdict == "held"


# ---- why DoWhy's answers are not taken as they are


def test_dowhys_confounder_shrinks_an_effect_that_it_does_not_touch() -> None:
    """At no strength on the outcome nothing is confounded, and its changed rows give half the effect."""
    with _quiet():
        import pandas as pd
        from dowhy.causal_refuters.add_unobserved_common_cause import _include_confounders_effect

        r = np.random.default_rng(0)
        x = r.normal(size=5000)
        table = pd.DataFrame({"x": x, "y": x + r.normal(size=5000)})
        made = _include_confounders_effect(table, table.copy(), "linear", ["x"], 1.0, "linear", ["y"], 0.0)
        assert slope(made["y"].to_numpy(), made["x"].to_numpy()) == pytest.approx(0.5, abs=0.05)
        root = np.full(5000, 5000**-0.5)
        w = drawn(x, table["y"].to_numpy(), np.ones((5000, 1)), root, (0.5, 0.0), 1.0, r)
        assert slope(table["y"].to_numpy(), x, w) == pytest.approx(1.0, abs=0.05)


def test_dowhys_subsets_of_a_number_are_one_subset() -> None:
    with _quiet():
        import pandas as pd
        from dowhy.causal_estimator import CausalEstimate
        from dowhy.causal_refuters.data_subset_refuter import refute_data_subset

        from causalcircuit.scm.refutation import _Estimator

        own = _Estimator(SOUND, False, [])
        table = pd.DataFrame({"unit": np.arange(N)})
        estimate = CausalEstimate(table, ["x"], ["y"], 0.0, None, None, 0, 1)
        estimate.add_estimator(own)
        refute_data_subset(table, None, estimate, 0.8, 5, random_state=7)
    assert len(set(own.made)) == 1


# ---- from a table


def table(seed: int = 2, n: int = 300) -> dict[str, np.ndarray]:
    r = np.random.default_rng(seed)
    u, z = r.normal(size=(2, n))
    i = r.normal(size=n)
    x = (0.8 * z + u + 2 * i + r.normal(size=n) > 0).astype(float)
    m = 1.5 * x + r.normal(size=n)
    return {"Z": z, "I": i, "X": x, "M": m, "Y": m + z + u + r.normal(size=n), "U": u}


DRAWN = "Z -> X, Z -> Y, U -> X, U -> Y, I -> X, X -> M, M -> Y"


def test_every_regime_is_asked_what_applies() -> None:
    rows = table()
    whole, ways = refute(rows, DRAWN, "X", "Y", seed=7, repeats=20)
    assert [r.refuter for r in ways] == ["placebo", "common_cause", "subset", "confounder"]
    assert whole.by == "adjustment"
    assert all(r.before == whole.value for r in ways)
    hidden = {k: v for k, v in rows.items() if k != "U"}
    for by in ("frontdoor", "iv"):
        found, ways = refute(hidden, DRAWN, "X", "Y", seed=7, repeats=20, by=by)
        assert (found.by, [r.refuter for r in ways]) == (by, ["placebo", "subset"])
        assert [r.verdict for r in ways] == ["held", "held"], ways
        assert abs(ways[0].after) < 0.5  # with its instrument, a shuffled treatment has an effect of about 0


def test_refits_are_the_estimator_of_the_table() -> None:
    """Least squares by hand gives the spread that the table's own estimator has."""
    z, x, y = sample()
    found, (_, cause, _, _) = refute(
        {"Z": z[:, 0], "X": x, "Y": y}, "Z -> X, Z -> Y, X -> Y", "X", "Y", seed=7, repeats=20, values=(0, 1)
    )
    own = common_cause(subject(z, x, y), 7, 20)
    assert found.value == pytest.approx(SOUND.value, abs=0.05)  # its regression has interactions besides
    assert cause.after - cause.before == pytest.approx(own.after - own.before, abs=0.01)


def test_a_wrong_diagram_is_not_told_by_any_of_them() -> None:
    """What is left out of the diagram shows in no shuffle and no subset: only the simulated confounder warns."""
    rows = {k: v for k, v in table().items() if k != "U"}
    wrong, ways = refute(rows, "Z -> X, Z -> Y, X -> Y", "X", "Y", seed=7, repeats=20)
    assert wrong.value is not None
    assert wrong.value > 2  # the truth is 1.5
    assert [r.verdict for r in ways[:3]] == ["held"] * 3


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"against": ["placbo"]}, "CQ902"),
        ({"against": ["placebo", "placebo"]}, "CQ902"),
        ({"repeats": 5}, "CQ902"),
        ({"against": ["common_cause"], "by": "frontdoor"}, "CQ903"),
        ({"against": ["confounder"], "by": "iv"}, "CQ903"),
    ],
)
def test_what_cannot_be_asked(more: dict[str, object], code: str) -> None:
    rows = {k: v for k, v in table().items() if k != "U"} if "by" in more else table()
    with pytest.raises(DiagnosticError) as problem:
        refute(rows, DRAWN, "X", "Y", seed=7, **more)  # type: ignore[arg-type]
    assert [d.code for d in problem.value.diagnostics] == [code]


def test_what_is_not_identified_is_no_estimate_to_refute() -> None:
    with pytest.raises(DiagnosticError) as problem:
        refute({"X": table()["X"], "Y": table()["Y"]}, "X -> Y, X <-> Y", "X", "Y", seed=7)
    assert [d.code for d in problem.value.diagnostics] == ["CQ855"]


def test_clusters_weights_and_text() -> None:
    rows = table()
    r = np.random.default_rng(0)
    arm = np.where(rows["X"] > 0, "kitchen", "office")
    found, ways = refute(
        {"X": arm, "Y": rows["Y"], "Z": rows["Z"], "U": rows["U"]},
        "Z -> X, Z -> Y, U -> X, U -> Y, X -> Y", "X", "Y",
        seed=7, repeats=20, values=("office", "kitchen"), cluster=np.repeat(np.arange(75), 4),
        weight=r.integers(0, 3, 300),
    )  # fmt: skip
    assert found.value is not None
    assert [w.verdict for w in ways[:3]] == ["held"] * 3
    assert "clusters" in ways[2].what


def test_nothing_is_refuted_where_no_path_leads() -> None:
    found, ways = refute({"X": table()["X"], "Y": table()["Z"]}, "Y -> X", "X", "Y", seed=7)
    assert (found.value, ways) == (0.0, ())


def test_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(block.replace("seed=7", "seed=7, repeats=20"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*REFUTERS]
    assert all(f"| `{name}` |" in PAGE.read_text(encoding="utf-8") for name in REFUTERS)
