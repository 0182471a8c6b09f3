"""The ID algorithm of Shpitser and Pearl (AAAI 2006, Figure 3), line by line.

It is complete: it fails exactly where two models agree on all that is observed and differ on the effect. The
distribution is carried as a term through every line, line 6 included, where libraries that look it up by name go
wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.causal.bits import before, bits
from causalcircuit.causal.law import Law
from causalcircuit.causal.mixed import Mixed
from causalcircuit.causal.steps import Claim, Trace
from causalcircuit.causal.terms import Term, prob, product, total


class NotIdentified(Exception):  # noqa: N818 - an outcome of the algorithm, never shown to a user
    """The recursion met a hedge: the district `forest`, and in it the district `inner` once the treatments are gone."""

    def __init__(self, forest: int, inner: int) -> None:
        self.forest = forest
        self.inner = inner
        super().__init__("not identified")


@dataclass(frozen=True, slots=True)
class Context:
    """What stays the same in a recursion: the graph, whose mechanisms they are, where steps are written down."""

    graph: Mixed
    trace: Trace | None = None
    population: str = ""

    def effect(self, of: int, do: int) -> Term:
        """P(of | do(do)) in the population in hand."""
        return prob(of, 0, do, self.population)


def identify(context: Context, y: int, x: int, law: Law, within: int, fixed: int = 0) -> Term:
    """P(y | do(x, fixed)) from the law of `within` under do(fixed).

    Args:
        context: the graph, and a trace if the steps are wanted.
        y: the outcomes, a part of `within`.
        x: the treatments, a part of `within` without `y`.
        law: the distribution of `within`; its term's other free variables are set.
        within: the vertices of the subgraph.
        fixed: what the steps name as set besides `x`.

    Raises:
        NotIdentified: with the hedge.
    """
    graph, trace = context.graph, context.trace
    if not x:  # line 1
        found = law.of(y)
        if trace is not None:
            trace.add("marginalisation", context.effect(y, fixed), found, note="nothing is set any more: read it off")
        return found

    up = graph.ancestors(y, within)
    if up != within:  # line 2
        if trace is not None and x & ~up:
            claim = Claim(y, x & ~up, x & up | fixed, x | fixed)
            old, new = context.effect(y, x | fixed), context.effect(y, x & up | fixed)
            trace.add("rule 3", old, new, claim, note="no path leads to the outcome")
        return identify(context, y, x & up, law.marginal(up), up, fixed)

    idle = within & ~x & ~graph.ancestors(y, within, x)
    if idle:  # line 3
        if trace is not None:
            claim = Claim(y, idle, x | fixed, x | fixed | idle)
            old, new = context.effect(y, x | fixed), context.effect(y, x | idle | fixed)
            trace.add("rule 3", old, new, claim, note="setting these changes nothing")
        x |= idle

    parts = graph.districts(within & ~x)
    if len(parts) > 1:  # line 4
        if trace is not None:
            split = [context.effect(part, (within & ~part) | fixed) for part in parts]
            after = total(within & ~(y | x), product(split))
            trace.add("c-components", context.effect(y, x | fixed), after, note="one factor for each district")
        return total(
            within & ~(y | x),
            product([identify(context, part, within & ~part, law, within, fixed) for part in parts]),
        )

    inner = parts[0]
    outer = graph.district((inner & -inner).bit_length() - 1, within)
    if outer == within:  # line 5
        raise NotIdentified(within, inner)
    if outer == inner:  # line 6
        terms = law.conditionals(inner)
        found = total(inner & ~y, product(terms))
        if trace is not None:
            _exchange(context, trace, y, inner, within, fixed, found)
        return found
    kernel = law.kernel(outer)  # line 7
    if trace is not None:
        _exchange(context, trace, outer, outer, within, fixed, kernel.joint)
    return identify(context, y, x & outer, kernel, outer, fixed | within & ~outer)


def _exchange(context: Context, trace: Trace, y: int, district: int, within: int, fixed: int, found: Term) -> None:
    """Lines 6 and 7: what is set outside a district is exchanged for what is seen, variable by variable.

    P(district | do(rest)) is the product over its members v of P(v | all before v, do(fixed)): the chain rule; then
    rule 3 removes the settings of later variables, and rule 2 turns those of earlier ones into conditions.
    """
    rest = within & ~district
    chain = [prob(1 << v, within & before(v), fixed, context.population) for v in bits(district)]
    claims = []
    for v in bits(district):
        earlier, later = rest & before(v), rest & ~before(v)
        bit = 1 << v
        if later:
            claims.append(Claim(bit, later, district & before(v) | earlier | fixed, rest | fixed))
        if earlier:
            claims.append(Claim(bit, earlier, district & before(v) | fixed, fixed, earlier))
    after = total(district & ~y, product(chain))
    trace.add(
        "rule 2", context.effect(y, rest | fixed), after, *claims, note="what is set becomes what is seen, causes first"
    )
    trace.add("substitution", after, found, note="what is known of these, without what does not matter")
