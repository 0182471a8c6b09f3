"""What a method works with: some rows of a question, their passes made when a method asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from causalcircuit.attribution.chunks import chunks_of
from causalcircuit.attribution.ends import fine
from causalcircuit.attribution.fine import Fine
from causalcircuit.attribution.grounds import Grounds
from causalcircuit.attribution.passes import Recorded, Rows
from causalcircuit.attribution.streams import Streams
from causalcircuit.attribution.turns import Turn
from causalcircuit.attribution.walk import Wiring, gradients_of, wiring_of
from causalcircuit.diagnostics import error
from causalcircuit.query import ALL, Site


class Bench:
    """A question on a model, laid out once for all rows."""

    def __init__(self, rows: Rows, *, quick: bool = True, over: Sequence[Site] = ()) -> None:
        """Lay the model out, and look at one row.

        Args:
            rows: of the question. quick: whether closed forms are found, which only gradients need. over: nodes; where
                some of them are finer than whole parts, the wires are those between them, else all of the model's.

        Raises:
            DiagnosticError: as `Fine.of`.
        """
        self.rows = rows
        self.streams = Streams.of(rows.model)
        self.streams.grounds = grounds = Grounds(rows)
        first = range(1)
        rows.before(first)
        finer = None
        if fine(rows.model.sites, rows.question.model, over):
            self.streams.finer = finer = Fine.of(self.streams, grounds, over)
        taps = self.streams.taps(probe=True)
        if finer is not None:
            taps += finer.probes()
        probe = rows.run(rows.question.start, first, taps, roots=self.streams.roots, graph=True)
        self.streams.look(probe)
        if quick and probe.score is not None and probe.score.requires_grad:
            self.streams.shorten(probe, gradients_of(probe))
        if finer is not None:
            finer.look(probe)
        self.over = tuple(over) if finer is None else finer.over
        self.wiring: Wiring = wiring_of(self.streams) if finer is None else finer.wiring

    def chunks(self, places: int, copies: int = 1) -> Iterator[range]:
        """Rows that fill a pass of so many places, where it holds so many copies of each row."""
        return chunks_of(self.rows, places, copies)


class Chunk:
    """Some rows: what is written in both worlds, and passes between them."""

    def __init__(self, bench: Bench, rows: range) -> None:
        """Run what the values of both worlds need."""
        self.bench, self.range = bench, rows
        bench.rows.before(rows)
        self.passes = 0

    @property
    def streams(self) -> Streams:
        """The model's writes and reads."""
        return self.bench.streams

    @cached_property
    def end(self) -> Recorded:
        """The pass in the world `to`, without gradients."""
        return self._run(end=True, graph=False)

    @cached_property
    def start(self) -> Recorded:
        """The pass in the world `from`, with gradients."""
        found = self._run(end=False, graph=True)
        if found.score is None or not found.score.requires_grad:
            raise error(
                "CQ785",
                "nothing that is written into the model's streams moves the readout: its gradient is zero everywhere",
                help="read something that depends on the input, at a position that it reaches",
            )
        return found

    @cached_property
    def delta(self) -> Mapping[str, Tensor]:
        """By tensor, how far `to` is from `from`."""
        known = self.__dict__.get("start")  # a method that never asks for it needs no graph there
        start = self._run(end=False, graph=False).nodes if known is None else known.nodes
        return self.less(start)

    def less(self, start: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """By tensor, how far `to` is from the values of a pass at `from`.

        Where `to` assigns what a dictionary finds in a tensor, that counts: `from` never does.
        """
        end, read_at = self.end.nodes, self.bench.rows.model.read_at
        found: dict[str, Tensor] = {}
        for name in (t.name for t in self.streams.written()):
            value, before = end[read_at(name)], start[name]
            if value.shape != before.shape:  # images of other sizes
                raise error(
                    "CQ786",
                    f"`{name}` has {len(before)} positions in `from` and {len(value)} in `to`",
                    help="pair inputs that take as many positions, row by row",
                )
            found[name] = (value - before).detach()
        return found

    def between(self, share: float) -> Recorded:
        """A pass whose inputs are `share` of the way from `from` to `to`, with gradients."""
        steps = {n: self.delta[n] for n in self.streams.roots if n in self.delta}
        apart = self._written_later()

        def change(name: str, value: Tensor, owner: Mapping[str, Tensor]) -> Tensor:
            if name not in steps:
                return value
            step = steps[name]
            if name in apart:  # what an image became is written by the projector, which moves by itself
                step = step.masked_fill(apart[name][:, None], 0.0)
            return value + share * step

        return self._run(end=False, graph=True, change=change)

    def moved(self, turn: Turn, share: float) -> Recorded:
        """A pass in `from` in which one tensor is `share` of the way to `to`; gradients begin there."""
        name = turn.tensor
        step = self.delta[name]
        grounds = self.streams.grounds
        if grounds is not None and grounds.answered:  # what is written at the tokens of an answer is no part of a node
            step = step * grounds.mask(self.bench.rows.model.taps[name].stand, ALL, self.start)[:, None]
        later = self._written_later() if turn.words else {}
        if name in later:
            step = step.masked_fill(later[name][:, None], 0.0)

        def change(at: str, value: Tensor, owner: Mapping[str, Tensor]) -> Tensor:
            return value + share * step if at == name else value

        # What the embedding writes is told from what a projector does by the graph between both.
        roots = self.streams.roots if turn.words else frozenset({name})
        return self._run(end=False, graph=True, change=change, roots=roots)

    def _written_later(self) -> dict[str, Tensor]:
        """By root, the places that a projector writes to."""
        model = self.bench.rows.model
        if not model.sites.projector:
            return {}
        name = f"{model.sites.readout_tower.prefix}resid[0]"
        here = self.start
        with torch.enable_grad():
            total = here.nodes[name].sum(-1)
            u = torch.ones_like(total, requires_grad=True)
            (g,) = torch.autograd.grad(total, here.nodes["projector.out"], u, create_graph=True)
            (back,) = torch.autograd.grad(g.sum(), u, retain_graph=True)
        return {name: back.detach() != 0}

    def _run(self, *, end: bool, graph: bool, change: object = None, roots: frozenset[str] | None = None) -> Recorded:
        rows = self.bench.rows
        self.passes += len(self.range) * (2 if graph else 1)
        return rows.run(
            rows.question.end if end else rows.question.start,
            self.range,
            self.streams.taps() if graph else self.streams.settled(),
            change=change,  # type: ignore[arg-type]
            roots=self.streams.roots if roots is None else roots,
            graph=graph,
            scored=graph,
        )
