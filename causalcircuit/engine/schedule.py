"""The passes of a sweep over a chunk of rows: which worlds share one, and what of it is known beforehand.

Worlds that are fed the same share what is computed before their first assignment. The bare pass over what they are fed
is recorded; a world resumes it at the first block, and for causal models at the first position, where it may differ.
Worlds that resume at one block run side by side along the batch axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from causalcircuit.engine.batches import Slot, levels, slots_of
from causalcircuit.engine.prepared import Prepared, Setup, awaited
from causalcircuit.engine.starts import WHOLE, Firsts, Start, attention_is_known, fed_alike, start_of, tensors_of
from causalcircuit.models import LoadedModel, has_prefix
from causalcircuit.query.plan import Stage

How = Literal["full", "naive"]
"""Whether passes share what they have in common, or every world runs whole."""
BARE = -1
"""The index of a slot that no run of the plan is: a bare pass that is recorded for others."""
_OVERHEAD = 32
"""What a pass costs a block besides its positions, in positions: weights are read."""
_PASS = 2e8
"""What a pass costs in all, in operations: milliseconds of Python and of starting kernels."""
_FEWEST = 4
"""Positions that are worth a cache."""


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
        self.firsts = Firsts(prepared)
        self._blocks: dict[str, int] = {}
        setups = prepared.setups
        plain = [(i, s) for i, s in enumerate(setups) if s.run.said is None and not awaited(s.run)]
        self._fed = fed_alike(plain) if how == "full" else {}
        self._start = {i: start_of(setups[i]) for i in self._fed}

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
        passes = len(
            {(s.run.depth, self._fed.get(i), self._start.get(i)) for i, s in zip(stage.runs, setups, strict=True)}
        )
        widest = [self.prepared.setups[i] for i in {self._fed.get(i, i) for i in stage.runs}]
        row = 0
        while row < n:
            end, spent, base = row, 0, 0
            while end < n:
                cost = sum(self._cost(i, end) for i in stage.runs)
                most = max(s.cost(end) for s in widest)
                if end > row and (spent + cost > self.limit * passes or base + most > self.limit):
                    break
                spent, base, end = spent + cost, base + most, end + 1
            yield range(row, end)
            row = end

    def _cost(self, index: int, row: int) -> int:
        """Positions that a row takes in a world's pass, less those that come from a cache."""
        setup = self.prepared.setups[index]
        cost = setup.cost(row)
        if index in self._fed and setup.prompts is not None and _may_prefix(setup):
            first = self.firsts.needed(index, row)
            cost -= min(first, len(setup.prompts[row].ids) - 1) * len(setup.continuations[row])
        return max(cost, 1)

    def passes(self, stage: Stage, chunk: range) -> Iterator[PassPlan]:
        """The passes of a sweep over a chunk, each after all that it needs."""
        recorded: dict[int, PassPlan] = {}
        proven: set[object] = set()
        for level in levels(self.prepared, stage):
            groups = self._groups(level, stage, recorded)
            for group in groups:
                for found in self._group(group, chunk, recorded):
                    # By place and not by what has run: a run that is taken up again makes the same passes.
                    proves = not chunk.start and not found.records and (found.model.ref.name, found.kind) not in proven
                    proven.add((found.model.ref.name, found.kind) if proves else None)
                    yield replace(found, proves=proves)
            alone = [i for i in level if not any(i in g.worlds or i == g.bare for g in groups)]
            for slots in slots_of(self.prepared, alone, chunk, self.limit):
                yield PassPlan(tuple(slots), slots[0].setup.model)

    def _groups(self, level: Sequence[int], stage: Stage, recorded: dict[int, PassPlan]) -> list[_Group]:
        """Worlds of a level that share a bare pass, where that saves work."""
        found: dict[int, _Group] = {}
        for i in level:
            if i in self._fed:
                found.setdefault(self._fed[i], _Group(self._fed[i], [])).worlds.append(i)
        out: list[_Group] = []
        for key, group in found.items():
            bare = [i for i in group.worlds if not self.prepared.setups[i].edits]
            group.bare = bare[0] if bare else None
            group.worlds = [i for i in group.worlds if i != group.bare]
            later = [i for i in stage.runs if self._fed.get(i) == key and i != group.bare]
            if (key in recorded and group.worlds) or self._saves(later, group.bare is not None or key in recorded):
                out.append(group)
        return out

    def _saves(self, worlds: Sequence[int], free: bool) -> bool:
        """Whether a recorded bare pass saves more blocks than it costs; `free` where it is run anyway."""
        saved = 0.0
        for i in worlds:
            setup, start = self.prepared.setups[i], self._start[i]
            blocks = [len(s.blocks) for s in setup.model.stacks]
            saved += (sum(blocks[: start.tower]) + start.layer) / max(1, sum(blocks))
            if _may_prefix(setup) and setup.prompts is not None:
                lengths = [len(p.ids) for p in setup.prompts[:8]]
                share = [min(self.firsts.needed(i, row), n - 1) / n for row, n in enumerate(lengths)]
                saved += 0.5 * min(share, default=0.0)
        return saved > (0.0 if free else 1.1)

    def _group(self, group: _Group, chunk: range, recorded: dict[int, PassPlan]) -> Iterator[PassPlan]:
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
            for slots in slots_of(self.prepared, each.worlds, chunk, self.limit, width):
                seen = [name for slot in slots for name in tensors_of(slot.setup)]
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
        every = [i for i, key in self._fed.items() if key == group.key and i != group.bare]
        return any(self._first(i, chunk, columns) > 0 for i in every)

    def _first(self, index: int, chunk: range, columns: int) -> int:
        """The first column that a world must compute; 0 where what comes before is not worth a cache."""
        setup = self.prepared.setups[index]
        if not _may_prefix(setup) or setup.prompts is None:
            return 0
        found = columns
        for row in chunk:
            length = len(setup.prompts[row].ids)
            first = min(self.firsts.needed(index, row), length - 1)
            more = max(len(c) for c in setup.continuations[row])
            found = min(found, first + (columns - length - more if setup.model.side == "left" else 0))
        return found if found >= max(_FEWEST, columns // 4) else 0

    def _shared(self, worlds: Sequence[int], chunk: range, base: PassPlan) -> Iterator[_Segment]:
        """Worlds that run side by side: those that start alike, joined where a pass of their own would cost more."""
        found: dict[tuple[Start, int], list[int]] = {}
        for i in worlds:
            first = self._first(i, chunk, base.columns) if base.cache else 0
            found.setdefault((self._start[i], first), []).append(i)
        items = {i: sum(self.prepared.setups[i].cost(row) for row in chunk) for i in worlds}
        each = self._block(base.model)
        held: _Segment | None = None
        for (start, first), own in sorted(found.items(), reverse=True):
            here = _Segment(own, start, first, sum(items[i] for i in own))
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


def _may_prefix(setup: Setup) -> bool:
    """Whether positions of this world may come from a cache: nothing is seen inside the attention function."""
    infos = [*(e.info for e in setup.edits), *(s.info for s in setup.sites)]
    seen = {info.tensor.rpartition(".")[2] for info in infos}
    return has_prefix(setup.model) and not seen & {"q", "k", "v", "pattern"}


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
