"""Plain data held against the schema of circuit files: the part of JSON Schema that it uses, and no more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).with_name("schema.json")
VERSION = 1
FORMAT = "causalcircuit/circuit"
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "null": (type(None),),
}
_SAID = {"object": "an object", "array": "a list", "string": "a string", "number": "a number",
         "integer": "a whole number", "null": "null"}  # fmt: skip


class Mismatch(ValueError):  # noqa: N818 - what it is, not how it ends
    """Data that the schema does not allow: where, and why."""


@cache
def schema() -> dict[str, Any]:
    """The schema as it is shipped."""
    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return found


def check(data: Any, rule: Mapping[str, Any] | None = None, at: str = "") -> None:
    """Hold data against a rule of the schema, by default against the whole.

    Raises:
        Mismatch: the first place that does not fit.
    """
    rule = schema() if rule is None else rule
    if "$ref" in rule:
        check(data, schema()["$defs"][rule["$ref"].rpartition("/")[2]], at)
    if "anyOf" in rule:
        _any(data, rule["anyOf"], at)
    if "const" in rule and (data != rule["const"] or isinstance(data, bool) != isinstance(rule["const"], bool)):
        raise Mismatch(f"{at or 'the whole'} is {json.dumps(rule['const'])}, not {_short(data)}")
    if "enum" in rule and data not in rule["enum"]:
        raise Mismatch(f"{at} is one of {', '.join(rule['enum'])}, not {_short(data)}")
    if "type" in rule:
        _typed(data, rule["type"], at)
    if "minimum" in rule and data is not None and data < rule["minimum"]:
        raise Mismatch(f"{at} is {rule['minimum']} at least, not {data}")
    if isinstance(data, dict):
        _members(data, rule, at)
    if isinstance(data, list):
        if not rule.get("minItems", 0) <= len(data) <= rule.get("maxItems", len(data)):
            raise Mismatch(f"{at} has {len(data)} items")
        for i, item in enumerate(data if "items" in rule else ()):
            check(item, rule["items"], f"{at}[{i}]")


def _any(data: Any, rules: list[Mapping[str, Any]], at: str) -> None:
    problems: list[Mismatch] = []
    for rule in rules:
        try:
            return check(data, rule, at)
        except Mismatch as problem:
            problems.append(problem)
    raise problems[-1]


def _typed(data: Any, wanted: str | list[str], at: str) -> None:
    names = [wanted] if isinstance(wanted, str) else wanted
    fits = any(isinstance(data, _TYPES[n]) for n in names) and not isinstance(data, bool)
    if not fits:
        raise Mismatch(f"{at or 'the whole'} is {' or '.join(_SAID[n] for n in names)}, not {_short(data)}")


def _members(data: dict[str, Any], rule: Mapping[str, Any], at: str) -> None:
    missing = next((k for k in rule.get("required", ()) if k not in data), None)
    if missing is not None:
        raise Mismatch(f"{at or 'the whole'} has no `{missing}`")
    known, others = rule.get("properties", {}), rule.get("additionalProperties", True)
    for key, value in data.items():
        place = f"{at}.{key}" if at else key
        if key in known:
            check(value, known[key], place)
        elif others is False:
            raise Mismatch(f"{place} is not known")
        elif isinstance(others, Mapping):
            check(value, others, place)


def _short(data: Any) -> str:
    said = json.dumps(data, ensure_ascii=True, default=str)
    return said if len(said) <= 40 else said[:39] + "…"
