"""The passes of a sweep over a chunk of rows: which worlds share one, and what of it is known beforehand.

Worlds that are fed the same share what is computed before their first assignment. The bare pass over what they are fed
is recorded; a world resumes it at the first block, and for causal models at the first position, where it may differ.
Worlds that resume at one block run side by side along the batch axis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from causalcircuit.engine.alike import Alike
from causalcircuit.engine.batches import Sizes, Slot, levels, slots_of
from causalcircuit.engine.prepared import Prepared, Setup
from causalcircuit.engine.starts import WHOLE, Start, attention_is_known, tensors_of
from causalcircuit.models import LoadedModel
from causalcircuit.query.plan import Stage

How = Literal["full", "naive"]
"""Whether passes share what they have in common, or every world runs whole."""
BARE = -1
"""The index of a slot that no run of the plan is: a bare pass that is recorded for others."""
_OVERHEAD = 32
"""What a pass costs a block besides its positions, in positions: weights are read."""
_PASS = 2e8
"""What a pass costs in all, in operations: milliseconds of Python and of starting kernels."""


@dataclass(frozen=True, slots=True, eq=False)
class PassPlan:
    """One forward pass.

    Attributes:
        slots: the worlds and rows in it. model: whose pass.
        base: the number of the bare pass that it resumes or records; `None` where it shares nothing.
        records: whether it is that bare pass. cache: whether it keeps keys and values.
        start: the first block that runs. first: the first column of the padded text that is computed.
        columns: of the padded text, where it shares.
        attended: whether the first block's attention is as in the bare pass, up to its output projection.
        proves: whether it carries a witness: the first pass of its kind in the first chunk of rows.
    """

    slots: tuple[Slot, ...]
    model: LoadedModel
    base: int | None = None
    records: bool = False
    cache: bool = False
    start: Start = WHOLE
    first: int = 0
    columns: int = 0
    attended: bool = False
    proves: bool = False

    @property
    def kind(self) -> tuple[Start, bool, bool]:
        """How it resumes: what is proven once."""
        return self.start, self.first > 0, self.attended


@dataclass(eq=False)
class _Group:
    """Worlds of a chunk that are fed the same: their numbers, and the bare one if it is among them."""

    key: int
    worlds: list[int]
    bare: int | None = None


class Schedule:
    """What is known of all worlds of a plan before the first pass."""

    def __init__(self, prepared: Prepared, limit: int, how: How = "full") -> None:
        """Passes of at most `limit` positions."""
        self.prepared, self.limit, self.how = prepared, limit, how
        self.alike = Alike(prepared, share=how == "full")
        self._blocks: dict[str, int] = {}

    def chunks(self, stage: Stage) -> Iterator[range]:
        """The rows of a sweep in chunks, such that passes which resume at one block about fill `limit` positions.

        Rows are outermost: what is read in one world for another lives for one chunk only, and an interrupted run has
        whole rows.
        """
        n = self.prepared.data.n
        setups = [self.prepared.setups[i] for i in stage.runs]
        if not setups:
            if n:
                yield range(n)
            return
        fed, like, start = self.alike.fed, self.alike.like, self.alike.start
        passes = len({(s.run.depth, fed.get(i), start.get(i)) for i, s in zip(stage.runs, setups, strict=True)})
        widest = {fed.get(i, i) for i in stage.runs}
        counts = Counter(like.get(i, i) for i in stage.runs)
        row = 0
        while row < n:
            end, spent, base = row, 0, 0
            while end < n:
                cost = sum(count * self.alike.left(i, end) for i, count in counts.items())
                most = max(self.alike.cost(i, end) for i in widest)
                if end > row and (spent + cost > self.limit * passes or base + most > self.limit):
                    break
                spent, base, end = spent + cost, base + most, end + 1
            yield range(row, end)
            row = end

    def passes(self, stage: Stage, chunk: range) -> Iterator[PassPlan]:
        """The passes of a sweep over a chunk, each after all that it needs."""
        recorded: dict[int, PassPlan] = {}
        proven: set[object] = set()
        sizes = self.alike.sizes(chunk)
        for level in levels(self.prepared, stage):
            groups = self._groups(level, stage, recorded)
            for group in groups:
                for found in self._group(group, chunk, recorded, sizes):
                    # By place and not by what has run: a run that is taken up again makes the same passes.
                    proves = not chunk.start and not found.records and (found.model.ref.name, found.kind) not in proven
                    proven.add((found.model.ref.name, found.kind) if proves else None)
                    yield replace(found, proves=proves)
            shared = {i for g in groups for i in (*g.worlds, g.bare)}
            alone = [i for i in level if i not in shared]
            for slots in slots_of(self.prepared, alone, chunk, self.limit, sizes=sizes):
                yield PassPlan(tuple(slots), slots[0].setup.model)

    def _groups(self, level: Sequence[int], stage: Stage, recorded: dict[int, PassPlan]) -> list[_Group]:
        """Worlds of a level that share a bare pass, where that saves work."""
        found: dict[int, _Group] = {}
        for i in level:
            if i in self.alike.fed:
                found.setdefault(self.alike.fed[i], _Group(self.alike.fed[i], [])).worlds.append(i)
        out: list[_Group] = []
        for key, group in found.items():
            bare = [i for i in group.worlds if not self.prepared.setups[i].edits]
            group.bare = bare[0] if bare else None
            group.worlds = [i for i in group.worlds if i != group.bare]
            later = [i for i in stage.runs if self.alike.fed.get(i) == key and i != group.bare]
            if (key in recorded and group.worlds) or self._saves(later, group.bare is not None or key in recorded):
                out.append(group)
        return out

    def _saves(self, worlds: Sequence[int], free: bool) -> bool:
        """Whether a recorded bare pass saves more blocks than it costs; `free` where it is run anyway."""
        counts = Counter((self.alike.like[i], self.alike.start[i]) for i in worlds)
        return sum(n * self.alike.share(i, start) for (i, start), n in counts.items()) > (0.0 if free else 1.1)

    def _group(
        self,
        group: _Group,
        chunk: range,
        recorded: dict[int, PassPlan],
        sizes: Sizes,
    ) -> Iterator[PassPlan]:
        setups = self.prepared.setups
        some = setups[group.worlds[0] if group.bare is None else group.bare]
        if group.key not in recorded:
            whole = _whole_chunk(some if group.bare is not None else _bare(some), group.bare, chunk)
            columns = _columns(some, chunk)
            cache = self._cached(group, chunk, columns)
            recorded[group.key] = PassPlan(whole, some.model, group.key, True, cache, columns=columns)
            yield recorded[group.key]
        elif group.bare is not None:
            group.worlds.append(group.bare)
        base = recorded[group.key]
        for each in self._shared(group.worlds, chunk, base):
            width = max(1, base.columns - each.first) / max(1, base.columns)
            for slots in slots_of(self.prepared, each.worlds, chunk, self.limit, width, sizes):
                seen = {name for slot in slots for name in tensors_of(slot.setup)}
                yield PassPlan(
                    tuple(slots),
                    base.model,
                    group.key,
                    start=each.start,
                    first=each.first,
                    columns=base.columns,
                    attended=attention_is_known(base.model, each.start, seen),
                )

    def _cached(self, group: _Group, chunk: range, columns: int) -> bool:
        """Whether any world that may resume this pass starts at a later position, in this level or a later one."""
        every = {self.alike.like[i] for i, key in self.alike.fed.items() if key == group.key and i != group.bare}
        return any(self.alike.first(i, chunk, columns) > 0 for i in every)

    def _shared(self, worlds: Sequence[int], chunk: range, base: PassPlan) -> Iterator[_Segment]:
        """Worlds that run side by side: those that start alike, joined where a pass of their own would cost more."""
        found: dict[tuple[Start, int], list[int]] = {}
        like, start_of = self.alike.like, self.alike.start
        kinds = {like[i] for i in worlds} if base.cache else ()
        firsts = {i: self.alike.first(i, chunk, base.columns) for i in kinds}
        for i in worlds:
            found.setdefault((start_of[i], firsts.get(like[i], 0)), []).append(i)
        positions = sum(self.alike.cost(worlds[0], row) for row in chunk) if worlds else 0  # they are fed alike
        each = self._block(base.model)
        held: _Segment | None = None
        for (start, first), own in sorted(found.items(), reverse=True):
            here = _Segment(own, start, first, positions * len(own))
            if held is None:
                held = here
                continue
            both = held.joined(here)
            if both.blocks(base) * each < (held.blocks(base) + here.blocks(base)) * each + self._overhead(
                base.model, held.start
            ):
                held = both
            else:
                yield held
                held = here
        if held is not None:
            yield held

    def _overhead(self, model: LoadedModel, start: Start) -> float:
        """What a pass costs besides its positions, in operations."""
        return _PASS + _OVERHEAD * _later(model, start) * self._block(model)

    def _block(self, model: LoadedModel) -> int:
        """Operations of a position in a block: two for each of its weights."""
        name = model.ref.name
        if name not in self._blocks:
            self._blocks[name] = 2 * sum(p.numel() for p in model.stacks[-1].blocks[-1].module.parameters())
        return self._blocks[name]


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    """Worlds that run side by side, the first block and column that they need, and their positions in all."""

    worlds: list[int]
    start: Start
    first: int
    positions: int

    def joined(self, other: _Segment) -> _Segment:
        """Both, from where the earlier one starts."""
        start, first = min(self.start, other.start), min(self.first, other.first)
        return _Segment(sorted([*self.worlds, *other.worlds]), start, first, self.positions + other.positions)

    def blocks(self, base: PassPlan) -> float:
        """Positions by the blocks that they go through."""
        columns = max(1, base.columns)
        return self.positions * (columns - self.first) / columns * _later(base.model, self.start)


def _later(model: LoadedModel, start: Start) -> int:
    """How many blocks there are from `start` on."""
    blocks = [len(s.blocks) for s in model.stacks]
    return sum(blocks) - sum(blocks[: start.tower]) - start.layer


def _bare(setup: Setup) -> Setup:
    """What a world is fed, without assignments and reads."""
    return replace(setup, edits=(), naturals={}, sites=(), readouts=(), outputs=())


def _whole_chunk(setup: Setup, index: int | None, chunk: range) -> tuple[Slot, ...]:
    items: list[tuple[int, ...]] = []
    count = 0
    for row in chunk:
        n = len(setup.continuations[row])
        items.append(tuple(range(count, count + n)))
        count += n
    return (Slot(BARE if index is None else index, setup, tuple(chunk), 0, tuple(items)),)


def _columns(setup: Setup, chunk: range) -> int:
    """The longest text of the chunk, answers included."""
    if setup.prompts is None:
        return 0
    return max(len(setup.prompts[row].ids) + len(c) for row in chunk for c in setup.continuations[row])
