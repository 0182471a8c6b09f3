"""`observe`: values of nodes written to a file, from which programs without the model estimate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from causalcircuit.query.expr import Expr
from causalcircuit.query.program import Estimation


@dataclass(frozen=True, slots=True)
class Logging(Estimation):
    """`observe [A, B] on d to "log.parquet"`; `queries` are the means of what a model must give.

    Attributes:
        nodes: the columns of the log, by name. path: of the file, absolute.
        program: the name of the file that asks; another's log is not overwritten.
    """

    nodes: tuple[tuple[str, Expr], ...] = ()
    path: Path = Path()
    program: str = ""
