"""`cq test --junit … --sarif …`: claims as tests of continuous integration."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from causalcircuit.diagnostics import Diagnostic, Source, Span
from causalcircuit.query import Interval, Result, Tested
from causalcircuit.report.junit import to_junit
from causalcircuit.report.sarif import to_sarif
from causalcircuit.runs.writing import check_place, write_whole
from tests.tools.programs import BAD, CLAIMS, HEAD, Ran, cq

Cq = Callable[..., Ran]
TEXT = "hypothesis a { expect E[Y] < 0 logit }\ntest a on d\n"
SPAN = Span(Source("claims.cq", TEXT), 22, 36)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Cq:
    return lambda *arguments, **more: cq(monkeypatch, *arguments, **more)


def made(name: str = "a", verdict: str = "supported", **more: Any) -> Tested:
    one = Tested(
        name, verdict, -0.5, Interval(-0.7, -0.3), 0.001, 0.002, "< 0 logit", "logit", 40, 10,  # type: ignore[arg-type]
        family="heads", correction="holm", data="d", estimand="E[Y]", span=SPAN,
    )  # fmt: skip
    return replace(one, **more)


EVERY = Result(
    hypotheses=(
        made(),
        made("b", "refuted"),
        made("c", "inconclusive", title="<&>", note="\x00 not XML"),
        made("effect(H) < 0", "refuted", named=False, at=(("H", "m.layer[0].head[1].out"),), family="", span=None),
    )
)


def is_junit(root: ET.Element) -> None:
    """The form of Jenkins' junit-10.xsd, as far as it is used here."""
    assert root.tag == "testsuites"
    assert set(root.attrib) <= {"name", "tests", "failures", "errors", "skipped", "time"}
    for suite in root:
        assert suite.tag == "testsuite"
        assert {"name", "tests", "failures", "errors"} <= set(suite.attrib)
        for word, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"), ("tests", ".")):
            assert int(suite.attrib[word]) == sum(len(c.findall(tag)) for c in suite)
        for case in suite:
            assert case.tag == "testcase"
            assert {"name", "classname"} <= set(case.attrib) <= {"name", "classname", "time", "file", "line"}
            assert [c.tag for c in case] == sorted(
                [c.tag for c in case], key=["skipped", "error", "failure", "system-out"].index
            )
            assert sum(c.tag in ("skipped", "error", "failure") for c in case) <= 1
    for word in ("tests", "failures", "errors", "skipped"):
        assert int(root.attrib[word]) == sum(int(s.attrib[word]) for s in root)


def is_sarif(log: dict[str, Any]) -> None:
    """What SARIF 2.1.0 asks of the properties that are used here."""
    assert (log["version"], set(log)) == ("2.1.0", {"$schema", "version", "runs"})
    [run] = log["runs"]
    rules = [r["id"] for r in run["tool"]["driver"]["rules"]]
    assert len(rules) == len(set(rules))
    assert all(r["shortDescription"]["text"] for r in run["tool"]["driver"]["rules"])
    for one in run["results"]:
        assert rules[one["ruleIndex"]] == one["ruleId"]
        assert one["message"]["text"]
        assert one["level"] in ("none", "note", "warning", "error")
        assert one["kind"] in ("pass", "fail")
        assert (one["kind"] == "fail") == (one["level"] != "none")  # 3.27.10
        for place in one["locations"]:
            assert "\\" not in place["physicalLocation"]["artifactLocation"]["uri"]
            region = place["physicalLocation"].get("region")
            if region is not None:
                assert (1, 1) <= (region["startLine"], region["startColumn"]) < (region["endLine"], region["endColumn"])


def test_every_verdict_is_a_test_case() -> None:
    root = ET.fromstring(to_junit(EVERY, file="claims.cq"))
    is_junit(root)
    assert [(s.attrib["name"], s.attrib["tests"]) for s in root] == [("heads on d", "3"), ("test on d", "1")]
    cases = {c.attrib["name"]: c for c in root.iter("testcase")}
    assert cases["a"].find("failure") is None
    assert cases["a"].attrib["line"] == "1"
    assert cases["b"].find("failure").attrib["type"] == "refuted"  # type: ignore[union-attr]
    assert cases["b"].find("failure").attrib["message"] == (  # type: ignore[union-attr]
        "refuted: -0.50 logit, 95% interval [-0.70, -0.30]; claimed < 0 logit"
    )
    assert "<&>" in cases["c"].find("failure").text  # type: ignore[operator,union-attr]
    assert "\ufffd not XML" in cases["c"].find("failure").text  # type: ignore[operator,union-attr]
    assert cases["effect(H) < 0 [H = m.layer[0].head[1].out]"].find("skipped") is not None


