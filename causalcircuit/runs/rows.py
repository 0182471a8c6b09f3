"""The units × worlds tables as Parquet."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import Result


def make_folder(folder: Path) -> None:
    """Make a folder for rows and try it, so that a long run does not end in one that cannot be written.

    Raises:
        DiagnosticError: CQ720.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        raise _unwritable(folder, problem) from None


def save_rows(result: Result, folder: Path) -> list[Path]:
    """Write each table of a result to `folder/<data>.parquet`, in the long form.

    Columns: row (int64), cluster (string), world, readout (canonical text), draw (int32), value (float64, as
    computed), text (string, of a generated text).

    Raises:
        DiagnosticError: CQ720, the folder cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            ("row", pa.int64()),
            ("cluster", pa.string()),
            ("world", pa.dictionary(pa.int32(), pa.string())),
            ("draw", pa.int32()),
            ("readout", pa.dictionary(pa.int32(), pa.string())),
            ("value", pa.float64()),
            ("text", pa.string()),
        ]
    )
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for label, table in result.tables.items():
            path = folder / f"{label}.parquet"
            pq.write_table(pa.table(table.records(), schema=schema), path)
            written.append(path)
    except OSError as problem:
        raise _unwritable(folder, problem) from None
    return written


def _unwritable(folder: Path, problem: OSError) -> DiagnosticError:
    return error("CQ720", f"the rows cannot be written to `{folder}`: {problem.strerror}", help="name another folder")
