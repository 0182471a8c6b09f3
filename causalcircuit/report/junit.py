"""Verdicts as JUnit XML, which servers of continuous integration show as tests.

The form is that of Jenkins' schema (junit-10.xsd): `testsuites`, a `testsuite` for each family, a `testcase` for each
claim with at most one of `failure`, `error` and `skipped`, and what stands behind its verdict.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import Result, Tested
from causalcircuit.report.claimed import explanation, families, family_name, label, outcome, sentence

_NO_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(
    result: Result | None, diagnostics: Sequence[Diagnostic] = (), *, file: str, interrupted: bool = False
) -> bytes:
    """The verdicts of a program; what kept it from having them is an `error`.

    A claim that is not supported is a failure where it has a name, as it is for the exit code of `cq test`; another
    one is skipped.

    Args:
        result: what was answered, `None` where nothing was. diagnostics: what was wrong.
        file: the program. interrupted: whether it was stopped.
    """
    root = ET.Element("testsuites", name=_text(f"cq test {file}"))
    blocks = families(() if result is None else result.hypotheses)
    suites = [_suite(root, family_name(b), [_case(t, file, family_name(b)) for t in b]) for b in blocks]
    broken = [_broken(d.code, _said(d), file) for d in diagnostics if d.is_error]
    if interrupted:
        broken.append(_broken("interrupted", "stopped before the end: what is not here was not tested", file))
    if broken:
        suites.append(_suite(root, "program", broken))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(s.get(name, "0")) for s in suites)))
    seconds = 0.0 if result is None else float(result.run.get("seconds", 0.0))
    root.set("time", f"{seconds:.3f}")
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _suite(root: ET.Element, name: str, cases: Sequence[ET.Element]) -> ET.Element:
    counts = {word: str(sum(c.find(tag) is not None for c in cases)) for word, tag in _COUNTED.items()}
    suite = ET.SubElement(root, "testsuite", {"name": _text(name), "tests": str(len(cases)), **counts})
    suite.extend(cases)
    return suite


_COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def _case(t: Tested, file: str, family: str) -> ET.Element:
    case = ET.Element("testcase", name=_text(label(t)), classname=_text(f"{file}.{family}"), time="0")
    if t.span is not None:
        case.set("file", _text(t.span.source.name))
        case.set("line", str(t.span.line))
    said = outcome(t)
    if said == "failed":
        made = ET.SubElement(case, "failure", type=t.verdict, message=_text(sentence(t)))
        made.text = _text(explanation(t))
        return case
    if said == "idle":
        ET.SubElement(case, "skipped", message=_text(f"{sentence(t)}; nothing depends on it"))
    ET.SubElement(case, "system-out").text = _text(explanation(t))
    return case


def _broken(name: str, message: str, file: str) -> ET.Element:
    case = ET.Element("testcase", name=_text(name), classname=_text(f"{file}.program"), time="0")
    ET.SubElement(case, "error", type=_text(name), message=_text(message.partition("\n")[0])).text = _text(message)
    return case


def _said(d: Diagnostic) -> str:
    place = "" if d.span is None else f"{d.span.source.name}:{d.span.line}:{d.span.column}: "
    return "\n".join([f"{place}{d.message}", *(f"help: {h}" for h in d.help if h)])


def _text(text: str) -> str:
    """What XML 1.0 can hold of a text."""
    return _NO_CHARACTER.sub("\ufffd", text)