def test_every_verdict_is_a_result() -> None:
    log = json.loads(to_sarif(EVERY, file="claims.cq", code=1))
    is_sarif(log)
    found = log["runs"][0]["results"]
    assert [(r["ruleId"], r["kind"], r["level"]) for r in found] == [
        ("claim/supported", "pass", "none"),
        ("claim/refuted", "fail", "error"),
        ("claim/inconclusive", "fail", "warning"),
        ("claim/refuted", "fail", "note"),
    ]
    place = found[0]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "claims.cq"},
        "region": {"startLine": 1, "startColumn": 23, "endLine": 1, "endColumn": 37},
    }
    assert len({r["partialFingerprints"]["claim/v1"] for r in found}) == 4
    assert found[0]["properties"]["interval"] == [-0.7, -0.3]
    assert log["runs"][0]["invocations"] == [{"executionSuccessful": True, "exitCode": 1}]


def test_a_program_that_fails_is_an_error_in_both() -> None:
    wrong = Diagnostic("CQ201", "unknown node `NN`", SPAN, help=("did you mean `NM`?",))
    root = ET.fromstring(to_junit(None, [wrong], file="claims.cq"))
    is_junit(root)
    assert root.attrib["errors"] == "1"
    log = json.loads(to_sarif(None, [wrong], file="a b.cq", code=2))
    is_sarif(log)
    [found] = log["runs"][0]["results"]
    assert (found["ruleId"], found["level"]) == ("CQ201", "error")
    assert not log["runs"][0]["invocations"][0]["executionSuccessful"]
    assert ET.fromstring(to_junit(EVERY, file="c.cq", interrupted=True)).attrib["errors"] == "1"


def test_a_verdict_without_numbers_is_written_too() -> None:
    one = made(verdict="inconclusive", value=None, interval=None, p=None, p_adjusted=None, reason="undefined: 0/0")
    is_junit(ET.fromstring(to_junit(Result(hypotheses=(one,)), file="c.cq")))
    is_sarif(json.loads(to_sarif(Result(hypotheses=(one,)), file="/x y/c.cq")))


def test_the_command_writes_both_and_keeps_its_exit_code(run: Cq, tmp_path: Path) -> None:
    path, junit, sarif = tmp_path / "a.cq", tmp_path / "o.xml", tmp_path / "o.sarif"
    for right, code in (("> 0", 0), ("< 0", 1)):
        path.write_text(CLAIMS.format(right=right).replace("{{", "{").replace("}}", "}"))
        done = run("test", path, "--junit", junit, "--sarif", sarif, "-q")
        assert done.code == code
        root = ET.parse(junit).getroot()
        is_junit(root)
        assert (root.attrib["tests"], root.attrib["failures"]) == ("1", str(code))
        log = json.loads(sarif.read_text())
        is_sarif(log)
        [found] = [r for r in log["runs"][0]["results"] if r["ruleId"].startswith("claim/")]
        region = found["locations"][0]["physicalLocation"]["region"]
        assert path.read_text().splitlines()[region["startLine"] - 1][region["startColumn"] - 1 :].startswith("E[LD]")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.cq", "o.sarif", "o.xml"]


def test_a_program_with_mistakes_is_reported_too(run: Cq, tmp_path: Path) -> None:
    path, junit = tmp_path / "a.cq", tmp_path / "o.xml"
    path.write_text(BAD)
    assert run("test", path, "--junit", junit).code == 2
    assert ET.parse(junit).getroot().attrib["errors"] == "2"


def test_a_place_that_cannot_be_written_is_told_before_the_run(run: Cq, tmp_path: Path) -> None:
    path = tmp_path / "a.cq"
    path.write_text(HEAD + "test E[LD] > 0 logit on ioi\n")
    same = tmp_path / "same"
    for options, said in (
        (["--junit", tmp_path / "none" / "o.xml"], "make the folder"),
        (["--sarif", tmp_path], "it is a folder"),
        (["--junit", same, "--sarif", same], "would both be written"),
    ):
        done = run("test", path, *options)
        assert (done.code, done.out) == (2, "")
        assert "CQ939" in done.err
        assert said in " ".join(done.err.split())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.cq"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(Exception, match="CQ939"):
        write_whole(path, b"new", "a report")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a", "old")]
    check_place(path, "a report")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
