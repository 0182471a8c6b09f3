"""Nodes that are scored: where they lie in the tensors of a pass, what they change by, and the gradient there.

A node is a site: some components of one tensor at some positions. It is what `do(A = …)` assigns, so that every score
can be held against a world. All nodes of one tensor at one position are looked at together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from causalcircuit.attribution.chunks import chunks_of
from causalcircuit.attribution.passes import Question, Recorded, Rows
from causalcircuit.diagnostics import error
from causalcircuit.engine.feeds import Feeds, Places
from causalcircuit.engine.problems import Problems
from causalcircuit.models import LoadedModel
from causalcircuit.query import ALL, Position, Site, SiteInfo, World, render
from causalcircuit.query.circuits.wires import nodes_of
from causalcircuit.rows import Dataset


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Nodes of one tensor at one position.

    Attributes:
        tensor: the tap where it is assigned, and where gradients are taken. read: the tap where its value is read.
        stand: what its places stand on. position: of all of them. width: components of one node.
        numbers: of its nodes. columns: [nodes · width] their components; `None` where they are all, in order.
    """

    tensor: str
    read: str
    stand: str
    position: Position
    width: int
    numbers: Tensor
    columns: Tensor | None

    def own(self, value: Tensor) -> Tensor:
        """[places, nodes · width] the nodes' components of [places, components]."""
        return value if self.columns is None else value[:, self.columns]

    def summed(self, product: Tensor) -> Tensor:
        """[places, nodes] the sum over each node's components of [places, components]."""
        return self.own(product).reshape(len(product), len(self.numbers), self.width).sum(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Stood:
    """Where the nodes of a group lie in the passes of some rows.

    Attributes:
        start, end: the places in the passes of both worlds, which pair up; `None` for all of them.
        owner: [places] the row of each.
    """

    start: Tensor | None
    end: Tensor | None
    owner: Tensor

    @property
    def aligned(self) -> bool:
        """Whether both worlds have it at the same places."""
        if self.start is None or self.end is None:
            return self.start is self.end
        return torch.equal(self.start, self.end)


class NodeBench:
    """A question on nodes of a model, laid out once for all rows."""

    def __init__(self, model: LoadedModel, data: Dataset, question: Question, over: Sequence[Site] = ()) -> None:
        """Lay the nodes out: heads, MLPs, embeddings and the projector where none are named.

        Raises:
            DiagnosticError: what is wrong with the worlds on these rows, or with positions; CQ244, `@ each` on rows of
                different lengths; CQ536, a node whose tap did not keep the hook contract.
        """
        self.rows = Rows(model, data, question)
        self._places: dict[tuple[World, str, Position], Places] = {}
        self._feeds: dict[World, tuple[Feeds, Problems]] = {}
        named = over or nodes_of(model.sites, question.model)
        self.sites = tuple(dict.fromkeys(s for site in named for s in self._spread(site)))
        self.infos = tuple(model.sites.info(s.address) for s in self.sites)
        for site, info in zip(self.sites, self.infos, strict=True):
            if info.tensor in model.refused:
                raise error(
                    "CQ536",
                    f"`{render(site)}` does not keep the hook contract: {model.refused[info.tensor]}",
                    site.span,
                    help="its numbers could not be trusted; `cq sites` lists the sites of a model with their status",
                )
            for world in (question.start, question.end):
                self.places(world, info, site.position)
        for _, problems in self._feeds.values():
            problems.raise_all()
        self._check_pairs()
        self.groups = tuple(_groups(model, self.sites, self.infos))

    def chunks(self, places: int) -> Iterator[range]:
        """Rows that fill a pass of so many places."""
        return chunks_of(self.rows, places)

    @cached_property
    def roots(self) -> frozenset[str]:
        """Where gradients begin: the first stream of each tower."""
        return frozenset(f"{s.tower.prefix}resid[0]" for s in self.rows.model.stacks)

    def places(self, world: World, info: SiteInfo, position: Position) -> Places:
        """Of each row the positions of a node in a world."""
        key = (world, info.stand, position)
        if key not in self._places:
            feeds, problems = self._fed(world)
            run = self.rows.plan.runs[self.rows.index[world]]
            with problems.keep():
                self._places[key] = feeds.site_places(self.rows.model, run, info, position, None)
        return self._places.get(key, [None] * self.rows.data.n)

    def _fed(self, world: World) -> tuple[Feeds, Problems]:
        if world not in self._feeds:
            data, donor = self.rows.data, world.donor
            data = data if donor is None else data.take(self.rows.prepared.donors[donor])
            problems = Problems(data)
            self._feeds[world] = Feeds(data, problems), problems
        return self._feeds[world]

    def _spread(self, site: Site) -> Iterator[Site]:
        """`@ each` as its positions, one by one.

        Raises:
            DiagnosticError: CQ244.
        """
        if site.position.kind != "each":
            yield site
            return
        if site.position.parts:
            yield from (Site(site.address, p) for p in site.position.parts)
            return
        info = self.rows.model.sites.info(site.address)
        places = self.places(self.rows.question.start, info, ALL)
        lengths = {len(p): row for row, p in zip(self.rows.data.rows, places, strict=True) if p is not None}
        if len(lengths) != 1:
            shown = ", ".join(f"{n} in row {row}" for n, row in sorted(lengths.items())[:3])
            raise error(
                "CQ244",
                f"`@ each` of `{site.address}` needs rows of one length, and these have {shown}",
                site.span,
                "positions do not align",
                help=(
                    "go through places that every row has: `@ each [token(row.w), last]`",
                    "or keep rows of one length: `where row.template = …` on the data",
                ),
            )
        yield from (Site(site.address, Position("index", index=k)) for k in range(next(iter(lengths))))

    def _check_pairs(self) -> None:
        """Positions of both worlds pair up, row by row.

        Raises:
            DiagnosticError: CQ786.
        """
        question = self.rows.question
        for site, info in zip(self.sites, self.infos, strict=True):
            both = (self.places(w, info, site.position) for w in (question.start, question.end))
            for row, one, other in zip(self.rows.data.rows, *both, strict=True):
                if one is not None and other is not None and len(one) != len(other):
                    raise error(
                        "CQ786",
                        f"`{render(site)}` has {len(one)} positions in `from` and {len(other)} in `to` in row {row}",
                        site.span,
                        help="pair inputs that take as many positions, row by row",
                    )


def _groups(model: LoadedModel, sites: Sequence[Site], infos: Sequence[SiteInfo]) -> Iterator[Group]:
    found: dict[tuple[str, Position, int], list[int]] = {}
    for i, (site, info) in enumerate(zip(sites, infos, strict=True)):
        found.setdefault((info.tensor, site.position, info.width), []).append(i)
    for (tensor, position, width), numbers in found.items():
        own = [infos[i] for i in numbers]
        columns: Tensor | None = torch.tensor([i.start for i in own])[:, None] + torch.arange(width)
        if [i.start for i in own] == list(range(0, own[0].size, width)):
            columns = None
        flat = None if columns is None else columns.flatten().to(model.device)
        chosen = torch.tensor(numbers, device=model.device)
        yield Group(tensor, model.read_at(tensor), own[0].stand, position, width, chosen, flat)


class NodeChunk:
    """Some rows: what their nodes are in both worlds, and the gradients at `from`."""

    def __init__(self, bench: NodeBench, rows: range) -> None:
        """Run what the values of both worlds need."""
        self.bench, self.range = bench, rows
        self.passes = 0
        self._more: set[str] = set()
        bench.rows.before(rows)
        self._changes: dict[tuple[str, Position], Tensor] = {}
        self._stood: dict[tuple[str, Position], Stood] = {}

    @cached_property
    def end(self) -> Recorded:
        """The pass in the world `to`, without gradients."""
        taps = self.bench.rows.model.taps
        self.passes += len(self.range)
        return self.bench.rows.run(
            self.bench.rows.question.end,
            self.range,
            [taps[n] for n in dict.fromkeys(g.read for g in self.bench.groups)],
            scored=False,
        )

    @cached_property
    def start(self) -> Recorded:
        """The pass in the world `from`, with gradients.

        Raises:
            DiagnosticError: CQ785.
        """
        bench = self.bench
        taps = bench.rows.model.taps
        self.passes += 2 * len(self.range)
        names = {n for g in bench.groups for n in (g.tensor, g.read)} | bench.roots | self._more
        found = bench.rows.run(
            bench.rows.question.start,
            self.range,
            [tap for name, tap in taps.items() if name in names],
            roots=bench.roots,
            graph=True,
        )
        if found.score is None or not found.score.requires_grad:
            raise error(
                "CQ785",
                "nothing that is written into the model's streams moves the readout: its gradient is zero everywhere",
                help="read something that depends on the input, at a position that it reaches",
            )
        return found

    def keep(self, names: Iterable[str]) -> None:
        """Keep further tensors in the pass with gradients, which is made when it is first asked for."""
        if "start" in self.__dict__:
            raise RuntimeError("the pass is made already")
        self._more.update(names)

    def gradients(self, names: Sequence[str], *, last: bool = False) -> dict[str, Tensor]:
        """The gradient of the summed readout in some tensors; zero where it does not depend on them.

        Args:
            names: of the tensors. last: no further gradient is asked for, so that the graph may go.
        """
        here = self.start
        if here.score is None:
            raise TypeError("a pass without a readout")
        own = [here.nodes[n] for n in names]
        # What no gradient reaches by the wiring (a tower that is not read) has none.
        known = [x for x in own if x.requires_grad]
        found = iter(torch.autograd.grad(here.score.sum(), known, retain_graph=not last, allow_unused=True))
        made = [next(found) if x.requires_grad else None for x in own]
        return {n: torch.zeros_like(x) if g is None else g for n, x, g in zip(names, own, made, strict=True)}

    def at(self, group: Group) -> Stood:
        """Where the nodes of a group lie."""
        key = (group.stand, group.position)
        if key not in self._stood:
            self._stood[key] = self._stand(group)
        return self._stood[key]

    def change(self, group: Group) -> Tensor:
        """[places, components] what the tensor of a group is in `to` less what it is in `from`, at its position."""
        key = (group.read, group.position)
        if key not in self._changes:
            own, at = self.start.nodes[group.read].detach(), self.at(group)
            other = self.end.nodes[group.read]
            if at.start is None and len(own) != len(other):
                raise _unlike(group.read, len(own), len(other))
            here = own if at.start is None else own[at.start]
            self._changes[key] = (other if at.end is None else other[at.end]) - here
        return self._changes[key]

    def scored(self, gradients: Mapping[str, Tensor]) -> Tensor:
        """[rows, nodes] the gradient at each node times what the node changes by."""
        out = self.empty()
        for group in self.bench.groups:
            here = self.standing(group, gradients[group.tensor])
            self.add(out, group, group.summed(here * self.change(group)), self.at(group).owner)
        return out

    def standing(self, group: Group, value: Tensor) -> Tensor:
        """Of a tensor in the pass in `from` the places where the nodes of a group stand."""
        at = self.at(group).start
        return value if at is None else value[at]

    def empty(self) -> Tensor:
        """[rows, nodes] zeros."""
        device = self.bench.rows.model.device
        return torch.zeros(len(self.range), len(self.bench.sites), dtype=torch.float64, device=device)

    def add(self, out: Tensor, group: Group, each: Tensor, owner: Tensor) -> None:
        """Add [places, nodes] to the rows of the nodes of a group."""
        total = torch.zeros(len(out), each.shape[1], dtype=torch.float64, device=out.device)
        total.index_add_(0, owner, each.detach().double().to(out.device))
        out[:, group.numbers] += total

    def _stand(self, group: Group) -> Stood:
        bench, question = self.bench, self.bench.rows.question
        made: list[list[int]] = []
        owner: list[int] = []
        info = next(i for i in bench.infos if i.stand == group.stand)
        for world, here in ((question.start, self.start), (question.end, self.end)):
            (slot,) = bench.rows.slots(world, self.range)
            stream = here.batch.streams[group.stand]
            rows = bench.places(world, info, group.position)
            flat = [
                (stream.starts[item] + p, k)
                for k, (row, items) in enumerate(zip(self.range, slot.items, strict=True))
                for item in items
                for p in rows[row] or ()
            ]
            made.append([p for p, _ in flat])
            owner = [k for _, k in flat]
        if len(made[0]) != len(made[1]):
            raise _unlike(str(group.position), len(made[0]), len(made[1]))
        device = bench.rows.model.device
        belongs = torch.tensor(owner, dtype=torch.long, device=device)
        count = len(self.start.owner[group.stand])
        if made[0] == made[1] == list(range(count)):
            return Stood(None, None, belongs)
        start, end = (torch.tensor(m, dtype=torch.long, device=device) for m in made)
        return Stood(start, end, belongs)


def _unlike(name: str, one: int, other: int) -> Exception:
    return error(
        "CQ786",
        f"`{name}` has {one} positions in `from` and {other} in `to`",
        help="pair inputs that take as many positions, row by row",
    )
