"""Supernodes: a name for several nodes of a circuit, which stay what they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from causalcircuit.diagnostics import error
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.routes import belongs, meets
from causalcircuit.query.expr import Site
from causalcircuit.query.render import render


def grouped(circuit: Circuit, groups: Mapping[str, Iterable[Site]]) -> Circuit:
    """The circuit with supernodes: each name stands for the nodes that it is given, and for what these read.

    Raises:
        DiagnosticError: CQ261, a node that the circuit has not, or that is in two groups.
    """
    out = dict(circuit.groups)
    taken = {site: name for name, sites in out.items() for site in sites}
    for name, wanted in groups.items():
        members: dict[Site, None] = {}
        for site in wanted:
            found = [s for s in circuit.sites if meets(s, site) or belongs(s, site, circuit.shared)]
            if not found:
                raise error(
                    "CQ261",
                    f"`{circuit.name}` has no node `{render(site)}`",
                    help=f"a group is made of nodes that wires of `{circuit.name}` join",
                )
            members.update(dict.fromkeys(found))
        twice = next((s for s in members if taken.get(s, name) != name), None)
        if twice is not None:
            raise error(
                "CQ261",
                f"`{render(twice)}` is in two groups, `{taken[twice]}` and `{name}`",
                help="a node belongs to one group",
            )
        taken.update(dict.fromkeys(members, name))
        out[name] = tuple(dict.fromkeys((*out.get(name, ()), *members)))
    return replace(circuit, groups=out)
