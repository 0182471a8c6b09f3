"""Verdicts and diagnostics as SARIF 2.1.0 (OASIS), which code hosts show at the lines of a program."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import quote

import causalcircuit
from causalcircuit.diagnostics import Diagnostic, Span, title
from causalcircuit.query import Result, Tested
from causalcircuit.report.claimed import family_name, label, numbers, outcome, sentence

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
Level = Literal["none", "note", "warning", "error"]
_RULES = {
    "claim/supported": "The estimate lies surely in the region that is claimed.",
    "claim/inconclusive": "The estimate lies neither surely in the region that is claimed, nor surely outside it.",
    "claim/refuted": "The estimate lies surely outside the region that is claimed.",
}


def to_sarif(
    result: Result | None,
    diagnostics: Sequence[Diagnostic] = (),
    *,
    file: str,
    code: int = 0,
    interrupted: bool = False,
) -> bytes:
    """A log of one run: a result for each claim and for each diagnostic.

    Args:
        result: what was answered, `None` where nothing was. diagnostics: what was said besides.
        file: the program, which claims without a place of their own stand in.
        code: that the command leaves with. interrupted: whether it was stopped.
    """
    tested = () if result is None else result.hypotheses
    said = list(dict.fromkeys([*(() if result is None else result.remarks), *diagnostics]))
    found = [*(_claim(t, file) for t in tested), *(_remark(d, file) for d in said)]
    rules = list(dict.fromkeys(f["ruleId"] for f in found))
    for one in found:
        one["ruleIndex"] = rules.index(one["ruleId"])
    driver = {"name": "CausalCircuit", "version": causalcircuit.__version__, "rules": _rules(rules)}
    invocation = {"executionSuccessful": code in (0, 1) and not interrupted, "exitCode": code}
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": found,
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return (json.dumps(log, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode("utf-8", "backslashreplace")


def _rules(ids: Iterable[str]) -> list[dict[str, Any]]:
    return [{"id": i, "shortDescription": {"text": _RULES.get(i) or title(i) or i}} for i in ids]


def _claim(t: Tested, file: str) -> dict[str, Any]:
    """A claim: it passes, or it fails with a level; one that decides nothing is a note."""
    levels: dict[str, Level] = {"refuted": "error", "inconclusive": "warning"}
    passed, failed = outcome(t) == "passed", outcome(t) == "failed"
    identity = "\0".join([t.family, t.name, t.estimand, t.region, t.data, *(f"{a}={m}" for a, m in t.at)])
    return {
        "ruleId": f"claim/{t.verdict}",
        "kind": "pass" if passed else "fail",
        "level": "none" if passed else levels[t.verdict] if failed else "note",
        "message": {"text": f"{label(t)}: {sentence(t)}"},
        "locations": [_location(t.span, file, label(t), family_name([t]))],
        "partialFingerprints": {"claim/v1": hashlib.sha256(identity.encode("utf-8", "backslashreplace")).hexdigest()},
        "properties": {"verdict": t.verdict, "named": t.named, "estimand": t.estimand, **numbers(t)},
    }


def _remark(d: Diagnostic, file: str) -> dict[str, Any]:
    levels: dict[str, Level] = {"error": "error", "warning": "warning", "note": "note"}
    text = "\n".join([d.message, *(f"help: {h}" for h in d.help if h)])
    return {
        "ruleId": d.code,
        "kind": "fail",
        "level": levels[d.severity],
        "message": {"text": text},
        "locations": [_location(d.span, file)],
    }


def _location(span: Span | None, file: str, name: str = "", family: str = "") -> dict[str, Any]:
    source = file if span is None else span.source.name
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(source)}}
    if span is not None:
        line, column = span.source.position(span.start)
        last, end = span.source.position(span.end)
        place["region"] = {"startLine": line, "startColumn": column, "endLine": last, "endColumn": end}
    out: dict[str, Any] = {"physicalLocation": place}
    if name:
        out["logicalLocations"] = [{"name": name, "fullyQualifiedName": f"{family}/{name}", "kind": "member"}]
    return out


def _uri(name: str) -> str:
    """A file's name as a reference that SARIF holds: relative as it was given, or `file:` where it is absolute."""
    path = PurePath(name)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
