"""Data files as columns: JSONL, CSV, Parquet."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import sys
from pathlib import Path
from typing import Any, Literal

from causalcircuit.diagnostics import Span, error, instead_of

Format = Literal["jsonl", "csv", "parquet"]
# " 3" may be an answer and "007" a label: neither is a number.
_WHOLE = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
_REAL = re.compile(r"-?((0|[1-9]\d*)(\.\d*)?([eE][+-]?\d+)?|nan|inf)", re.ASCII | re.IGNORECASE)


def read_columns(path: Path, kind: Format, span: Span | None = None) -> dict[str, list[Any]]:
    """All rows of a file as columns.

    A CSV cell is a number or a truth value where the whole column reads as one, else a string; an empty cell of a
    column of numbers or truth values is no value.

    Raises:
        DiagnosticError: CQ401 no such file, CQ403 no rows, CQ404 a number that is none (NaN), CQ406 unreadable.
    """
    if not os.path.isfile(path):  # unlike `Path.is_file`, it forgives a name that is too long for a file
        folder = path if os.path.isdir(path) else path.parent
        found = instead_of(path.name, (p.name for p in folder.glob(f"*.{kind}")))
        what = "is a folder, not a file" if os.path.isdir(path) else "does not exist"
        raise error(
            "CQ401",
            f"the data file `{path.name}` {what}",
            span,
            "this file",
            help=(found, f"looked for {path}", "paths are relative to the file that names them"),
        )
    readers = {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}
    try:
        columns = readers[kind](path, span)
    except (UnicodeDecodeError, OSError, csv.Error) as problem:
        raise error(
            "CQ406", f"`{path.name}` cannot be read as {kind}: {problem}", span, "this file", help="text is in UTF-8"
        ) from None
    n = len(next(iter(columns.values()), []))
    if n == 0:
        raise error("CQ403", f"the data file `{path.name}` holds no rows", span, "empty", help="an effect needs rows")
    return checked(columns, path.name, span)


def checked(columns: dict[str, list[Any]], source: str, span: Span | None) -> dict[str, list[Any]]:
    """The columns, all of whose values are some.

    Raises:
        DiagnosticError: CQ404.
    """
    for name, values in columns.items():
        flaws = {i: what for i, v in enumerate(values) if (what := _flaw(v))}
        bad = list(flaws)
        if bad:
            raise error(
                "CQ404",
                f"column `{name}` of `{source}` holds {flaws[bad[0]]} in {_rows(bad)}",
                span,
                "this file",
                where=f"{source}, row {bad[0]}",
                help=f"remove those rows or fill them; `where row.{name} …` cannot select by a NaN",
            )
    return columns


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, each of whose names stands once: of two values of one name, none is meant more."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f'"{next(n for n in names if names.count(n) > 1)}" stands in it twice')
    return made


def _flaw(value: Any) -> str:
    """What is wrong with a cell, or nothing: a number that is none, a text that is no Unicode."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case int() if abs(value) > sys.float_info.max:
            return "a number above 1e308"
        case str() if not _is_unicode(value):
            return f"half a character, {value!r:.40},"
        case list():
            return next(filter(None, map(_flaw, value)), "")
        case _:
            return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, as JSON can write it: "\\ud800"
        return False
    return True


def _jsonl(path: Path, span: Span | None) -> dict[str, list[Any]]:
    rows: list[dict[str, Any]] = []
    with path.open(encoding="utf-8-sig") as lines:
        number = 0
        try:
            for line in lines:
                number += 1
                if not line.strip():
                    continue
                row = json.loads(line, object_pairs_hook=_object)
                if not isinstance(row, dict):
                    raise TypeError("it holds a list" if isinstance(row, list) else f"it holds {row!r:.40}")
                rows.append(row)
        except (ValueError, TypeError, RecursionError) as problem:
            if isinstance(problem, UnicodeDecodeError):
                raise
            raise error(
                "CQ406",
                f"line {number} of `{path.name}` is not a JSON object: {problem}",
                span,
                "this file",
                where=f"{path.name}:{number}",
                help="a .jsonl file holds one JSON object a line",
            ) from None
    names = dict.fromkeys(name for row in rows for name in row)
    for name in names:
        missing = [i for i, row in enumerate(rows) if name not in row]
        if missing:
            raise error(
                "CQ407",
                f"the column `{name}` is missing in {_rows(missing)} of `{path.name}`, and others have it",
                span,
                "this file",
                where=f"{path.name}, row {missing[0]}",
                help="every row needs every column; write null where there is no value",
            )
    return {name: [row[name] for row in rows] for name in names}


def _csv(path: Path, span: Span | None) -> dict[str, list[Any]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        header = next(reader, [])
        rows = [r for r in reader if r]
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        message = f"two columns of `{path.name}` are called `{twice}`"
        raise error("CQ406", message, span, "this file", help="give each column a name of its own")
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise error(
                "CQ406",
                f"row {number} of `{path.name}` has {len(row)} cells, the header {len(header)}",
                span,
                "this file",
                where=f"{path.name}, row {number}",
                help="quote cells that hold a comma",
            )
    return {name: _typed([row[i] for row in rows]) for i, name in enumerate(header)}


def _typed(cells: list[str]) -> list[Any]:
    """A CSV column as numbers or truth values where every filled cell is one, without spaces or leading zeros.

    An empty cell is then no value; a column of other texts stays as it is.
    """
    filled = [c for c in cells if c]
    truths = {"true": True, "false": False}
    if filled and all(c.casefold() in truths for c in filled):
        return [truths[c.casefold()] if c else None for c in cells]
    for kind, form in ((int, _WHOLE), (float, _REAL)):
        if filled and all(form.fullmatch(c) for c in filled):
            return [kind(c) if c else None for c in cells]
    return list(cells)


def _parquet(path: Path, span: Span | None) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError):
        raise error(
            "CQ406",
            f"`{path.name}` is no Parquet file, or a damaged one",
            span,
            "this file",
            help="write it anew, or name its format: `jsonl(…)`, `csv(…)`",
        ) from None
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _rows(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (" …" if len(numbers) > 5 else "")
    return f"row {shown}" if len(numbers) == 1 else f"{len(numbers)} rows ({shown})"
