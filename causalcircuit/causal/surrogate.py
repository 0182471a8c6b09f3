"""Identification from several distributions: surrogate experiments and other populations.

The effect is split into the c-factors of the districts that lead to the outcome; each is looked for in every given
distribution whose experiment leaves the district alone and whose population shares its mechanisms. From distributions
of all variables this is gID (Lee, Correa and Bareinboim 2019) and general transportability (the same, 2020), both
complete. Distributions of some variables are used where a district's parents are all among them, and in projections
of the diagram; that is sound, and not complete.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from causalcircuit.causal.bits import subsets
from causalcircuit.causal.id import Context, NotIdentified, identify
from causalcircuit.causal.law import Observed
from causalcircuit.causal.mixed import Mixed
from causalcircuit.causal.sources import Setting, Source
from causalcircuit.causal.steps import Claim, Trace
from causalcircuit.causal.terms import Term, prob, product, total

_SUBSETS = 6  # so many variables that could be left out: all ways are tried


class Unreached(NotIdentified):
    """A district that no source gives; with the hedge met in each source that was tried."""

    def __init__(self, part: int, hedges: tuple[tuple[Source, NotIdentified], ...]) -> None:
        super().__init__(0, part)
        self.part = part
        self.hedges = hedges

    @property
    def outer(self) -> int:
        """The variables of all hedges, and of the district."""
        found = self.part
        for _, hedge in self.hedges:
            found |= hedge.forest
        return found


def general(setting: Setting, y: int, x: int, trace: Trace | None = None) -> Term:
    """P(y | do(x)) from the sources of a setting.

    Raises:
        Unreached: no way was found; if `setting.complete`, there is none.
    """
    failures: list[Unreached] = []
    for graph, within in _views(setting, y | x):
        steps = Trace() if trace is not None else None
        try:
            found = _within(setting, graph, within, y, x, steps)
        except Unreached as problem:
            failures.append(problem)
            continue
        if trace is not None and steps is not None:
            trace.extend(steps)
        return found
    raise failures[0]


def _views(setting: Setting, asked: int) -> Iterator[tuple[Mixed, int]]:
    """The diagram, and where sources are partial, its projections onto what they share with the question."""
    yield setting.graph, setting.all
    if setting.complete:
        return
    tried = {setting.all}
    reach = [s.measured | s.do for s in setting.sources]
    kept: list[int] = []
    for count in range(1, min(len(reach), _SUBSETS) + 1):
        for chosen in itertools.combinations(reach[:8], count):
            union = asked
            for one in chosen:
                union |= one
            kept.append(union)
    optional = setting.all & ~asked
    if optional.bit_count() <= _SUBSETS:
        kept += [asked | part for part in subsets(optional)]
    for within in kept:
        if within not in tried:
            tried.add(within)
            yield setting.graph.without(setting.all & ~within), within


def _within(setting: Setting, graph: Mixed, within: int, y: int, x: int, trace: Trace | None) -> Term:
    up = graph.ancestors(y, within, x)
    if trace is not None and x & ~up:
        trace.add(
            "rule 3",
            prob(y, 0, x),
            prob(y, 0, x & up),
            Claim(y, x & ~up, x & up, x),
            note="no path leads to the outcome",
        )
    x &= up
    needed = graph.ancestors(y, within & ~x)
    for source in setting.sources:
        found = _whole(graph, within, source, y, x, needed, trace)
        if found is not None:
            return found
    parts = graph.districts(needed)
    if trace is not None:
        split = product([prob(part, 0, within & ~part) for part in parts])
        trace.add("c-components", prob(y, 0, x), total(needed & ~y, split), note="one factor for each district")
    return total(needed & ~y, product([_part(setting, graph, within, part, trace) for part in parts]))


def _whole(graph: Mixed, within: int, source: Source, y: int, x: int, needed: int, trace: Trace | None) -> Term | None:
    """The effect from one source alone: what else it sets leads nowhere, and no mechanism on the way differs."""
    measured = source.measured & within
    if source.do & ~within or y & ~measured or x & ~(measured | source.do):
        return None
    if needed & (source.do | source.differs(graph)):
        return None
    steps = Trace() if trace is not None else None
    if steps is not None:
        added = prob(y, 0, x | source.do, source.population)
        claim = Claim(y, source.do & ~x, x, x | source.do)
        steps.add("rule 3", prob(y, 0, x), prob(y, 0, x | source.do), claim, note="setting these changes nothing")
        steps.add("transport", prob(y, 0, x | source.do), added, note="no mechanism on the way differs")
    found = _from(graph, within, source, y, x & measured, steps)
    if isinstance(found, NotIdentified):
        return None
    if trace is not None and steps is not None:
        trace.extend(steps)
    return found


def _part(setting: Setting, graph: Mixed, within: int, part: int, trace: Trace | None) -> Term:
    """The c-factor of a district from the first source that gives it."""
    hedges = []
    outside = graph.parents(part) & within & ~part
    for source in setting.sources:
        measured = source.measured & within
        if source.do & ~within or part & ~measured or outside & ~(measured | source.do):
            continue
        if part & (source.do | source.differs(graph)):
            continue
        steps = Trace() if trace is not None else None
        if steps is not None:
            kept = prob(part, 0, measured & ~part | source.do)
            steps.add("rule 3", prob(part, 0, within & ~part), kept, note="its parents are set")
            shared = prob(part, 0, measured & ~part | source.do, source.population)
            steps.add("transport", kept, shared, note="its mechanisms do not differ")
        found = _from(graph, within, source, part, measured & ~part, steps)
        if isinstance(found, NotIdentified):
            hedges.append((source, found))
            continue
        if trace is not None and steps is not None:
            trace.extend(steps)
        return found
    raise Unreached(part, tuple(hedges))


def _from(graph: Mixed, within: int, source: Source, y: int, x: int, trace: Trace | None) -> Term | NotIdentified:
    measured = source.measured & within
    hidden = within & ~(measured | source.do)
    seen = graph.without(hidden) if hidden else graph
    context = Context(seen, trace, source.population)
    try:
        return identify(context, y, x, Observed(seen, measured, source.do, source.population), measured, source.do)
    except NotIdentified as failure:
        return failure
