"""What a model's wiring says of some of its nodes: the latent projection of its causal diagram onto them.

`A -> B`: a route leads from A to B that passes no other of the nodes. `A <-> B`: something that is not among the nodes,
the row of the data included, leads to both in this way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from causalcircuit.diagnostics import Span, error
from causalcircuit.query.address import Position
from causalcircuit.query.algebra import children, is_text
from causalcircuit.query.expr import (
    Column,
    Counterfactual,
    Distribution,
    Expr,
    Generated,
    Input,
    Output,
    Readout,
    Similarity,
    Site,
    Statistic,
    Wire,
    Wires,
)
from causalcircuit.query.flow import PROJECTOR, ROW, Cell, Wiring
from causalcircuit.query.relations import relation
from causalcircuit.query.render import render
from causalcircuit.query.sites import SiteTable
from causalcircuit.query.stretches import Stretches
from causalcircuit.query.towers import SiteInfo

_MILESTONES = ("attn.out", "cross.out", "mlp.out", "projector.out", "final_norm")


@dataclass(frozen=True, slots=True)
class Node:
    """One of the nodes that are asked about.

    Attributes:
        name: what it is called. value: what it stands for.
        site: the site that it is, or of which it is a summary (`dot(A, d)`: then `part`); `None` for what is only read.
    """

    name: str
    value: Expr
    site: Site | None
    part: bool = False


def node_of(name: str, value: Expr, span: Span | None = None) -> Node:
    """A node by what it stands for.

    Raises:
        DiagnosticError: CQ288, something of which the wiring does not say where it stands.
    """
    parts = list(_row_parts(value))
    sites = [e for e in parts if isinstance(e, Site)]
    why = ""
    if any(isinstance(e, Counterfactual | Wire | Wires) for e in parts):
        why = "it is of another world, or a wire"
    elif not any(isinstance(e, Site | Output | Input) for e in parts):
        why = "it is no node of a model"
    elif any(s.position.new for s in sites):
        why = "what is generated feeds back, so that nothing there comes first"
    elif any(s.address.module is not None for s in sites):
        why = "where a module stands shows only when it runs"
    elif any(s.position.kind == "each" for s in sites):
        why = "`@ each` is a node for each position"
    elif any(isinstance(e, Input) for e in parts) and not isinstance(value, Input):
        why = "it is calculated from an input"
    elif len(sites) > 1 or (sites and any(isinstance(e, Output) for e in parts)):
        why = "it is made of several nodes"
    if why:
        way = "list nodes of one model: sites `m.layer[1].mlp.out @ last`, readouts, or what is calculated from one"
        raise error("CQ288", f"the wiring does not say where `{name}` stands: {why}", span, help=way)
    if not sites:
        return Node(name, value, None)
    return Node(name, value, sites[0], value != sites[0])


def models_of(value: Expr) -> set[str]:
    """The models that a value is read from."""
    parts = list(_row_parts(value))
    return {e.address.model if isinstance(e, Site) else e.model for e in parts if isinstance(e, Site | Output | Input)}


def _row_parts(value: Expr) -> Iterator[Expr]:
    """What a value is calculated from on a row, itself first; references are the same for all rows."""
    yield value
    for child in () if isinstance(value, Statistic) else children(value):
        yield from _row_parts(child)


@dataclass(slots=True)
class Wired:
    """The diagram of some nodes of one model.

    Attributes:
        table: the model's sites. nodes: those that are asked about.
        arrows, spouses: pairs of their numbers; of spouses the smaller one first.
        below: of each node, the others that a route leads to, whatever it passes; as a set of bits.
        from_row: the nodes that a route from the row leads to which passes no other; as a set of bits.

    Raises:
        DiagnosticError: CQ289, two of the nodes are the same thing or overlap.
    """

    table: SiteTable
    nodes: tuple[Node, ...]
    arrows: frozenset[tuple[int, int]] = frozenset()
    spouses: frozenset[tuple[int, int]] = frozenset()
    below: tuple[int, ...] = ()
    from_row: int = 0
    _owner: dict[Cell, int] = field(default_factory=dict)
    _cells: list[tuple[Cell, ...]] = field(default_factory=list)
    _into: dict[Cell, dict[Cell, None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Draw the wiring as fine as the nodes need, and project it."""
        infos = [None if n.site is None else self.table.info(n.site.address) for n in self.nodes]
        twins = self._twins(infos)
        wiring = _drawn(self.table, self.nodes, [i for i in infos if i is not None])
        self._into = wiring.into
        for k, (node, info) in enumerate(zip(self.nodes, infos, strict=True)):
            self._cells.append(self._placed(wiring, k, node, info))
        for k, (node, info) in enumerate(zip(self.nodes, infos, strict=True)):
            if node.site is not None and info is not None:
                self._shared(wiring, k, node, node.site, info)
        for k, node in enumerate(self.nodes):
            if _of_the_row(node.value):
                self._into[ROW] |= dict.fromkeys(self._cells[k])
        self._project(twins)

    def _placed(self, wiring: Wiring, k: int, node: Node, info: SiteInfo | None) -> tuple[Cell, ...]:
        """The cells that are a node in every row; of a readout a cell of its own."""
        own: Cell = (f"node {k}", "", 0)
        if isinstance(node.value, Input):
            cells: tuple[Cell, ...] = ((f"channel {node.value.channel}", "", 0),)
            self._into.setdefault(cells[0], {})
        elif info is None or node.site is None:
            self._into[own] = {}
            for e in _row_parts(node.value):
                if isinstance(e, Output):
                    for cell in _read(wiring, e):
                        self._into[cell][own] = None
            cells = (own,)
        else:
            sure = wiring.stretches[info.stand].sure(node.site.position)
            cells = () if node.part else wiring.at(info, sure)
        self._owner.update(dict.fromkeys(cells, k))
        return cells

    def _shared(self, wiring: Wiring, k: int, node: Node, site: Site, info: SiteInfo) -> None:
        """What is a node only in part: all of a summary's site, and positions that may belong to a node or not.

        Such a part is made of the same as the whole, and goes into the same; the rest stays beside it.
        """
        groups = wiring.stretches[info.stand]
        own: Cell = (f"node {k}", "", 0)
        whole = wiring.at(
            info, set(groups.possible(site.position)) - (set() if node.part else set(groups.sure(site.position)))
        )
        if not whole:
            return
        self._into[own] = {}
        for cell in whole:
            if cell not in self._owner:
                for effects in self._into.values():
                    if cell in effects:
                        effects[own] = None
                self._into[own] |= self._into[cell]
            elif node.part:  # the site is asked about as well: its summary is calculated from it
                self._into[cell][own] = None
        self._owner[own] = k
        self._cells[k] = (*self._cells[k], own)

    def _twins(self, infos: Sequence[SiteInfo | None]) -> set[tuple[int, int]]:
        """Nodes of which it is not known whether they are one in some rows.

        Raises:
            DiagnosticError: CQ289, they overlap in every row.
        """
        found = set()
        for j, (one, info) in enumerate(zip(self.nodes, infos, strict=True)):
            for i, other in enumerate(self.nodes[:j]):
                before = infos[i]
                same = one.value == other.value
                if not same and (info is None or before is None or one.part or other.part or not info.overlaps(before)):
                    continue
                lie = "same" if same or one.site is None or other.site is None else _lie(one.site, other.site)
                if lie == "unknown":
                    found.add((i, j))
                elif lie != "apart":
                    what = "are the same thing" if lie == "same" else "have positions of one tensor in common"
                    way = "one variable for each: list one of them, or positions that are apart"
                    raise error("CQ289", f"`{other.name}` and `{one.name}` {what}", help=way)
        return found

    def _project(self, twins: set[tuple[int, int]]) -> None:
        """The latent projection onto the nodes."""
        order = list(_ordered(self._into))
        reach: dict[Cell, int] = {}  # the nodes that are reached over cells of no node
        every: dict[Cell, int] = {}  # the nodes that are reached over any cells
        spouses = set(twins)
        for cell in reversed(order):
            direct = anyhow = 0
            for effect in self._into[cell]:
                k = self._owner.get(effect)
                direct |= reach[effect] if k is None else 1 << k
                anyhow |= every[effect] | (0 if k is None else 1 << k)
            reach[cell], every[cell] = direct, anyhow
        for sets in {reach[cell] for cell in order if cell not in self._owner}:
            members = [k for k in range(len(self.nodes)) if sets >> k & 1]
            spouses |= {(i, j) for n, j in enumerate(members) for i in members[:n]}
        direct_of = [_union(reach[c] for c in cells) & ~(1 << k) for k, cells in enumerate(self._cells)]
        self.below = tuple(_union(every[c] for c in cells) & ~(1 << k) for k, cells in enumerate(self._cells))
        self.from_row = reach[ROW]
        count = range(len(self.nodes))
        self.arrows = frozenset((i, j) for i in count for j in count if direct_of[i] >> j & 1)
        self.spouses = frozenset(spouses)

    def route(self, i: int, j: int) -> tuple[str, ...]:
        """What a shortest route of an arrow passes between two nodes, by the names of tensors."""
        came: dict[Cell, Cell | None] = dict.fromkeys(self._cells[i])
        todo = list(came)
        for cell in todo:
            for effect in self._into[cell]:
                if self._owner.get(effect) == j:
                    return tuple(_milestones(came, cell))
                if effect not in came and effect not in self._owner:
                    came[effect] = cell
                    todo.append(effect)
        return ()


