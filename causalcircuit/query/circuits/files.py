"""Circuits in files: JSON (schema 1), GraphML and DOT by the file's suffix; JSON and GraphML are read back unchanged.

A file carries the hash of its content. What was changed by hand, is cut off, of another schema or of another model is
refused, never repaired.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from causalcircuit.diagnostics import DiagnosticError, Span, error, instead_of
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.document import circuit_of, document
from causalcircuit.query.circuits.graphs import from_graphml, to_dot, to_graphml
from causalcircuit.query.circuits.schema import FORMAT, VERSION, Mismatch

READ = (".json", ".graphml")
WRITTEN = (*READ, ".dot")
_LARGEST = 1 << 30


def write(circuit: Circuit, path: Path, span: Span | None = None) -> None:
    """Write a circuit to a file.

    Raises:
        DiagnosticError: CQ776, it cannot be written there; CQ775, a score is not finite.
    """
    if path.suffix not in WRITTEN:
        known = ", ".join(f"`{s}`" for s in WRITTEN)
        raise error("CQ776", f"`{path.name}` ends in no known suffix", span, help=f"circuits are written as {known}")
    text = as_text(circuit, path.suffix, span)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.partial")  # so that a reader never sees half
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise error("CQ776", f"`{path}` cannot be written: {why}", span, help="name another folder") from None


def as_text(circuit: Circuit, suffix: str = ".json", span: Span | None = None) -> str:
    """What a file of this suffix holds.

    Raises:
        DiagnosticError: CQ775, a number is not finite, or a node is none that a file can name.
    """
    try:
        made = document(circuit)
    except ValueError as problem:
        why = "a number in it is not finite" if "JSON compliant" in str(problem) else str(problem)
        raise error("CQ775", f"`{circuit.name}` cannot be written: {why}", span, help="attribute it anew") from None
    if suffix == ".json":
        return json.dumps(made, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
    return to_graphml(made) if suffix == ".graphml" else to_dot(made)


def read(path: Path, span: Span | None = None) -> Circuit:
    """A circuit from a file.

    Raises:
        DiagnosticError: CQ770 it cannot be read, CQ771 it is no circuit file or cut off, CQ772 of another schema,
            CQ773 it was changed after it was written, CQ775 a number is not finite.
    """
    if path.suffix not in READ:
        way = "DOT is for pictures: save the circuit as JSON" if path.suffix == ".dot" else "`.json` and `.graphml`"
        raise error("CQ770", f"`{path.name}` is no file that circuits are read from", span, "this file", help=way)
    try:
        if path.stat().st_size > _LARGEST:
            raise error("CQ770", f"`{path.name}` is larger than 1 GiB", span, "this file", help="keep fewer wires")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = instead_of(path.name, (p.name for s in READ for p in path.parent.glob(f"*{s}")))
        ways = (near, f"looked for {path}", "paths are relative to the file that names them")
        raise error("CQ770", f"the file `{path.name}` does not exist", span, "this file", help=ways) from None
    except UnicodeDecodeError:
        raise _none(path, "it is no text in UTF-8", span) from None
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise error("CQ770", f"`{path.name}` cannot be read: {why}", span, "this file", help="name a file") from None
    return from_text(text, path.suffix, path.name, span)


def from_text(text: str, suffix: str = ".json", name: str = "<text>", span: Span | None = None) -> Circuit:
    """A circuit from what a file of this suffix holds.

    Raises:
        DiagnosticError: as `read`.
    """
    path = Path(name)
    try:
        made = _json(text) if suffix == ".json" else from_graphml(text)
        bad = _infinite(made)
        if bad:
            raise error(
                "CQ775",
                f"`{path.name}` has a number that is not finite: {bad}",
                span,
                "this file",
                help="whatever wrote it went wrong: attribute it anew",
            )
        _version(made, path, span)
        found = circuit_of(made)
        again = document(found)
    except (Mismatch, RecursionError, OverflowError, ValueError) as problem:
        deep = isinstance(problem, RecursionError)
        raise _none(path, "it is nested too deeply" if deep else str(problem), span) from None
    if again["sha256"] != made["sha256"]:
        raise error(
            "CQ773",
            f"`{path.name}` was changed after it was written: its content has another hash than it says",
            span,
            "this file",
            help=(
                "take the file as it was saved; sets and filters of circuits are made in the language",
                f"it says {made['sha256'][:16]}, and is {again['sha256'][:16]}",
            ),
        )
    return found


def _version(made: Mapping[str, Any], path: Path, span: Span | None) -> None:
    if not isinstance(made, dict) or made.get("format") != FORMAT:
        raise Mismatch(f"it does not say `{FORMAT}`")
    if made.get("schema") != VERSION or isinstance(made.get("schema"), bool):
        said = json.dumps(made.get("schema"), default=str)[:20]
        way = "a newer version of CausalCircuit may have written it" if _newer(made.get("schema")) else "save it anew"
        raise error(
            "CQ772", f"`{path.name}` has the schema {said}, and schema {VERSION} is known", span, "this file", help=way
        )


def _newer(said: object) -> bool:
    return isinstance(said, int) and said > VERSION


def _json(text: str) -> Any:
    """Strict JSON: no key twice.

    Raises:
        Mismatch: it is no JSON.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) < len(pairs):
            raise Mismatch("a key stands twice in one object")
        return out

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as problem:
        cut = problem.pos >= len(text.rstrip()) or problem.msg.startswith("Unterminated")
        raise Mismatch("it is cut off" if cut else f"it is no JSON: {problem}") from None


def _infinite(made: Any, at: str = "") -> str:
    """The place of the first number that is not finite; empty where all are."""
    if isinstance(made, float):
        return "" if math.isfinite(made) else at
    inside: list[tuple[str, Any]] = []
    if isinstance(made, dict):
        inside = [(f"{at}.{key}".removeprefix("."), value) for key, value in made.items()]
    elif isinstance(made, list):
        inside = [(f"{at}[{i}]", value) for i, value in enumerate(made)]
    return next((found for place, value in inside if (found := _infinite(value, place))), "")


def _none(path: Path, why: str, span: Span | None) -> DiagnosticError:
    return error(
        "CQ771",
        f"`{path.name}` is no circuit file: {why}",
        span,
        "this file",
        help="circuits are written by `save C to` and read as they were; the schema is in docs/circuits.md",
    )
