"""The canonical text of circuits that are not known yet."""

from __future__ import annotations

import hashlib

from causalcircuit.query.circuits.compare import wire_text
from causalcircuit.query.circuits.formulas import (
    Attributed,
    Between,
    Filtered,
    Formula,
    Grouped,
    Joined,
    Known,
    Smallest,
    Strongest,
)
from causalcircuit.query.expr import Site
from causalcircuit.query.render import Names, render

_FEW = 3


def text_of(formula: Formula, names: Names | None = None) -> str:
    """A formula as the language writes it; a known circuit by its wires, where they are many by the hash of them."""
    match formula:
        case Known(circuit=circuit):
            every = [f"({wire_text(e)})" for e in circuit.edges]
            # The text stands for the circuit wherever worlds are told apart: what it leaves out, its hash holds.
            digest = hashlib.sha256("\n".join(sorted(every)).encode()).hexdigest()
            more = f", and {len(every) - _FEW} more: {digest[:16]}" if len(every) > _FEW else ""
            return "{" + ", ".join(every[:_FEW]) + more + "}"
        case Attributed(readout=readout, over=over, method=method, data=data):
            said = [render(readout, names), *([f"over = {_sites(over)}"] if over else [])]
            said += [f"from = {formula.side('from', names)}", f"to = {formula.side('to', names)}", f"method = {method}"]
            said += [f"keep = {formula.keep}"] if formula.keep is not None else []
            said += [f"above = {formula.above:g}"] if formula.above is not None else []
            said += [f"trust = {formula.trust}"] if formula.trust.name != "quick" else []
            return f"attribute({', '.join(said)}) on {data.label}{_seeded(formula.seed)}"
        case Smallest(of=of, search=search, faithful=faithful, data=data):
            said = [text_of(of, names), f"search = {search}", f"faithful > {faithful:g}"]
            return f"smallest({', '.join(said)}) on {data.label}{_seeded(formula.seed)}"
        case Joined(how="except", left=left, right=right):
            return f"({text_of(left, names)} except {text_of(right, names)})"
        case Joined(how=how, left=left, right=right):
            return f"{how}({text_of(left, names)}, {text_of(right, names)})"
        case Filtered(of=of, criterion=criterion):
            return f"({text_of(of, names)} where {criterion})"
        case Strongest(of=of, count=count):
            return f"strongest({text_of(of, names)}, {count})"
        case Between(of=of, start=start, end=end):
            return f"paths({text_of(of, names)}, {_sites(start)}, {'readout' if end is None else _sites(end)})"
        case Grouped(of=of, groups=groups):
            said = [f"{name} = {_sites(sites)}" for name, sites in groups]
            return f"group({text_of(of, names)}, {', '.join(said)})"


def _seeded(seed: int | None) -> str:
    return "" if seed is None else f" seed {seed}"


def _sites(sites: tuple[Site, ...]) -> str:
    return f"[{', '.join(map(render, sites))}]"
