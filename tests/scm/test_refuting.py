"""`check Q in G on d by R against …`: the language asks of rows what `scm.refute` answers from a table."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import causalcircuit as cq
from causalcircuit.diagnostics import DiagnosticError, page
from causalcircuit.query import Estimate
from causalcircuit.report import to_json, to_text
from causalcircuit.runs import check_text, run_program
from causalcircuit.scm import refute
from causalcircuit.syntax import opening_words
from repotools.fixtures import FIXTURES

N = 200
HEAD = """\
data d = jsonl("./rows.jsonl")
data c = jsonl("./rows.jsonl") cluster row.g
node X = row.x
node Y = row.y
node Z = row.z
node M = row.m
node I = row.i
graph G { Z -> X, Z -> Y, X -> Y }
graph F { X -> M -> Y, Z -> X, Z -> Y, X <-> Y }
graph V { I -> X -> Y, X <-> Y }
let tau = ATE(Y, do(X = 1), do(X = 0))
let back = E[Y | do(X = 0)] - E[Y | do(X = 1)]
let share = P(Y > 1 | do(X = 1)) / P(Y > 1 | do(X = 0))
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    r = np.random.default_rng(5)
    z, i, u = r.normal(size=(3, N)).round(3)
    x = (z + 2 * i + u + r.normal(size=N) > 0).astype(float)
    m = (1.5 * x + r.normal(size=N)).round(3)
    table = {"z": z, "i": i, "x": x, "m": m, "y": (m + z + 0.3 * u + r.normal(size=N)).round(3), "g": np.arange(N) // 4}
    folder = tmp_path_factory.mktemp("rows")
    lines = [{k: (int(v[j]) if k in "gx" else float(v[j])) for k, v in table.items()} for j in range(N)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder, table


def asked(text: str, folder: Path) -> Estimate:
    (found,) = run_program(check_text(HEAD + text, "t.cq", folder)).estimates
    return found


@pytest.mark.parametrize(
    ("words", "diagram", "more"),
    [
        ("in G on d by adjustment", "Z -> X, Z -> Y, X -> Y", {}),
        ("in G on d by weighting", "Z -> X, Z -> Y, X -> Y", {"how": "weighting"}),
        ("in G on c", "Z -> X, Z -> Y, X -> Y", {"cluster": "g"}),
        ("in F on d by frontdoor", "X -> M, M -> Y, Z -> X, Z -> Y, X <-> Y", {"by": "frontdoor"}),
        ("in V on d by iv assume linear", "I -> X, X -> Y, X <-> Y", {"by": "iv"}),
    ],
)
def test_the_language_and_the_table_agree(
    words: str, diagram: str, more: dict[str, str], rows: tuple[Path, dict[str, np.ndarray]]
) -> None:
    folder, plain = rows
    table = {k.upper() if k != "g" else k: v for k, v in plain.items()}
    kept = {k: v for k, v in table.items() if k in diagram or k == "g"}
    against = ["placebo", "subset"] + (["common_cause", "confounder"] if "G" in words else [])
    found = asked(f"check tau {words} against {', '.join(against)} seed 7\n", folder)
    value, ways = refute(kept, diagram, "X", "Y", seed=7, against=against, values=(0, 1), **more)  # type: ignore[arg-type]
    assert found.value == pytest.approx(value.value, abs=1e-9)
    assert [r.refuter for r in found.refutations] == against
    for own, other in zip(found.refutations, ways, strict=True):
        assert (own.verdict, own.lost) == (other.verdict, other.lost), own
        assert own.after == pytest.approx(other.after, abs=1e-8)
        assert own.spread == pytest.approx(other.spread, abs=1e-8)
        assert dict(own.strengths) == pytest.approx(dict(other.strengths), abs=1e-8)


def test_a_contrast_the_other_way_round_is_as_fragile(rows: tuple[Path, dict[str, np.ndarray]]) -> None:
    one, other = (asked(f"check {q} in G on d against confounder seed 7\n", rows[0]) for q in ("tau", "back"))
    (a,), (b,) = one.refutations, other.refutations
    assert dict(a.strengths) == pytest.approx({t: -v for t, v in b.strengths}, abs=1e-9)
    assert abs(a.after) < abs(a.before)
    assert a.verdict == b.verdict


def test_any_estimand_is_asked(rows: tuple[Path, dict[str, np.ndarray]]) -> None:
    found = asked("check share in G on d by adjustment against subset seed 7\n", rows[0])
    (drawn,) = found.refutations
    assert found.value is not None
    assert found.value > 1
    assert drawn.before == found.value
    assert drawn.verdict == "held"


def test_an_estimate_that_fails_is_a_warning(tmp_path: Path) -> None:
    """Three rows turn the line: without them it is another one."""
    r = np.random.default_rng(1)
    x, z = r.normal(size=(2, 60))
    y = x + r.normal(size=60)
    x[:3], y[:3] = 30, -200
    (tmp_path / "rows.jsonl").write_text(
        "".join(
            json.dumps({"x": a, "y": b, "z": c, "g": 0, "m": 0, "i": 0}) + "\n" for a, b, c in zip(x, y, z, strict=True)
        )
    )
    result = run_program(check_text(HEAD + "check tau in G on d against subset seed 7\n", "t.cq", tmp_path))
    (found,) = result.estimates
    (drawn,) = found.refutations
    text = to_text(result)
    if drawn.verdict == "failed":
        assert [d.code for d in found.diagnostics if d.code == "CQ906"] == ["CQ906"]
        assert "CQ906" in text
    assert drawn.spread[1] - drawn.spread[0] > 1


def test_python_asks_the_same(rows: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, _ = rows
    g = cq.graph("Z -> X, Z -> Y, X -> Y", name="G", X=cq.row.x, Y=cq.row.y, Z=cq.row.z)
    tau = cq.std.ATE(g["Y"], cq.do({g["X"]: 1}), cq.do({g["X"]: 0}))
    d = cq.data(folder / "rows.jsonl", name="d")
    result = cq.refute(tau, on=d, diagram=g, by="adjustment", against=["placebo"], seed=7, name="tau")
    text = asked("check tau in G on d by adjustment against placebo seed 7\n", folder)
    (made,) = result.estimates
    assert made.refutations == text.refutations
    assert (made.name, made.value, made.interval) == (text.name, text.value, text.interval)
    for wrong, code in (
        ({"seed": None}, "CQ905"),
        ({"against": ["placbo"]}, "CQ902"),
        ({"by": "id", "against": ["confounder"]}, "CQ903"),
    ):
        given = {"by": "adjustment", "against": ["placebo"], "seed": 7} | wrong
        with pytest.raises(DiagnosticError) as problem:
            cq.refute(tau, on=d, diagram=g, **given)  # type: ignore[arg-type]
        assert [x.code for x in problem.value.diagnostics] == [code]


def test_without_names_all_that_apply_are_asked_in_python(rows: tuple[Path, dict[str, np.ndarray]]) -> None:
    from causalcircuit.check.observing import Wishes
    from causalcircuit.check.refuting import refuting
    from causalcircuit.query.regimes import Observing, Regime

    (command,) = check_text(HEAD + "estimate tau in G on d by adjustment\n", "t.cq", rows[0]).commands
    assert isinstance(command, Observing)
    options = replace(command.options, seed=7)
    for regime, names in (("adjustment", 4), ("id", 2)):
        wishes = Wishes((Regime(regime),))
        made = refuting(command.asked[0], command.graph, command.data, options, wishes, [])
        assert len(made.against) == names


def test_every_surface_tells(rows: tuple[Path, dict[str, np.ndarray]]) -> None:
    text = "check tau in G on d by adjustment against placebo, subset seed 7\n"
    result = run_program(check_text(HEAD + text, "t.cq", rows[0]))
    (found,) = json.loads(to_json(result))["estimates"]
    assert [r["refuter"] for r in found["refutations"]] == ["placebo", "subset"]
    assert set(found["refutations"][0]) >= {
        "what",
        "expected",
        "before",
        "after",
        "spread",
        "repeats",
        "verdict",
        "said",
    }
    json.dumps(found, allow_nan=False)
    shown = " ".join(to_text(result).split())
    assert "placebo, held" in shown
    assert "Expected: no effect" in shown
    assert check_text(HEAD + text, "t.cq", rows[0]).warnings == ()  # its seed is not idle


def test_check_is_one_statement() -> None:
    assert opening_words().count("check") == 1


@pytest.mark.parametrize("code", ["CQ902", "CQ903", "CQ904", "CQ905"])
def test_examples_of_the_pages(code: str) -> None:
    bad, good = re.findall(r"```cq\n(.*?)```", page(code) or "", re.DOTALL)
    with pytest.raises(DiagnosticError) as problem:
        check_text(bad, folder=FIXTURES)
    assert [d.code for d in problem.value.diagnostics] == [code]
    check_text(good, folder=FIXTURES)


@pytest.mark.slow
def test_the_example_holds_under_the_wrong_diagram_too() -> None:
    folder = FIXTURES.parents[1] / "examples"
    text = (folder / "refutation.cq").read_text(encoding="utf-8")
    result = run_program(check_text(text, "refutation.cq", folder))
    right, wrong = result.estimates
    assert [r.verdict for e in (right, wrong) for r in e.refutations] == ["held"] * 4
    assert right.value is not None
    assert wrong.value is not None
    assert wrong.value > right.value + 0.1
