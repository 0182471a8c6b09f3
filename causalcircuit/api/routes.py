"""The causal claim of a circuit, as a diagram: `cq.diagram(C)`."""

from __future__ import annotations

from causalcircuit.api.circuits import Circuit
from causalcircuit.api.diagrams import Drawing
from causalcircuit.api.quantities import Quantity, merge
from causalcircuit.check import sites
from causalcircuit.check.routed import READOUT, routed
from causalcircuit.query import Expr
from causalcircuit.query.circuits.formulas import effect_of


def diagram(circuit: Circuit, readout: Quantity | None = None, *, name: str = "D", assume: str = "") -> Drawing:
    """The causal claim that a circuit makes: its wires as arrows, `<->` for what is not in it and leads to two of it.

    Args:
        circuit: an attributed one is attributed for it. readout: what its last wires end in; by default what it was
            attributed for, or a variable of the name `readout`. name: how answers call the diagram.
        assume: what is taken for granted beside it, for reports.

    Raises:
        DiagnosticError: CQ288 a node that the wiring does not place, CQ289 two that overlap.
    """
    models = merge(circuit.models, {} if readout is None else readout.models)
    effect = effect_of(circuit.declared.formula)
    end: Expr = readout.expr if readout is not None else READOUT if effect is None else effect.readout
    made = routed(name, circuit.circuit, end, lambda m: sites(models[m]), {}, assume)
    return Drawing(made, models)
