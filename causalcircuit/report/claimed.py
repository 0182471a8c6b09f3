"""What reports for machines say of a claim: its verdict as an outcome of a test, in words and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal

from causalcircuit.query import Tested
from causalcircuit.query.families import title_of
from causalcircuit.report.figures import bounds, decimals, figure, p_value, percent

Outcome = Literal["passed", "failed", "idle"]


def outcome(tested: Tested) -> Outcome:
    """`idle`: not supported, of a claim without a name of its own, which no exit code depends on."""
    if tested.verdict == "supported":
        return "passed"
    return "failed" if tested.named else "idle"


def label(tested: Tested) -> str:
    """The name of a claim with its member of a sweep."""
    return tested.name + "".join(f" [{axis} = {member}]" for axis, member in tested.at)


def families(tested: Sequence[Tested]) -> list[list[Tested]]:
    """Claims that are tested together, in the order of the program."""
    keys = groupby(tested, lambda t: (t.family, t.data, t.correction, t.alpha))
    return [list(block) for _, block in keys]


def family_name(block: Sequence[Tested]) -> str:
    """What a family is called: `heads on ioi`."""
    first = block[0]
    return f"{first.family or 'test'} on {first.data}"


def sentence(t: Tested) -> str:
    """The verdict in a line: what was found, what was claimed."""
    found = "undefined" if t.value is None else figure(t.value, decimals(t.value, t.interval))
    unit = f" {t.unit}" if t.unit and t.value is not None else ""
    shown = ""
    if t.interval is not None:
        shown = f", {percent(t.level)} interval {bounds(t.interval, decimals(t.value or 0, t.interval))}"
    return f"{t.verdict}: {found}{unit}{shown}; claimed {t.region}"


def explanation(t: Tested) -> str:
    """What stands behind a verdict, line by line."""
    lines = [sentence(t)]
    if t.title:
        lines.append(f"claim: {t.title}" + (f" (because {t.because})" if t.because else ""))
    lines.append(f"estimand: {t.estimand}")
    corrected = "" if t.correction == "none" else f", adjusted {p_value(t.p_adjusted)} ({title_of(t.correction)})"
    lines.append(f"p: {p_value(t.p)}{corrected}")
    lines.append(f"rows: {t.n}" + (f" in {t.clusters} clusters" if t.clusters is not None else ""))
    lines += [f"{word}: {text}" for word, text in (("method", t.method), ("target", t.target)) if text]
    lines += [f"note: {text}" for text in (t.note, t.reason) if text]
    lines += [f"{d.severity}[{d.code}]: {d.message}" for d in t.diagnostics]
    return "\n".join(lines)


def numbers(t: Tested) -> dict[str, Any]:
    """The numbers of a claim, as JSON has them."""
    said = t.to_json()
    return {
        k: said[k]
        for k in ("value", "interval", "level", "p", "p_adjusted", "unit", "n", "clusters", "alpha", "family")
    }
