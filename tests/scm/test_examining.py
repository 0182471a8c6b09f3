"""`check S`: the diagram's independences, tested, and the arrows, weighed; by file and from Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import causalcircuit as cq
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query.examination import Examined
from causalcircuit.report import to_json, to_text
from causalcircuit.runs import check_text, run_program
from causalcircuit.scm import falsify, fit, strengths
from causalcircuit.tools.answering import summary

RNG = np.random.default_rng(11)
N = 400
Z = RNG.integers(0, 3, N)
B = (RNG.random(N) < 0.2 + 0.3 * Z).astype(int)
M = 0.8 * B + RNG.normal(size=N)
Y = 0.5 * M + 0.9 * Z + RNG.normal(size=N)
UNIT = np.arange(N) // 2
TABLE = {"Z": Z, "B": B, "M": M, "Y": Y, "K": 2 * Z}
TRUE = "Z -> B, B -> M, M -> Y, Z -> Y"
HEAD = f"""data d = jsonl("./d.jsonl") cluster row.unit
node Z = row.Z
node B = row.B
node M = row.M
node Y = row.Y
node K = row.K
graph G {{ {TRUE} }}
graph W {{ Z -> B, B -> M, M -> Y }}
graph Twice {{ Z -> K, Z -> B, Z -> M }}
graph U {{ Z -> B, B -> M, M -> Y, Z -> Y, L -> M, L -> Y }}
fit S = scm(G) on d with linear_gaussian ci 90%
fit Wrong = scm(W) on d with linear_gaussian
fit D = scm(G) on d with discrete(bins = 3)
fit A = scm(Twice) on d with linear_gaussian
fit Hidden = scm(U) on d with linear_gaussian
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ("Z", "B", "M", "Y", "K")
    rows = [{**{v: TABLE[v][i].item() for v in names}, "unit": int(UNIT[i])} for i in range(N)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def found(folder: Path, text: str) -> Examined:
    (one,) = run_program(check_text(HEAD + text, folder=folder)).examinations
    return one


def test_it_gives_the_numbers_of_the_library(folder: Path) -> None:
    """On whole clusters, at the level of the fit; what is asked here holds before what the fit says."""
    one = found(folder, "check S")
    library = falsify(TABLE, TRUE, cluster=UNIT)
    assert (one.name, one.graph, one.n, one.clusters, one.level, one.alpha) == ("S", "G", N, N // 2, 0.9, 0.05)
    assert [(str(t), t.p, t.p_adjusted) for t in one.tests] == [
        (str(t.statement), pytest.approx(t.p), pytest.approx(t.p_adjusted)) for t in library.tests
    ]
    assert (one.verdict, one.contradicted) == (library.verdict, False)
    weighed = strengths(fit(TABLE, TRUE, cluster=UNIT, level=0.9))
    assert [str(a) for a in one.arrows] == ["Z -> B", "B -> M", "Z -> Y", "M -> Y"]
    for own, other in zip(one.arrows, weighed, strict=True):
        for mine, theirs in ((own.slope, other.slope), (own.share, other.share)):
            assert mine is not None
            assert theirs is not None
            assert mine.value == pytest.approx(theirs.value)
            assert mine.interval is not None
            assert theirs.interval is not None
            assert mine.interval.low == pytest.approx(theirs.interval.low)
    again = found(folder, "check S on d ci 99% alpha 0.01")
    assert (again.level, again.alpha) == (0.99, 0.01)
    wide, narrow = again.arrows[0].slope, one.arrows[0].slope
    assert wide is not None
    assert narrow is not None
    assert wide.interval is not None
    assert narrow.interval is not None
    assert wide.interval.low < narrow.interval.low


def test_a_wrong_diagram_is_contradicted_and_an_unmeasured_variable_projected_out(folder: Path) -> None:
    one = found(folder, "check Wrong")
    failed = [t for t in one.tests if t.p_adjusted is not None and t.p_adjusted < one.alpha]
    assert [str(t) for t in failed] == ["Z _||_ Y | M", "B _||_ Y | M"]
    assert one.contradicted
    assert one.verdict.startswith("contradicted: ")
    for t in one.tests:  # Holm: none adjusted is below its own, the smallest is the smallest times their number
        assert t.p is not None
        assert t.p_adjusted is not None
        assert t.p_adjusted >= t.p
    smallest = min(one.tests, key=lambda t: t.p or 0)
    assert smallest.p_adjusted == pytest.approx(min(1, (smallest.p or 0) * len(one.tests)))
    hidden = found(folder, "check Hidden")
    assert [str(t) for t in hidden.tests] == ["Z _||_ M | B"]
    by_arrow = {str(a): a for a in hidden.arrows}
    assert by_arrow["Z -> B"].slope is not None
    assert by_arrow["M -> Y"].slope is not None  # B is an instrument for it


def test_where_nothing_is_left_to_test_it_is_said(folder: Path) -> None:
    one = found(folder, "check A")
    reasons = {str(t): t.reason for t in one.tests if t.p is None}
    assert set(reasons) == {"K _||_ B | Z", "K _||_ M | Z"}
    assert all(r.startswith("K is a function of Z") for r in reasons.values())
    text = to_text(run_program(check_text(HEAD + "check A", folder=folder)), width=120)
    line = next(x for x in text.splitlines() if "not tested" in x)
    assert "K _||_ B | Z; K _||_ M | Z" in line  # one reason, said once
    assert "K is a function of Z" in line


def test_mechanisms_without_one_strength_are_tested_all_the_same(folder: Path) -> None:
    one = found(folder, "check D")
    assert [str(t) for t in one.tests] == [str(t) for t in found(folder, "check S").tests]
    assert one.arrows == ()
    assert "discrete" in one.unweighed


def test_additive_noise_is_tested_and_few_clusters_are_warned_of(folder: Path) -> None:
    few = (folder / "d.jsonl").read_text().splitlines()[:40]
    (folder / "few.jsonl").write_text("\n".join(few))
    text = """data d = jsonl("./few.jsonl") cluster row.unit
node M = row.M
node Y = row.Y
graph G { M -> Y }
fit S = scm(G) on d with additive_noise seed 7
check S"""
    result = run_program(check_text(text, folder=folder))
    (one,) = result.examinations
    assert one.verdict == "the diagram implies no independence: no rows could contradict it"
    assert "additive" in one.unweighed
    assert [d.code for d in result.remarks] == ["CQ609"]
    assert "only 20 clusters" in to_text(result)
    assert "[CQ609]" in to_text(result)


def test_reports_and_machines(folder: Path) -> None:
    program = check_text(HEAD + "## Held against rows\ncheck S\ncheck Wrong", folder=folder)
    assert summary(program).endswith("2 model checks")
    assert "0 estimates" in summary(program)
    result = run_program(program)
    text = to_text(result)
    for part in ("Held against rows", "S of G on d · 400 rows in 200 clusters", "B _||_ Y | Z, M", "Z -> B",
                 "90% interval", "Holm over 2 tests, alpha 0.05", "contradicted: "):  # fmt: skip
        assert part in text
    assert "Holm over" not in to_text(result, brief=True)
    first, _ = json.loads(to_json(result))["examinations"]
    assert set(first) == {"name", "graph", "data", "mechanisms", "n", "clusters", "level", "alpha", "verdict",
                          "contradicted", "tests", "arrows", "skipped", "notes"}  # fmt: skip
    assert set(first["tests"][0]) == {"a", "b", "given", "p", "p_adjusted", "correlation"}
    assert set(first["arrows"][0]) == {"cause", "effect", "slope", "share"}
    assert run_program(program, tests_only=True).examinations == ()
    lines = cq.plan(program)
    assert [q.estimand for d in lines.data for q in d.questions] == ["check S", "check Wrong"]


def test_the_same_from_python(folder: Path) -> None:
    rows = cq.data(folder / "d.jsonl", name="d", cluster=cq.row.unit)
    bound = {name: getattr(cq.row, name) for name in ("Z", "B", "M", "Y")}
    model = cq.fit(cq.graph(TRUE, name="G", **bound), on=rows)
    assert cq.examine(model, level=0.9).examinations == (found(folder, "check S"),)
    assert cq.examine(model, alpha=0.2).examinations[0].alpha == 0.2
    with pytest.raises(DiagnosticError, match="CQ613"):
        cq.examine(model, alpha=0.7)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (r"CQ112.*`by`", "check S by adjustment"),
        (r"CQ112.*`seed`", "check S seed 7"),
        (r"CQ613.*0.7", "check S alpha 0.7"),
        (r"CQ287", "check G"),
        (r"CQ890.*several", "check [S, D] against interventions"),
        (r"CQ904.*`alpha`", "check Z _||_ M | B in G alpha 0.1"),
    ],
)
def test_statements_that_are_refused(folder: Path, said: str, text: str) -> None:
    with pytest.raises(DiagnosticError, match=said):
        check_text(HEAD + text, folder=folder)


def test_a_fit_that_is_in_error_is_told_once(folder: Path) -> None:
    with pytest.raises(DiagnosticError) as told:
        check_text(HEAD + "fit Bad = scm(G) on d with oracles\ncheck Bad", folder=folder)
    assert [d.code for d in told.value.diagnostics] == ["CQ880"]


def test_what_is_wrong_with_columns_names_the_statement(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "d.jsonl").read_text().splitlines()]
    (folder / "d.jsonl").write_text("\n".join(json.dumps({**r, "M": 1.5}) for r in rows))
    with pytest.raises(DiagnosticError, match="CQ852") as told:
        found(folder, "check S")
    assert told.value.diagnostics[0].span is not None
