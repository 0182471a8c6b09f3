"""Rows in two worlds: what is written in both, and the pass at `from` whose tensors have gradients."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from causalcircuit.diagnostics import error
from causalcircuit.engine import make_plan, prepare, references
from causalcircuit.engine.batches import Slot, slots_of
from causalcircuit.engine.cost.limit import USUAL, positions_for
from causalcircuit.engine.formulas import in_world, projected
from causalcircuit.engine.kept import Kept
from causalcircuit.engine.passes import Pass, feeds_in, forward, keep_outputs
from causalcircuit.engine.prepared import Prepared, Setup, awaited
from causalcircuit.engine.reads import Reads
from causalcircuit.engine.values import evaluate
from causalcircuit.models import Batch, LoadedModel, Tap, needed, tapped
from causalcircuit.query import Expect, Expr, Site, Wire, World, render, walk
from causalcircuit.rows import Dataset

_ALL = 1 << 40
_WRITTEN = re.compile(
    r"(\.z|\.mlp\.out|\.mlp\.neurons|\.[qkv]|\.pattern|\.router|\.expert\[\d+\]|final_norm|resid\[0\])$"
)
"""Tensors whose assignment autograd sees where a stream is read; others stand in the stream, or in a read itself."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is attributed: a readout, from one world to another.

    Attributes:
        model: the model's declared name. readout: a scalar a row. start, end: `from` and `to`.
        turned: where `from` is means of nodes, which pass nothing on: passes stand in `to`, wires take their values of
            `from` there, and a score is by how much the readout falls.
    """

    model: str
    readout: Expr
    start: World
    end: World
    turned: bool = False

    @property
    def stood(self) -> Question:
        """The question in whose `from` passes stand; of a turned one, scores change their sign."""
        return Question(self.model, self.readout, self.end, self.start) if self.turned else self


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One pass of some rows.

    Attributes:
        nodes: by name, [places, components] what passed, parts of one graph where gradients are kept.
        score: [rows] the readout; `None` where it was not asked for.
        batch: what was run. rows: how many.
        owner: by what positions stand on, [places] the row of each place, padding included: nothing reads that.
        which: the rows' numbers in the data.
    """

    nodes: Mapping[str, Tensor]
    score: Tensor | None
    batch: Batch
    rows: int
    owner: Mapping[str, Tensor]
    which: range = range(0)


