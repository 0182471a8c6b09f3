"""Whoever installs the package gets what it imports: third-party imports are declared dependencies."""

import sys
from importlib.metadata import packages_distributions, requires

import grimp
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def test_every_third_party_import_is_declared() -> None:
    requirements = [Requirement(line) for line in requires("causalcircuit") or []]
    # An extra's marker is false outside that extra.
    declared = {canonicalize_name(r.name) for r in requirements if not r.marker or r.marker.evaluate({"extra": ""})}
    graph = grimp.build_graph("causalcircuit", include_external_packages=True, cache_dir=None)
    foreign = {m.partition(".")[0] for m in graph.modules if graph.is_module_squashed(m)}
    homes = packages_distributions()
    undeclared = {
        name: homes.get(name, [])
        for name in foreign - sys.stdlib_module_names
        if not declared & {canonicalize_name(d) for d in homes.get(name, [])}
    }
    assert not undeclared
