"""Random circuits of a given size: what a circuit is held against. No torch.

A random circuit is made of routes: walks along wires from an input to the readout, at each node onward by any of the
wires that leave it, each as likely, of those from which the readout is reached. Routes are added until the circuit has
as many wires as asked for. A route that would make it larger is drawn again; where none that fits shows itself, the
cheapest route through a wire at random is taken: one that uses what is there already wherever it can. So every wire of
a random circuit lies on a route from an input to the readout, as the wires of a circuit should.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from causalcircuit.diagnostics import error

_TRIES, _RESTARTS = 50, 30
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Web:
    """Wires between nodes, as far as routes are concerned.

    Attributes:
        source: [wires] the node that each leaves. onward: of each wire the nodes that write what its end reads;
            `None` where it ends in the readout.
        considered: [wires] which may be drawn.
        leaving: by node, the wires that leave it and from which the readout is reached. starts: where routes begin.
    """

    source: NDArray[np.intp]
    onward: Sequence[tuple[int, ...] | None]
    considered: Bools
    leaving: dict[int, list[int]] = field(init=False, default_factory=dict)
    entering: dict[int, list[int]] = field(init=False, default_factory=dict)
    starts: list[int] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Find out from where the readout is reached, and where routes begin."""
        useful = self._useful()
        for i in sorted(useful):
            self.leaving.setdefault(int(self.source[i]), []).append(i)
            for node in self.onward[i] or ():
                self.entering.setdefault(node, []).append(i)
        self.starts.extend(n for n in sorted(self.leaving) if n not in self.entering)

    def _useful(self) -> set[int]:
        """The wires from which the readout is reached."""
        into: dict[int, list[int]] = {}
        waiting: deque[int] = deque()
        for wire in np.flatnonzero(self.considered).tolist():
            nodes = self.onward[wire]
            if nodes is None:
                waiting.append(wire)
            for node in nodes or ():
                into.setdefault(node, []).append(wire)
        seen: set[int] = set()
        while waiting:
            i = waiting.popleft()
            if i not in seen:
                seen.add(i)
                waiting.extend(into.get(int(self.source[i]), ()))
        return seen

    @property
    def wires(self) -> set[int]:
        """Every wire that some route takes."""
        return {i for own in self.leaving.values() for i in own}

    def route(self, rng: np.random.Generator) -> list[int]:
        """A walk from an input to the readout, wire by wire."""
        node = self.starts[int(rng.integers(len(self.starts)))]
        out: list[int] = []
        while True:
            own = self.leaving[node]
            out.append(own[int(rng.integers(len(own)))])
            nodes = self.onward[out[-1]]
            if nodes is None:
                return out
            able = [n for n in nodes if n in self.leaving]
            node = able[int(rng.integers(len(able)))]

    def through(self, wire: int, used: set[int]) -> list[int]:
        """The route through a wire that takes the fewest wires which are not used yet."""
        after = self._cheapest(wire, used, forward=True)
        return [*self._cheapest(wire, used, forward=False), *after]

    def _cheapest(self, wire: int, used: set[int], *, forward: bool) -> list[int]:
        """The wires from a wire to the readout, or from an input up to it and with it."""
        waiting: deque[tuple[int, tuple[int, ...]]] = deque([(wire, ())])
        seen: set[int] = set()
        while waiting:
            i, before = waiting.popleft()
            if i in seen:
                continue
            seen.add(i)
            path = (*before, i)
            nodes = self.onward[i] if forward else (int(self.source[i]),)
            if nodes is None or (not forward and nodes[0] in self.starts):
                return list(path[1:]) if forward else list(path[::-1])
            along = self.leaving if forward else self.entering
            for j in (j for n in nodes for j in along.get(n, ())):
                if j not in seen:
                    (waiting.appendleft if j in used else waiting.append)((j, path))
        return []  # pragma: no cover - from every useful wire the readout and an input are reached


def random_circuit(web: Web, size: int, rng: np.random.Generator) -> Bools:
    """[wires] a random circuit of `size` wires.

    Raises:
        DiagnosticError: CQ811, no circuit of that size is made of routes.
    """
    every = web.wires
    for _ in range(_RESTARTS if size <= len(every) else 0):
        used: set[int] = set()
        while len(used) < size:
            more = _more(web, used, size - len(used), every, rng)
            if not more:
                break
            used |= more
        if len(used) == size:
            out = np.zeros(len(web.source), dtype=bool)
            out[sorted(used)] = True
            return out
    raise error(
        "CQ811",
        f"no random circuit has {size} wires: of those considered {len(every)} lie on routes from an input to the "
        "readout",
        help="claim something of a smaller circuit, or consider more nodes (`over = […]`)",
    )


def _more(web: Web, used: set[int], room: int, every: set[int], rng: np.random.Generator) -> set[int]:
    """The wires that a route adds, at least one and at most `room`."""
    for _ in range(_TRIES):
        new = set(web.route(rng)) - used
        if 0 < len(new) <= room:
            return new
    left = sorted(every - used)
    for i in rng.permutation(len(left)):
        new = set(web.through(left[int(i)], used)) - used
        if len(new) <= room:
            return new
    return set()


def inflated(web: Web, circuit: Bools, rng: np.random.Generator) -> tuple[Bools, int]:
    """[wires] a circuit with a random route added, and one of the wires that this added.

    Raises:
        DiagnosticError: CQ811, the circuit has every wire already.
    """
    used = set(np.flatnonzero(circuit).tolist())
    left = sorted(web.wires - used)
    if not left:
        raise error(
            "CQ811",
            "the circuit has every wire that lies on a route: nothing at random can be added to it",
            help="claim something of a smaller circuit, or consider more nodes (`over = […]`)",
        )
    new: list[int] = []
    for _ in range(_TRIES):
        new = sorted(set(web.route(rng)) - used)
        if new:
            break
    else:
        new = sorted(set(web.through(left[int(rng.integers(len(left)))], used)) - used)
    out = circuit.copy()
    out[new] = True
    return out, new[int(rng.integers(len(new)))]


def random_circuits(web: Web, size: int, seed: int, times: int) -> Iterator[Bools]:
    """`times` random circuits of `size` wires."""
    rng = np.random.default_rng(seed)
    for _ in range(times):
        yield random_circuit(web, size, rng)
