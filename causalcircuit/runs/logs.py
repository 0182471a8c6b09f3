"""Logs of values: written whole or not at all, with what they were made from, and never over another program's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from causalcircuit.diagnostics import Diagnostic, error
from causalcircuit.query import OutcomeTable, Program, render
from causalcircuit.query.logs import Logging
from causalcircuit.runs.manifest import Source, manifest
from causalcircuit.runs.node_tables import node_table

if TYPE_CHECKING:
    import pyarrow as pa

KEY = b"causalcircuit"
"""The key of a log's metadata."""


def ours(command: Logging) -> list[Diagnostic]:
    """What stands in the way of writing a log: known before anything runs."""
    if not os.path.lexists(command.path):
        return []
    told = provenance(command.path)
    if told is not None and told.get("program") == command.program:
        return []
    by = f"`{told.get('program')}` wrote it" if told is not None else "no `observe` wrote it"
    return [
        Diagnostic(
            "CQ869",
            f"`{command.path.name}` is there already, and {by}",
            command.span,
            help=("write to another file, or remove that one",),
        )
    ]


def provenance(path: Path) -> dict[str, Any] | None:
    """What a log says that it was made from; None of any other file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        held = pq.read_schema(path).metadata or {}
        found = json.loads(held[KEY])
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_log(command: Logging, table: OutcomeTable, program: Program, tasks: Iterable[Source], how: str) -> str:
    """Write the values of a command's nodes, a line for each row, and say where.

    Columns: `row`, the number of the row in the file of the data; the columns of cluster and weight; the nodes.

    Raises:
        DiagnosticError: CQ712, CQ713, CQ865 a row without a value; CQ720, a file that cannot be written; CQ869,
            another program's file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for problem in ours(command):
        raise error(problem.code, problem.message, problem.span, help=problem.help)
    told = {
        "program": command.program,
        "nodes": {name: render(value) for name, value in command.nodes},
        "data": command.data.label,
        "cluster": None if command.data.cluster is None else command.data.cluster.name,
        "made_from": manifest(program, tasks, how),
    }
    made = _columns(command, table).replace_schema_metadata({KEY: json.dumps(told, sort_keys=True)})
    waiting = ""
    try:
        command.path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=command.path.parent, suffix=".parquet", delete=False) as file:
            waiting = file.name
            pq.write_table(made, file)
        os.chmod(waiting, 0o666 & ~_mask())
        os.replace(waiting, command.path)
    except (OSError, pa.ArrowException) as problem:
        if waiting and os.path.exists(waiting):
            os.unlink(waiting)
        said = getattr(problem, "strerror", None) or str(problem)
        raise error(
            "CQ720", f"`{command.path.name}` cannot be written: {said}", command.span, help="name another file"
        ) from None
    return str(command.path)


def _columns(command: Logging, table: OutcomeTable) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, Any] = {"row": pa.array(table.rows, pa.int64())}
    for column in (command.data.cluster, command.data.weight):
        if column is not None:
            columns[column.name] = pa.array(table.columns[column.name].tolist())
    for name, values in node_table(command.nodes, table).items():
        columns[name] = pa.array(values.tolist())
    return pa.table(columns)


def _mask() -> int:
    """What a new file of this process is not open for."""
    found = os.umask(0)
    os.umask(found)
    return found