def _drawn(table: SiteTable, nodes: Sequence[Node], infos: Sequence[SiteInfo]) -> Wiring:
    """The model's wiring, with the positions that the nodes name."""
    places: dict[str, list[Position]] = {name: [] for name in (*(t.name for t in table.towers), PROJECTOR)}
    follows = written = False
    for node in nodes:
        if node.site is not None:
            places[table.info(node.site.address).stand].append(node.site.position)
        for e in _row_parts(node.value):
            if isinstance(e, Readout | Distribution) and e.position is not None:
                places[table.readout_tower.name].append(e.position)
            text = isinstance(e, Generated) or (isinstance(e, Readout) and is_text(e.answer))
            written = written or text
            follows = follows or text or (isinstance(e, Readout) and e.kind != "logit")
    readout = table.readout_tower
    stretches = {t.name: Stretches.of(places[t.name], t.causal, follows and t is readout) for t in table.towers}
    stretches[PROJECTOR] = Stretches.of(places[PROJECTOR], causal=False)
    return Wiring(table, tuple(dict.fromkeys(infos)), stretches, (follows, written))


def _read(wiring: Wiring, output: Output) -> Iterator[Cell]:
    """What a readout is calculated from."""
    table = wiring.table
    groups = wiring.stretches[table.readout_tower.name]
    everywhere = range(len(groups.members))
    if isinstance(output, Similarity):
        for tower in table.towers:
            yield from wiring.last(tower, range(len(wiring.stretches[tower.name].members)))
    elif isinstance(output, Readout | Distribution) and output.position is not None:
        at = set(groups.possible(output.position))
        if isinstance(output, Readout) and output.kind != "logit":  # an answer of several tokens is read behind, too
            at |= {j for j in everywhere for i in tuple(at) if groups.sees(i, j)}
        if isinstance(output, Readout) and is_text(output.answer):
            at = set(everywhere)
        yield from wiring.last(table.readout_tower, sorted(at))
    else:
        yield from wiring.last(table.readout_tower, everywhere)


