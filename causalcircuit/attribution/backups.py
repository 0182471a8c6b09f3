"""Who takes over when a circuit is knocked out: a greedy search for the fewest further nodes.

Half of the sampling units choose, the other half says what is left: what is best by chance on the rows of a search
looks worse on others. A node is knocked out by all its wires. Embeddings and projectors are left out: to cut the input
is to cut everything.
"""

from __future__ import annotations

import numpy as np

from causalcircuit.attribution.chance import Bools
from causalcircuit.attribution.lab import Lab
from causalcircuit.attribution.summary import Floats

MOST = 8
"""Further nodes at most."""
_INPUTS = ("embed", "projector")


def backups(lab: Lab, leaving: float) -> str:
    """What knocking out further nodes leaves of the effect, in words.

    Args:
        lab: a circuit on some rows. leaving: at most so much of the effect is to be left.
    """
    search, rest = halves(lab)
    found, chosen = search_backups(lab, leaving, search)
    names = [lab.bench.wiring.writes[i].local for i in chosen]
    if not names:
        return ""
    left = _left(lab, found, search)
    said = f"without it and {', '.join(names)} {left:.0%} of the effect are left where they were searched for"
    if rest.any():
        said += f", and {_left(lab, found, rest):.0%} on the other half of the units"
    return said if left <= leaving else f"no {MOST} further nodes take over alone: {said}"


def halves(lab: Lab) -> tuple[Bools, Bools]:
    """[rows] twice: every other sampling unit, and the others."""
    unit = np.arange(lab.data.n) if lab.cluster is None else lab.cluster
    odd: Bools = unit % 2 == 0
    return odd, ~odd


def search_backups(lab: Lab, leaving: float, rows: Bools) -> tuple[Bools, list[int]]:
    """The wires that are kept when the fewest further nodes are knocked out, and these nodes, in order."""
    kept = ~lab.wires
    chosen: list[int] = []
    writers = lab.bench.wiring.writers.numpy()
    while _left(lab, kept, rows) > leaving and len(chosen) < MOST:
        able = sorted(set(writers[lab.considered & kept].tolist()) - set(chosen))
        able = [i for i in able if lab.bench.wiring.writes[i].path[-1].name not in _INPUTS and not _feeds(lab, i)]
        if not able:
            break
        tries = [kept & ~lab.leaving(i) for i in able]
        left = [_share(lab, s, rows) for s in lab.readouts(tries)]
        best = int(np.argmin(left))
        if left[best] >= _left(lab, kept, rows):
            break
        kept = tries[best]
        chosen.append(able[best])
    return kept, chosen


def _feeds(lab: Lab, node: int) -> bool:
    return lab.bench.wiring.writes[node].path[0].name in _INPUTS


def _left(lab: Lab, kept: Bools, rows: Bools) -> float:
    return _share(lab, lab.readouts([kept])[0], rows)


def _share(lab: Lab, readout: Floats, rows: Bools) -> float:
    """The part of the effect of all wires that is left, over some rows."""
    w = (np.ones(lab.data.n) if lab.weight is None else lab.weight)[rows]
    whole = float(w @ (lab.whole - lab.none)[rows])
    return float(w @ (readout - lab.none)[rows]) / whole if whole else float("nan")
