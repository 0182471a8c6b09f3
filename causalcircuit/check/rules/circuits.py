"""Meaning 9: the wires of a circuit are those of a model that is read (CQ269)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import Expr, Input, Output, Site, Wire, Wires, World, cells_of, models_of


@rule
def circuits(context: Context) -> Iterator[Diagnostic]:
    """Look for worlds that assign the wires of a model from which nothing is read there."""
    seen: set[Wires] = set()
    for query in context.queries:
        for cell in cells_of(query.expr):
            read = models_of(cell.readout)
            for a in cell.world.assignments:
                wires = a.target
                if not isinstance(wires, Wires) or wires in seen or wires.model in _concerned(cell.world, read):
                    continue
                seen.add(wires)
                yield Diagnostic(
                    "CQ269",
                    f"`{shown(wires)}` are wires of `{wires.model}`, and nothing of it is read: `{shown(cell.readout)}`"
                    f" is of `{'`, `'.join(sorted(read))}`",
                    wires.span or a.span or query.span,
                    f"wires of `{wires.model}`",
                    help=(f"read an output of `{wires.model}`", "or assign a circuit of the model that is read"),
                )


def _concerned(world: World, read: set[str]) -> set[str]:
    """The models that can move what is read: those that are read, and those whose values they are given."""
    while True:
        given = (a.value for a in world.assignments if _model(a.target) in read)
        grown = read.union(*(models_of(v) for v in given))
        if grown == read:
            return read
        read = grown


def _model(target: Expr) -> str:
    if isinstance(target, Wire):
        return _model(target.source)
    if isinstance(target, Site):
        return target.address.model
    return target.model if isinstance(target, Input | Output | Wires) else ""