def _of_the_row(value: Expr) -> bool:
    """Whether columns take part in what is read, or say where."""
    return any(
        isinstance(e, Column)
        or (isinstance(e, Site | Readout | Distribution) and e.position is not None and _asks(e.position))
        for e in _row_parts(value)
    )


def _asks(position: Position) -> bool:
    return position.mask is not None or any(w.column for w in position.words) or any(map(_asks, position.parts))


def _lie(one: Site, other: Site) -> str:
    return relation(one.position, other.position)


def _union(sets: Iterable[int]) -> int:
    found = 0
    for each in sets:
        found |= each
    return found


def _ordered(into: dict[Cell, dict[Cell, None]]) -> Iterator[Cell]:
    """Causes before effects."""
    waiting: dict[Cell, int] = dict.fromkeys(into, 0)
    for effects in into.values():
        for effect in effects:
            waiting[effect] += 1
    ready = [cell for cell, count in waiting.items() if not count]
    for cell in ready:  # grows as it is walked
        yield cell
        for effect in into[cell]:
            waiting[effect] -= 1
            if not waiting[effect]:
                ready.append(effect)


def _milestones(came: dict[Cell, Cell | None], last: Cell) -> list[str]:
    """The outputs of parts, and the stream between them, that a walk passed."""
    walked: list[str] = []
    cell: Cell | None = last
    while cell is not None and came[cell] is not None:
        tensor = cell[0].rstrip("'")
        if tensor.endswith(_MILESTONES) and tensor not in walked:
            walked.append(tensor)
        cell = came[cell]
    return walked[::-1]


def listing(nodes: Iterable[tuple[str, Expr]]) -> tuple[Node, ...]:
    """Nodes by name and value; see `node_of`."""
    return tuple(node_of(name or render(value), value, value.span) for name, value in nodes)
