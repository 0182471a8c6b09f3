"""From the rows of a table to the pattern of diagrams that fit them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import causalcircuit.causal.files as files
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import OutcomeTable
from causalcircuit.query.discovery import Discovered, Discovering
from causalcircuit.runs.node_tables import node_table

_WORDS = {"pc": "PC, tests of independence at the level {alpha:g}", "ges": "GES, a score for each diagram"}


def discovered(command: Discovering, table: OutcomeTable) -> Discovered:
    """The answer to `discover`.

    Raises:
        DiagnosticError: CQ712, CQ713, CQ850, CQ865 a row without a value; what is wrong with the columns (CQ846 to
            CQ849, CQ852).
    """
    from causalcircuit.inference import codes
    from causalcircuit.inference.observed._table import read
    from causalcircuit.scm.discovery import discover

    try:
        arrays: dict[str, Any] = node_table(command.nodes, table)
        names = [name for name, _ in command.nodes]
        data = read(arrays, names, None if table.cluster is None else codes(table.cluster), table.weight)
        ruled = frozenset(command.forbidden)
        edges, missed, notes = discover(
            data, names, command.method, command.alpha, command.resamples, command.seed, ruled
        )
    except DiagnosticError as problem:
        raise DiagnosticError(*(d.at(command.span) for d in problem.diagnostics)) from None
    if len(command.reads) > 1:
        notes = (*notes, "the row is a common cause of all nodes of a model: an edge between two may be its doing")
    return Discovered(
        command.name,
        tuple(names),
        command.data.label,
        data.n,
        data.units if data.clustered else None,
        _WORDS[command.method].format(alpha=command.alpha),
        command.resamples,
        command.seed,
        edges,
        missed,
        command.forbidden,
        notes,
        command.comments,
    )


def write(commands: Iterable[Discovering], found: Iterable[Discovered]) -> tuple[str, ...]:
    """Write the patterns that are saved; the files.

    Raises:
        DiagnosticError: CQ845, one cannot be written.
    """
    out: dict[str, None] = {}
    for command, pattern in zip(commands, found, strict=False):
        for path in command.saves:
            files.write(pattern.to_dot(), path, command.span)
            out[str(path)] = None
    return tuple(out)
