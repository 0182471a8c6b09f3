"""`estimate … in G on d by …`: what is said, on every surface, and how regimes are held against each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import causalcircuit as cq
from causalcircuit.diagnostics import DiagnosticError, page
from causalcircuit.inference.observed import bounds, e_value, estimate, sensitivity
from causalcircuit.inference.observed._means import Means, difference
from causalcircuit.inference.observed._result import Asked
from causalcircuit.inference.observed._table import read
from causalcircuit.inference.observed.regimes import averaged, compared
from causalcircuit.query import Region, Result
from causalcircuit.report import to_json, to_text
from causalcircuit.runs import Session, check_text, plan_program, run_program
from causalcircuit.runs.planning import PlanWishes
from repotools.fixtures import FIXTURES

ZERO = Region(0.0, 0.0, closed=True, outside=True)
DIAGRAM = "A -> X, A -> Y, X -> Y, Z -> X, G -> Y"
HEAD = """data d = jsonl("./d.jsonl") cluster row.unit
node A = row.a
node X = row.x
node Y = row.y
node Z = row.z
node G = row.g
graph D { A -> X, A -> Y, X -> Y, Z -> X, G -> Y } assume "rows were drawn by lot"
let tau = E[Y | do(X = 1)] - E[Y | do(X = 0)]
"""


def columns(n: int = 400, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, z = rng.integers(0, 3, n), rng.integers(0, 2, n)
    x = (rng.random(n) < 0.1 + 0.2 * a + 0.3 * z).astype(int)
    y = (rng.random(n) < 0.1 + 0.2 * x + 0.2 * a).astype(int)
    g = np.array(["man", "woman"])[rng.integers(0, 2, n)]
    return {"A": a, "X": x, "Y": y, "Z": z, "G": g, "unit": np.arange(n) // 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = columns()
    lines = [{k.lower(): v.item() for k, v in zip(made, row, strict=True)} for row in zip(*made.values(), strict=True)]
    root = tmp_path_factory.mktemp("observed")
    (root / "d.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return root


def told(text: str, folder: Path) -> Result:
    return run_program(check_text(HEAD + text, folder=folder))


def test_the_language_and_python_say_what_the_library_says(folder: Path) -> None:
    result = told("estimate tau in D on d by adjustment, weighting, doubly_robust ci 90%\n", folder)
    made = columns()
    for found, how in zip(result.estimates, ("auto", "weighting", "doubly_robust"), strict=False):
        known = estimate(made, DIAGRAM, "X", "Y", by="adjustment", how=how, cluster="unit", level=0.9)
        assert found.value == pytest.approx(known.value, abs=1e-12)
        assert found.interval is not None
        assert known.interval is not None
        assert (found.interval.low, found.interval.high) == pytest.approx(
            (known.interval.low, known.interval.high), abs=1e-12
        )
        assert (found.n, found.clusters) == (400, 200)
    drawn = cq.graph(DIAGRAM, name="D", A=cq.row.a, X=cq.row.x, Y=cq.row.y, Z=cq.row.z, G=cq.row.g)
    do, E = cq.do, cq.E
    tau = E[drawn["Y"] | do({drawn["X"]: 1})] - E[drawn["Y"] | do({drawn["X"]: 0})]
    rows = cq.data(folder / "d.jsonl", cluster=cq.row.unit)
    again = cq.estimate(tau=tau, on=rows, diagram=drawn, by=["adjustment", "weighting", "doubly_robust"], level=0.9)
    assert [(e.at, e.value, e.interval) for e in again.estimates] == [
        (e.at, e.value, e.interval) for e in result.estimates
    ]
    with pytest.raises(DiagnosticError, match="CQ286"):
        cq.estimate(tau=tau, on=rows, by="adjustment")
    with pytest.raises(DiagnosticError, match="CQ222"):
        cq.estimate(tau=tau, on=rows, diagram=drawn, by="adjust ment!")


def test_the_first_regime_that_is_right_is_chosen_for_each_estimand(folder: Path) -> None:
    result = told('estimate tau, E[Y | do(X = 1), G = "man"] - E[Y | do(X = 0), G = "man"] in D on d\n', folder)
    assert [e.regime for e in result.estimates] == ["adjustment", "id"]
    assert any("{A, G} closes every back door" in a for a in result.estimates[0].assumptions)
    assert "rows were drawn by lot" in result.estimates[0].assumptions
    made = columns()
    y, x, a, man = (made[k] for k in ("Y", "X", "A", "G"))
    kept = man == "man"
    share = [np.mean(a == v) for v in range(3)]
    by_hand = sum(
        p * (y[kept & (a == v) & (x == 1)].mean() - y[kept & (a == v) & (x == 0)].mean()) for v, p in enumerate(share)
    )
    assert result.estimates[1].value == pytest.approx(by_hand, abs=1e-12)


def test_ratios_and_means_are_functions_of_the_same_means(folder: Path) -> None:
    text = "estimate E[Y | do(X = 1)], E[Y | do(X = 0)], E[Y | do(X = 1)] / E[Y | do(X = 0)], 3 - 2 * tau\n"
    text += "  in D on d by adjustment\n"
    one, zero, ratio, line = told(text, folder).estimates
    assert one.value is not None
    assert zero.value is not None
    assert ratio.value == pytest.approx(one.value / zero.value, abs=1e-12)
    assert line.value == pytest.approx(3 - 2 * (one.value - zero.value), abs=1e-12)
    known = told("estimate tau in D on d by adjustment\n", folder).estimates[0].interval
    assert known is not None
    assert line.interval is not None
    assert (line.interval.low, line.interval.high) == pytest.approx((3 - 2 * known.high, 3 - 2 * known.low), abs=1e-9)


def test_a_ratio_to_what_may_be_nothing_is_undefined(folder: Path) -> None:
    (found,) = told('estimate 1 / (E[Y | do(G = "man")] - E[Y | do(G = "woman")]) in D on d\n', folder).estimates
    assert found.value is None
    assert found.reason.startswith("undefined: the denominator has")


def test_instruments_bounds_and_doubts_are_those_of_the_library(folder: Path) -> None:
    made = columns()
    text = "graph I { Z -> X -> Y, X <-> Y }\nestimate tau in I on d by iv(Z) assume linear\n"
    text += "estimate tau in I on d with bounds(Z)\nestimate tau in D on d by adjustment(A) with sensitivity\n"
    slope, range_, held = told(text, folder).estimates
    known = estimate(made, "Z -> X, X -> Y, X <-> Y", "X", "Y", by="iv", cluster="unit")
    assert slope.value == pytest.approx(known.value, abs=1e-12)
    assert slope.interval is not None
    assert known.interval is not None
    assert slope.interval.low == pytest.approx(known.interval.low, abs=1e-9)
    part = bounds(made, "Z -> X, X -> Y, X <-> Y", "X", "Y", "Z", cluster="unit")
    assert (range_.bounds, range_.interval) == (part.bounds, part.interval)
    figures = dict(held.figures)
    doubt = sensitivity(made, "X", "Y", ["A"], benchmarks=["A"], times=[1])
    assert figures["robustness value"] == pytest.approx(doubt.robustness, abs=1e-12)
    assert figures["effect beside an unmeasured cause as strong as A"] == pytest.approx(doubt.benchmarks[0].value)
    one, zero = (
        e.value
        for e in told("estimate E[Y | do(X = 1)], E[Y | do(X = 0)] in D on d by adjustment(A)\n", folder).estimates
    )
    assert one is not None
    assert zero is not None
    assert figures["E-value"] == pytest.approx(e_value(one / zero)[0])
    assert [d.code for d in held.diagnostics] == ["CQ866"]


def test_an_instrument_gives_differences_only(folder: Path) -> None:
    text = "graph I { Z -> X -> Y, X <-> Y }\nestimate E[Y | do(X = 1)] in I on d by iv(Z) assume linear\n"
    with pytest.raises(DiagnosticError, match="no difference of means"):
        told(text, folder)


def test_regimes_of_one_formula_do_not_differ(folder: Path) -> None:
    result = told("estimate tau in D on d by adjustment(A), id, weighting\n", folder)
    first, _, third, *apart = result.estimates
    assert [dict(e.at)["by"] for e in apart] == ["id - adjustment(A)", "weighting - adjustment(A)"]
    assert first.value is not None
    assert third.value is not None
    assert apart[1].value == pytest.approx(third.value - first.value, abs=1e-12)
    assert all(e.p is not None and 0 <= e.p <= 1 for e in apart)
    same = told("estimate tau in D on d by adjustment, adjustment(A, G)\n", folder).estimates[-1]
    assert (same.value, same.p) == (0.0, 1.0)


def test_a_bootstrap_draws_the_same_rows_for_all_regimes(folder: Path) -> None:
    text = "estimate tau in D on d by adjustment(A), id with basic(399) seed 4\n"
    first, second, apart = told(text, folder).estimates
    assert apart.interval is not None
    assert first.interval is not None
    assert apart.interval.high - apart.interval.low < 0.5 * (first.interval.high - first.interval.low)
    assert told(text, folder).estimates == (first, second, apart)


def means_of(value: np.ndarray) -> Means:
    return averaged(ROWS, value, np.ones_like(value), "mean", ())


ROWS = read({"v": np.arange(150.0)}, ["v"])


def test_the_test_of_a_difference_keeps_its_size_and_finds_what_is_there() -> None:
    """400 pairs of regimes that agree: p is below 5% in about 5% (2.9% to 7.9% with 99%); a wrong one is found."""
    rng = np.random.default_rng(11)
    low = 0
    for _ in range(400):
        shared = rng.exponential(size=(150, 2))
        one, two = means_of(shared), means_of(shared + 0.5 * rng.standard_normal((150, 2)))
        p = compared((one, difference), (two, difference), ROWS, Asked()).p_inside(ZERO)
        low += p is not None and p < 0.05
    assert 0.025 <= low / 400 <= 0.08
    biased = shared + np.array([0.3, 0.0])
    found = compared((means_of(biased), difference), (one, difference), ROWS, Asked())
    assert found.value == pytest.approx(0.3)
    assert found.p_inside(ZERO) == 0.0 or found.p_inside(ZERO) < 1e-6  # type: ignore[operator]


def test_lists_of_numbers_become_one_number(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = [
        {"x": int(x), "h": h.tolist(), "u": [3.0, 4.0], "y": float(h @ [3, 4] + x)}
        for x, h in zip(rng.integers(0, 2, 40), rng.standard_normal((40, 2)), strict=True)
    ]
    text = 'data d = jsonl("./d.jsonl")\nnode X = row.x\nnode Y = row.y - dot(row.h, row.u)\nnode N = norm(row.u)\n'
    text += "graph G { X -> Y, N }\n"
    text += "estimate E[Y | do(X = 1)] - E[Y | do(X = 0)], E[N | do(X = 1)] in G on d by adjustment\n"
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    effect, size = run_program(check_text(text, folder=tmp_path)).estimates
    assert effect.value == pytest.approx(1.0, abs=1e-12)
    assert size.value == pytest.approx(5.0)
    assert any("no path leads from `X` to `N`" in d.message for d in size.diagnostics)
    for cell in ([1.0], None, ["a", "b"], 3.0):
        (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, [*rows, {**rows[0], "h": cell}])))
        with pytest.raises(DiagnosticError, match="CQ865"):
            run_program(check_text(text, folder=tmp_path))


def test_reports_say_the_regime_the_formula_and_what_differs(folder: Path) -> None:
    result = told("estimate tau in D on d by adjustment, id\n", folder)
    text = to_text(result, width=100)
    assert "tau in D on d · 400 rows in 200 clusters" in text
    assert "id - adjustment" in text
    assert "P(Y | do(X)) = Σ" in text
    made = json.loads(to_json(result))["estimates"]
    assert [e["regime"] for e in made] == ["adjustment", "id", "id - adjustment"]
    assert made[0]["formula"].startswith("P(Y | do(X)) = ")
    assert made[0]["graph"] == "D"
    assert 0 <= made[2]["p"] <= 1
    assert "p" not in made[0]
    assert len(result.to_pandas()) == 3


def test_a_weak_instrument_s_set_is_told(folder: Path) -> None:
    text = "graph J { G -> A -> Y, A <-> Y }\n"
    text += "estimate E[Y | do(A = 1)] - E[Y | do(A = 0)] in J on d by iv(G) assume linear\n"
    result = told(text, folder)
    (found,) = result.estimates
    assert found.interval is None
    assert found.region
    assert None in json.loads(to_json(result))["estimates"][0]["region"][0]
    assert "the 95% set is (" in to_text(result)
    assert "∞" in to_text(result)


def test_a_prompt_and_a_plan_know_regimes(folder: Path) -> None:
    session = Session(folder=folder)
    session.execute(HEAD)
    answer = session.execute("estimate tau in D on d by adjustment")
    assert answer.result is not None
    assert answer.result.estimates[0].regime == "adjustment"
    (data,) = plan_program(check_text(HEAD + "estimate tau in D on d\n", folder=folder), PlanWishes()).data
    assert [(q.name, q.regime, q.worlds) for q in data.questions] == [("tau", "adjustment", 0)]
    assert data.questions[0].why.startswith("chosen: ")


@pytest.mark.parametrize("code", ["CQ860", "CQ861", "CQ862", "CQ863", "CQ864", "CQ867"])
def test_pages_show_what_they_say(code: str) -> None:
    text = page(code) or ""
    before, _, after = text.partition("## Way out")
    with pytest.raises(DiagnosticError) as failure:
        check_text(before.partition("```cq\n")[2].partition("```")[0], folder=FIXTURES)
    assert {d.code for d in failure.value.diagnostics} == {code}
    check_text(after.partition("```cq\n")[2].partition("```")[0], folder=FIXTURES)


def test_sweeps_and_groups_are_asked_one_by_one_in_python(folder: Path) -> None:
    drawn = cq.graph(DIAGRAM, name="D", A=cq.row.a, X=cq.row.x, Y=cq.row.y, Z=cq.row.z, G=cq.row.g)
    tau = cq.E[drawn["Y"] | cq.do({drawn["X"]: 1})]
    rows = cq.data(folder / "d.jsonl")
    with pytest.raises(DiagnosticError, match="CQ863"):
        cq.estimate(tau, on=rows, diagram=drawn, per=cq.row.g)
