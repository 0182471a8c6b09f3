"""What the worlds of a plan have in common: what they are fed, where they resume, and what their passes take.

A sweep asks of many worlds what differs between few of them: it is worked out once for all that are alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from causalcircuit.engine.batches import Sizes
from causalcircuit.engine.prepared import Prepared, Setup, awaited
from causalcircuit.engine.starts import Firsts, Start, fed_alike, start_of, tensors_of
from causalcircuit.models import has_prefix

_FEWEST = 4
"""Positions that are worth a cache."""


class Alike:
    """Worlds by what they have in common.

    Attributes:
        fed: for each world that may share, the first one that is fed the same. start: the block where it resumes.
        like: the first world that is fed the same, and differs at the same positions: what follows asks for that one.
    """

    def __init__(self, prepared: Prepared, *, share: bool) -> None:
        """Look at the worlds of a plan; none of them may share anything unless `share`."""
        self._prepared = prepared
        self._firsts = Firsts(prepared)
        self._costs: dict[tuple[int, int], int] = {}
        setups = prepared.setups
        plain = [(i, s) for i, s in enumerate(setups) if s.run.said is None and not awaited(s.run)]
        self.fed = fed_alike(plain) if share else {}
        self.start = self._starts()
        first: dict[object, int] = {}
        may: dict[tuple[str, frozenset[str]], bool] = {}
        prefix = {i: setups[i].prompts is not None and _may_prefix(setups[i], may) for i in self.fed}
        self.like = {i: first.setdefault((key, prefix[i], self._firsts.form(i)), i) for i, key in self.fed.items()}
        self._prefix = {i for i in first.values() if prefix[i]}

    def cost(self, index: int, row: int) -> int:
        """Positions that a row takes in a world's pass: as many in each that is fed the same."""
        key = self.fed.get(index, index), row
        if key not in self._costs:
            self._costs[key] = self._prepared.setups[index].cost(row)
        return self._costs[key]

    def left(self, index: int, row: int) -> int:
        """Positions that a row takes in a world's pass, less those that come from a cache."""
        setup = self._prepared.setups[index]
        cost = self.cost(index, row)
        if index in self._prefix and setup.prompts is not None:
            first = self._firsts.needed(index, row)
            cost -= min(first, len(setup.prompts[row].ids) - 1) * len(setup.continuations[row])
        return max(cost, 1)

    def sizes(self, chunk: range) -> Sizes:
        """For a world the number of its items and their length, row by row."""
        known: dict[int, list[tuple[int, int]]] = {}

        def sizes(index: int) -> Sequence[tuple[int, int]]:
            key = self.fed.get(index, index)
            if key not in known:
                counts = [(len(self._prepared.setups[index].continuations[row]), row) for row in chunk]
                known[key] = [(count, self.cost(index, row) // count) for count, row in counts]
            return known[key]

        return sizes

    def share(self, index: int, start: Start) -> float:
        """The share of a whole pass that a world which resumes at `start` does not run."""
        setup = self._prepared.setups[index]
        blocks = [len(s.blocks) for s in setup.model.stacks]
        saved = (sum(blocks[: start.tower]) + start.layer) / max(1, sum(blocks))
        if index in self._prefix and setup.prompts is not None:
            lengths = [len(p.ids) for p in setup.prompts[:8]]
            share = [min(self._firsts.needed(index, row), n - 1) / n for row, n in enumerate(lengths)]
            saved += 0.5 * min(share, default=0.0)
        return saved

    def first(self, index: int, chunk: range, columns: int) -> int:
        """The first column that a world must compute; 0 where what comes before is not worth a cache."""
        setup = self._prepared.setups[index]
        if index not in self._prefix or setup.prompts is None:
            return 0
        found = columns
        for row in chunk:
            length = len(setup.prompts[row].ids)
            first = min(self._firsts.needed(index, row), length - 1)
            more = max(len(c) for c in setup.continuations[row])
            found = min(found, first + (columns - length - more if setup.model.side == "left" else 0))
        return found if found >= max(_FEWEST, columns // 4) else 0

    def _starts(self) -> dict[int, Start]:
        """Where each world resumes; many see the same tensors."""
        known: dict[tuple[str, frozenset[str]], Start] = {}
        out: dict[int, Start] = {}
        for i in self.fed:
            setup = self._prepared.setups[i]
            seen = frozenset(tensors_of(setup))
            key = (setup.run.model, seen)
            if key not in known:
                known[key] = start_of(setup.model, seen)
            out[i] = known[key]
        return out


def _may_prefix(setup: Setup, known: dict[tuple[str, frozenset[str]], bool]) -> bool:
    """Whether positions of this world may come from a cache: nothing is seen inside the attention function."""
    tensors = frozenset([*(e.info.tensor for e in setup.edits), *(s.info.tensor for s in setup.sites)])
    key = setup.run.model, tensors
    if key not in known:
        seen = {tensor.rpartition(".")[2] for tensor in tensors}
        known[key] = has_prefix(setup.model) and not seen & {"q", "k", "v", "pattern"}
    return known[key]
