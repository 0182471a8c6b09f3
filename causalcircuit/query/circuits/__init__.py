"""What can be done with circuits: sets of wires, routes, groups, comparison, and their files. No torch."""

from causalcircuit.query.circuits.compare import Comparison, compare
from causalcircuit.query.circuits.criteria import Both, Criterion, Either, Not, Test, filtered
from causalcircuit.query.circuits.files import READ, WRITTEN, as_text, from_text, read, write
from causalcircuit.query.circuits.groups import grouped
from causalcircuit.query.circuits.routes import belongs, paths, routes
from causalcircuit.query.circuits.sets import difference, intersection, renamed, strongest, union

__all__ = [
    "READ",
    "WRITTEN",
    "Both",
    "Comparison",
    "Criterion",
    "Either",
    "Not",
    "Test",
    "as_text",
    "belongs",
    "compare",
    "difference",
    "filtered",
    "from_text",
    "grouped",
    "intersection",
    "paths",
    "read",
    "renamed",
    "routes",
    "strongest",
    "union",
    "write",
]
