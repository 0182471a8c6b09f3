"""Conditional effects: the IDC algorithm of Shpitser and Pearl (UAI 2006)."""

from __future__ import annotations

from causalcircuit.causal.bits import bits
from causalcircuit.causal.mixed import Mixed
from causalcircuit.causal.separation import separated
from causalcircuit.causal.steps import Claim, Trace
from causalcircuit.causal.terms import Ratio, Term, prob, ratio, total


def exchanged(graph: Mixed, y: int, x: int, z: int, trace: Trace | None = None) -> tuple[int, int]:
    """The treatments and conditions of P(y | do(x), z) once every condition that rule 2 lets be set is set.

    What is left is the smallest set of conditions, whatever the order; with it, the conditional effect is identified
    exactly if the joint effect on outcomes and conditions is.
    """
    moved = True
    while moved:
        moved = False
        for v in bits(z):
            bit = 1 << v
            if separated(graph.mutilated(x, bit), y, bit, x | z & ~bit):
                if trace is not None:
                    claim = Claim(y, bit, x | z & ~bit, x, bit)
                    trace.add(
                        "rule 2", prob(y, z, x), prob(y, z & ~bit, x | bit), claim, note="seeing it is setting it"
                    )
                x, z, moved = x | bit, z & ~bit, True
    return x, z


def divided(y: int, z: int, x: int, joint: Term, trace: Trace | None = None) -> Term:
    """P(y | do(x), z) from a term for P(y, z | do(x))."""
    if not z:
        return joint
    found = ratio(joint, total(y, joint))
    if trace is not None:
        whole = prob(y, z, x)
        trace.add("conditional probability", whole, Ratio(prob(y | z, 0, x), prob(z, 0, x)), note="its definition")
        trace.add("substitution", whole, found, note="what is known of numerator and denominator")
    return found
