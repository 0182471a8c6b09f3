"""`fit S = scm(G) on d …` and questions in S: the numbers of the library, in reports, JSON and beside other regimes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import causalcircuit as cq
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Result
from causalcircuit.runs import check_text, run_program
from causalcircuit.scm import Inner, World, fit

RNG = np.random.default_rng(0)
N = 240
Z = RNG.integers(0, 3, N)
B = (RNG.random(N) < 0.2 + 0.2 * Z).astype(int)
M = 0.8 * B + RNG.normal(size=N)
Y = 0.5 * M + 0.3 * B + 0.4 * Z + RNG.normal(size=N)
UNIT = np.arange(N) // 3
TABLE = {"Z": Z, "B": B, "M": M, "Y": Y}
G = "Z -> B, Z -> Y, B -> M, M -> Y, B -> Y"
HEAD = f"""data d = jsonl("./d.jsonl") cluster row.unit
node Z = row.z
node B = row.b
node M = row.m
node Y = row.y
node K = row.k
graph G {{ {G} }}
graph K3 {{ K -> B }}
let tau = E[Y | do(B = 1)] - E[Y | do(B = 0)]
"""


def told(folder: Path, text: str) -> Result:
    labels = np.array(["lo", "mid", "top"])[Z]
    rows = [
        {"z": int(Z[i]), "b": int(B[i]), "m": float(M[i]), "y": float(Y[i]), "unit": int(UNIT[i]), "k": str(labels[i])}
        for i in range(N)
    ]
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return run_program(check_text(HEAD + text, folder=folder))


def test_what_the_library_answers(tmp_path: Path) -> None:
    result = told(
        tmp_path,
        """fit S = scm(G) on d with linear_gaussian ci 90%
estimate tau, E[(Y | do(B = 0)) | B = 1], E[Y | do(B = 1, M = (M | do(B = 0)))], 2 * E[M - Y | do(B = 1)] in S
estimate P(Y > 1 | do(B = 1)), P(not Y > 1 | do(B = 1)), tau / E[M | do(B = 1)] in S ci 95%""",
    )
    model = fit(TABLE, G, cluster=UNIT, level=0.9)
    one, zero = model.mean("Y", {"B": 1}), model.mean("Y", {"B": 0})
    assert one.value is not None
    assert zero.value is not None
    tau = model.effect("B", "Y")
    first, treated, nested, several, tail, rest, ratio = result.estimates
    assert first.value == pytest.approx(tau.value)
    assert first.interval == tau.interval
    assert (first.regime, first.level, first.graph, first.clusters) == ("S", 0.9, "G", 80)
    assert treated.value == pytest.approx(model.mean("Y", {"B": 0}, {"B": 1}).value)
    inner = Inner("M", World.of({"B": 0.0}))
    assert nested.value == pytest.approx(model.mean("Y", {"B": 1, "M": inner}).value)
    m = model.mean("M", {"B": 1}).value
    assert m is not None
    assert several.value == pytest.approx(2 * (m - one.value))
    assert tail.value == pytest.approx(model.probability("Y", (">", 1.0), {"B": 1}).value)
    assert rest.value == pytest.approx(1 - (tail.value or 0))
    assert ratio.value == pytest.approx((one.value - zero.value) / m)
    assert tail.level == 0.95
    said = first.to_json()
    assert said["regime"] == "S"
    assert said["graph"] == "G"
    assert not any(a.startswith("the diagram: ") for a in first.assumptions)
    assert any("linear" in a for a in first.assumptions)


def test_labels_cells_and_noise(tmp_path: Path) -> None:
    result = told(
        tmp_path,
        """graph N2 { B -> M }
fit D = scm(K3) on d with discrete(prior = 0)
fit A = scm(N2) on d with additive_noise(degree = 1, resamples = 399) seed 7
estimate E[B | do(K = "mid")] in D
estimate E[M | do(B = 1)] - E[M | do(B = 0)] in A""",
    )
    cell, noise = result.estimates
    assert cell.value == pytest.approx(float(B[Z == 1].mean()))
    assert noise.value == pytest.approx(float(M[B == 1].mean() - M[B == 0].mean()))
    assert "resamples" in noise.method
    with pytest.raises(DiagnosticError, match=r"CQ859.*K"):
        told(tmp_path, 'fit D = scm(K3) on d with discrete\nestimate E[B | do(K = "none")] in D')


def test_beside_other_regimes(tmp_path: Path) -> None:
    """The difference of two regimes is of one resample: far narrower than either."""
    result = told(tmp_path, "fit S = scm(G) on d with linear_gaussian\nestimate tau in G on d by adjustment, S")
    adjusted, model, gap = result.estimates
    assert dict(gap.at)["by"] == "S - adjustment"
    assert gap.value == pytest.approx((model.value or 0) - (adjusted.value or 0))
    assert gap.interval is not None
    assert model.interval is not None
    assert gap.interval.high - gap.interval.low < model.interval.high - model.interval.low
    assert gap.p is not None


def test_what_the_rows_refuse_is_told_at_its_place(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError, match=r"CQ881.*`K` holds text") as caught:
        told(tmp_path, "fit S = scm(K3) on d with linear_gaussian\nestimate E[B | do(B = 1)] in S")
    assert caught.value.diagnostics[0].span is not None
    with pytest.raises(DiagnosticError, match=r"CQ884"):
        told(
            tmp_path,
            "graph C { B -> Z }\nfit D = scm(C) on d with discrete\nestimate E[(Z | do(B = 0)) | Z = 1] in D",
        )
    told(tmp_path, "fit S = scm(G) on d with linear_gaussian")  # nothing asks: nothing is fitted


def test_python_builds_the_same(tmp_path: Path) -> None:
    text = told(tmp_path, "fit S = scm(G) on d with linear_gaussian\nestimate tau in G on d by adjustment, S")
    d = cq.data(tmp_path / "d.jsonl", cluster=cq.row.unit)
    nodes = {v: getattr(cq.row, v.lower()) for v in "ZBMY"}
    drawn = cq.graph(G, name="G", **nodes)
    S = cq.fit(drawn, on=d)
    y, b = drawn["Y"], drawn["B"]
    tau = cq.E[y | cq.do({b: 1})] - cq.E[y | cq.do({b: 0})]
    result = cq.estimate(tau=tau, on=d, diagram=drawn, by=["adjustment", S])
    assert [(e.value, e.interval, e.regime) for e in result.estimates] == [
        (e.value, e.interval, e.regime) for e in text.estimates
    ]
    alone = cq.estimate(cq.E[y | cq.do({b: 0})], on=d, diagram=drawn, by=S)
    assert alone.estimates[0].regime == "S"
    for wrong in ({"mechanisms": "lines"}, {"bins": 3}):
        with pytest.raises(DiagnosticError, match="CQ880"):
            cq.fit(drawn, on=d, **wrong)  # type: ignore[arg-type]
