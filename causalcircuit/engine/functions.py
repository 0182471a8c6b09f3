"""Functions in Python: loaded from their files, called once for each row."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.engine.values import Value
from causalcircuit.query import Applied, Expr, walk
from causalcircuit.query.functions import Function, loading, registered
from causalcircuit.rows import Dataset

_LOADED: dict[Path, int] = {}


def load_functions(formulas: Iterable[Expr]) -> None:
    """Load the files of all functions that formulas call, each once.

    Raises:
        DiagnosticError: CQ496, a file whose code fails, or a function that nobody registers.
    """
    for e in dict.fromkeys(e for formula in formulas for e in walk(formula, worlds=False) if isinstance(e, Applied)):
        if e.file is not None:
            _load(e.file, e)
        if registered(e.function, e.file) is None:
            raise error(
                "CQ496",
                f"no function is registered as `{e.function}`",
                e.span,
                help=f'`@causalcircuit.readout("{e.function}")` above a function registers it',
            )


def _load(file: Path, e: Applied) -> None:
    stamp = file.stat().st_mtime_ns
    if _LOADED.get(file) == stamp:
        return
    name = f"causalcircuit_readouts_{abs(hash(file)):x}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise error("CQ496", f"the file `{file.name}` is no Python", e.span, help="its name ends in `.py`")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as an import would: its classes know where they come from
    try:
        with loading(file):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as problem:
        raise error(
            "CQ496", f"the code of `{file.name}` fails: {_said(problem)}", e.span, help="run it by itself to see where"
        ) from None
    _LOADED[file] = stamp


def _said(problem: BaseException) -> str:
    text = str(problem).strip().splitlines()
    return type(problem).__name__ + (f": {text[0][:200]}" if text else "")


def each_row(e: Applied, columns: Sequence[Sequence[Any]], data: Dataset, chunk: range) -> Value:
    """[rows] what a function gives for each row of a chunk.

    Args:
        e: the call. columns: for each argument its value on each row. data: the rows. chunk: which of them.

    Raises:
        DiagnosticError: CQ497, the function fails, or gives no number.
    """
    function = registered(e.function, e.file)
    if function is None:
        raise TypeError(f"{e.function} is not registered")  # `load_functions` has looked
    rows = [_number(e, function, [column[k] for column in columns], data, chunk.start + k) for k in range(len(chunk))]
    return Value(torch.tensor(rows, dtype=torch.float64))


def _number(e: Applied, function: Function, arguments: list[Any], data: Dataset, row: int) -> float:
    try:
        found = function(*arguments)
    except Exception as problem:
        raise _failed(e, f"fails: {_said(problem)}", data, row) from problem
    if not isinstance(found, bool | int | float | np.number | np.bool_):
        raise _failed(e, f"gives no number but {type(found).__name__}", data, row)
    return float(found)


def _failed(e: Applied, what: str, data: Dataset, row: int) -> DiagnosticError:
    return error(
        "CQ497",
        f"`{e.function}` {what} (row {data.rows[row]})",
        e.span,
        where=data.place(row),
        help="a readout gives one number for the values of one row",
    )


def by_row(value: Value, rows: int) -> list[Any]:
    """A value as Python sees it: for each row a float, or an array [positions, components]."""
    data = value.data.detach().cpu()
    plain = (data if data.dtype == torch.float64 else data.float()).numpy()
    if value.scalar:
        return [float(x) for x in np.broadcast_to(plain, rows)]
    if value.counts is None:
        return [line[None].copy() for line in np.broadcast_to(plain, (rows, plain.shape[-1]))]
    ends = np.cumsum(value.counts)
    return [plain[end - count : end].copy() for end, count in zip(ends, value.counts, strict=True)]