class Rows:
    """Runs the two worlds of a question on rows, and all worlds that their values need.

    `kept` and `positions` are for methods that run worlds by the engine: outcomes that last between runs, and the size
    of a pass. `most` positions may others have, where memory is limited.
    """

    def __init__(self, model: LoadedModel, data: Dataset, question: Question) -> None:
        """Plan and prepare both worlds.

        Raises:
            DiagnosticError: what `make_plan` and `prepare` find.
        """
        self.model, self.data, self.question = model, data, question
        tables = {question.model: model.sites}
        both = [Expect(question.readout, w) for w in (question.start, question.end)]
        self.plan = make_plan(both, data, tables)
        self.prepared: Prepared = prepare(self.plan, {question.model: model}, data)
        self.index = {w: self.plan.run_of(question.model, projected(w, question.model)) for w in _worlds(question)}
        self._check()
        self.kept: Kept | None = None
        self.positions = USUAL
        self.most: int | None = None
        self.reads = Reads(self.prepared)
        if self.plan.references or self.plan.elsewhere:
            self.reads.means.update(references(self.prepared))

    def limit(self, bytes_: int | None) -> None:
        """Worlds that are run whole may take no more than so much memory.

        Raises:
            DiagnosticError: CQ761, it holds no row.
        """
        if bytes_ is not None:
            self.positions = positions_for([self.prepared], bytes_)

    def slots(self, world: World, rows: range) -> list[Slot]:
        """The rows of a world in one batch."""
        (found,) = list(slots_of(self.prepared, [self.index[world]], rows, _ALL))
        return found

    def _check(self) -> None:
        """Both worlds are plain passes over as many positions, row by row.

        Raises:
            DiagnosticError: CQ786, CQ788.
        """
        if any(r.said is not None or awaited(r) for r in self.plan.runs):
            raise error("CQ788", "worlds with generated texts are not attributed", help="teach the text by a column")
        start, end = (self.prepared.setups[self.index[w]] for w in (self.question.start, self.question.end))
        self._check_start(start)
        for side in ("prompts", "sources"):
            one, other = getattr(start, side), getattr(end, side)
            if one is None or other is None:
                continue
            sizes = [(len(a.ids), len(b.ids)) for a, b in zip(one, other, strict=True)]
            unlike = [i for i, (a, b) in enumerate(sizes) if a != b]
            if unlike:
                row, (a, b) = self.data.rows[unlike[0]], sizes[unlike[0]]
                raise error(
                    "CQ786",
                    f"in row {row} the prompt of `from` has {a} tokens and that of `to` has {b}: positions do not match"
                    + (f" (nor in {len(unlike) - 1} more rows)" if len(unlike) > 1 else ""),
                    help="pair prompts of as many tokens, row by row",
                )

    def _check_start(self, start: Setup) -> None:
        """What is assigned in `from` lets changes of the stream pass as they do without it.

        Raises:
            DiagnosticError: CQ788.
        """
        held: list[Expr] = [e.site for e in start.edits if not _WRITTEN.search(e.info.tensor)]
        held.extend(a.target for a in self.question.start.assignments if isinstance(a.target, Wire))
        for a in self.question.start.assignments:
            own = a.target.address if isinstance(a.target, Site) else None
            held.extend(e for e in walk(a.value, worlds=False) if isinstance(e, Site) and e.address != own)
        if held:
            raise error(
                "CQ788",
                f"`from` assigns, or assigns from, `{render(held[0])}`: what wires carry past it is not attributed",
                held[0].span,
                help=(
                    "`from` may assign inputs, and what heads, MLPs and embeddings write, to values of other worlds",
                    "exchange `from` and `to`: `to` may assign anything",
                ),
            )

    def before(self, rows: range) -> None:
        """Run what the values of both worlds are read from."""
        self.reads.start(rows)
        own = set(self.index.values())
        for i in sorted(range(len(self.plan.runs)), key=lambda i: self.plan.runs[i].depth):
            if i not in own:
                (slots,) = list(slots_of(self.prepared, [i], rows, _ALL))
                logits, left, work = forward(self.model, slots, self.reads)
                work.keep()
                keep_outputs(slots, self.reads, logits, left)

    def run(
        self,
        world: World,
        rows: range,
        taps: Sequence[Tap],
        *,
        change: Callable[[str, Tensor, Mapping[str, Tensor]], Tensor] | None = None,
        roots: frozenset[str] = frozenset(),
        graph: bool = False,
        scored: bool = True,
    ) -> Recorded:
        """One pass of some rows in a world.

        Args:
            world: `from` or `to`. rows: of the data. taps: what is kept.
            change: called with a tap's name, its value and the owners of places; gives what takes its place.
            roots: taps behind which gradients are kept. graph: whether they are. scored: whether the readout is read.
        """
        slots = self.slots(world, rows)
        batch = self.model.batch(feeds_in(self.model, slots, self.reads))
        work = Pass(self.model, slots, self.reads, batch)
        nodes: dict[str, Tensor] = {}
        owner = _owners(self.model, batch, slots)
        names = {t.name for t in taps}

        def visit(name: str, value: Tensor) -> Tensor:
            new = work.visit(name, value) if name in work.tensors else value
            if change is not None:
                new = change(name, new, owner)
            if name not in names:
                return new
            if graph and name in roots and not new.requires_grad:
                new = new.detach().clone().requires_grad_()
            elif graph:
                new = new.view_as(new)
            if not name.endswith("mlp.out"):
                nodes[name] = new
                return new
            # A parallel block may add attention to this in place: what is kept is not what goes on.
            nodes[name] = new if graph else new.clone()
            return new.clone() if graph else new

        extra = [t for t in taps if t.name not in self.model.taps]
        wanted = {*work.tensors, *(t.name for t in taps if t.name in self.model.taps)}
        attached = needed(self.model.taps, wanted)
        used = [t for n, t in self.model.taps.items() if n in attached]
        with torch.enable_grad() if graph else torch.no_grad():
            with tapped([*used, *extra], visit, attached - wanted) as fired:
                output = self.model.run(batch)
            for name, times in fired.items():
                if times != 1:
                    raise RuntimeError(f"{name} passed {times} times in one pass")
            score = None
            if scored:
                self.reads.forget(self.index[world])
                work.keep()
                keep_outputs(slots, self.reads, output, batch.left)
                score = evaluate(in_world(self.question.readout, world), self.reads).data
                score = score.expand(len(rows))
        return Recorded(nodes, score, batch, len(rows), owner, rows)


def _worlds(question: Question) -> Iterator[World]:
    yield from dict.fromkeys((question.start, question.end))


def _owners(model: LoadedModel, batch: Batch, slots: Sequence[Slot]) -> dict[str, Tensor]:
    """By stand, the row of each place."""
    feeds: list[int] = []
    rows = 0
    for slot in slots:
        for own in slot.items:
            feeds.extend([rows] * len(own))
            rows += 1
    return {name: _places(s, batch, feeds, model) for name, s in batch.streams.items()}


def _places(stream: Any, batch: Batch, owner: list[int], model: LoadedModel) -> Tensor:
    if stream.total is not None:
        ends = [*stream.starts[1:], stream.total]
        parts = [torch.full((e - s,), r) for s, e, r in zip(stream.starts, ends, owner, strict=True)]
        return torch.cat(parts).to(model.device)
    found = torch.zeros((batch.size, stream.length), dtype=torch.long)
    for item, row in enumerate(owner):
        found[item] = row
    return found.flatten().to(model.device)
