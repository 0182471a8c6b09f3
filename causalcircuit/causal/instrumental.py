"""Instruments, unconditional and conditional, for the total effect of one treatment on one outcome in linear models.

Z is an instrument given W if, in the diagram without the first arrows of the causal paths, W separates Z from the
outcome, while in the diagram itself Z and the treatment are not separated by W; neither Z nor W may descend from a
vertex of a causal path (Brito and Pearl 2002). Then the effect is Cov(Z, Y | W) / Cov(Z, X | W), in linear models: a
graph alone does not identify it. For each Z the separator nearest to the outcome is tried, out of the ancestors of Z
and the outcome: if any variable is an instrument, then some is one in this way (van der Zander, Textor and Liśkiewicz
2015), though not each that could be made one by conditioning on colliders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from causalcircuit.causal.adjustment import Backdoor, problem
from causalcircuit.causal.bits import bits
from causalcircuit.causal.diagram import Diagram, Names, apart
from causalcircuit.causal.separation import separated
from causalcircuit.causal.separators import Cut
from causalcircuit.diagnostics import error


@dataclass(frozen=True)
class Instrument:
    """`z` moves the treatment and, given `given`, reaches the outcome only through it."""

    z: str
    treatment: str
    outcome: str
    given: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The estimand: the change of the outcome's mean for one unit of the treatment, in linear models."""
        bar = f" | {', '.join(self.given)}" if self.given else ""
        return f"Cov({self.z}, {self.outcome}{bar}) / Cov({self.z}, {self.treatment}{bar})"

    @property
    def latex(self) -> str:
        """The estimand as LaTeX."""
        bar = rf" \mid {', '.join(self.given)}" if self.given else ""
        cov = r"\mathrm{Cov}"
        return rf"\frac{{{cov}({self.z}, {self.outcome}{bar})}}{{{cov}({self.z}, {self.treatment}{bar})}}"

    def slope(self, covariance: npt.NDArray[np.float64], names: tuple[str, ...]) -> float:
        """The estimand on a covariance matrix of `names`."""
        at = {name: i for i, name in enumerate(names)}
        w = [at[name] for name in self.given]
        zxy = [at[name] for name in (self.z, self.treatment, self.outcome)]
        part = covariance[np.ix_(zxy, zxy)]
        if w:
            across = covariance[np.ix_(zxy, w)]
            part = part - across @ np.linalg.solve(covariance[np.ix_(w, w)], across.T)
        return float(part[0, 2] / part[0, 1])


def instruments(diagram: Diagram, of: str, do: str, allowed: Names | None = None) -> tuple[Instrument, ...]:
    """The variables that are instruments, each with one set of ancestors given which it is one; smallest sets first.

    Raises:
        DiagnosticError: CQ832 an unknown or latent variable, CQ833 the treatment is the outcome, CQ839 several of
            either.
    """
    frame, found = problem(diagram, of, do, allowed)
    if found.x.bit_count() != 1 or found.y.bit_count() != 1:
        raise error("CQ839", "an instrument is for one treatment and one outcome", help="ask of one pair at a time")
    sets = []
    for v in bits(found.allowed):
        w = given_for(found, 1 << v)
        if w is not None:
            sets.append((w.bit_count(), v, w))
    return tuple(Instrument(frame.names[v], do_name(do), do_name(of), frame.named(w)) for _, v, w in sorted(sets))


def is_instrument(diagram: Diagram, one: Instrument) -> bool:
    """Whether a variable, given others, is an instrument in a diagram."""
    frame, found = problem(diagram, one.outcome, one.treatment)
    z, w = frame.mask(one.z, "observed variable"), frame.mask(one.given, "observed variable")
    apart(frame, found.x, found.y, z, w)
    if (z | w) & found.forbidden:
        return False
    return separated(found.proper, z, found.y, w) and not separated(found.graph, z, found.x, w)


def do_name(name: Names) -> str:
    """The one name of a set of one."""
    return name if isinstance(name, str) else next(iter(name))


def given_for(found: Backdoor, z: int) -> int | None:
    """A set given which `z` is an instrument, or None."""
    cut = Cut(found.proper, z, found.y, found.allowed & ~z & ~found.x)
    if not cut.possible:
        return None
    w = cut.near_b()
    return None if separated(found.graph, z, found.x, w) else w
