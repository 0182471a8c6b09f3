"""Logs from Python: `cq.observe(on=d, to="log.parquet", A=norm(A))`."""

from __future__ import annotations

from pathlib import Path

from causalcircuit.api.programs import answer
from causalcircuit.api.quantities import Quantity, merge
from causalcircuit.api.rows import Data
from causalcircuit.check.logs import logging
from causalcircuit.runs import Progress


def observe(*, on: Data, to: str | Path, progress: Progress | None = None, **nodes: Quantity) -> Path:
    """Log values of rows to a Parquet file: `observe(on=d, to="log.parquet", A=norm(A), LD=LD)`; its path.

    Raises:
        DiagnosticError: CQ868 a value that is no scalar of rows, CQ869 a file that something else wrote; what is wrong
            with the nodes.
    """
    file = Path(to).resolve()
    made = logging([(name, q.expr, None) for name, q in nodes.items()], on.ref, file, "<python>")
    answer(made, merge(*(q.models for q in nodes.values())), progress)
    return file
