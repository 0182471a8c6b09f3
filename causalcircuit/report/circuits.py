"""Circuits for a terminal: nodes by layer, the strongest wires with signed bars, what speaks for them and against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from causalcircuit.query.circuit import Circuit, Score, Trust
from causalcircuit.query.circuits.compare import Comparison
from causalcircuit.query.circuits.shown import CircuitShown
from causalcircuit.report.circuit_names import READOUT, lines, short, wire_name
from causalcircuit.report.details import grid
from causalcircuit.report.figures import bounds, count, decimals, figure, percent
from causalcircuit.report.safe import clean, words
from causalcircuit.report.trusting import trust_facts

_STRONGEST = 20
_INDENT = 2
_NARROW = 60
_SHORT = 16
_UP, _DOWN = "blue", "red"


def circuit_block(shown: CircuitShown, width: int, brief: bool) -> Group:
    """Everything about one circuit, or about two beside each other."""
    if shown.comparison is not None:
        return Group(*_compared(shown.comparison, width))
    circuit = shown.circuits[0]
    indent = (0, 0, 0, _INDENT)
    parts: list[RenderableType] = [_head(circuit)]
    verdict = _verdict(circuit.trust, len(_items(circuit)), _kind(circuit))
    parts += [Padding(verdict, indent)] if circuit.origin is not None else []
    parts += [Text(), Padding(_layers(circuit, width - _INDENT), indent)]
    items = _items(circuit)
    if items:
        parts += [Text(), Padding(_table(items[:_STRONGEST], width - _INDENT, _kind(circuit)), indent)]
    if len(items) > _STRONGEST:
        weaker = f"and {len(items) - _STRONGEST} weaker ones: `--format json` has them all"
        parts.append(Padding(Text(weaker, "dim"), indent))
    told = [] if brief else list(_told(circuit))
    parts += [Text(), Padding(grid(told), indent)] if told else []
    return Group(*parts)


def _head(circuit: Circuit) -> Text:
    facts = []
    nodes = len({name for _, names in lines(circuit) for name in names})
    of = f" of {circuit.origin.considered:,}" if circuit.origin is not None and circuit.origin.considered else ""
    if circuit.edges:
        facts.append(f"{len(circuit.edges):,}{of} wires" if of or len(circuit.edges) != 1 else "1 wire")
    single = bool(circuit.nodes) and not circuit.edges
    facts.append(f"{len(circuit.nodes):,}{of} nodes" if single and of else count(nodes, "node"))
    if circuit.origin is None:
        scored = any(s is not None for _, s in _items(circuit))
        facts.append("joined from others" if scored else "without scores")
    return words(f"circuit {circuit.name}", "bold underline") + words("".join(f" · {f}" for f in facts))


def _verdict(trust: Trust | None, kept: int, kind: str) -> Text:
    """The first line: why it is not to be trusted, or how far it was looked at."""
    if trust is None:
        return Text("trust: not measured", "yellow")
    if trust.failures:
        return words(f"not to be trusted: {trust.failures[0]}", "bold red")
    said = []
    if trust.curve:
        last = next((p for p in trust.curve if p.size == kept), trust.curve[-1])
        said.append(f"{last.size:,} {kind}s are {figure(last.faithful, 2)} faithful")
    if trust.pearson is not None:
        said.append(f"r {figure(trust.pearson, 2)} with exact patching of {trust.held:,} wires")
    if trust.jaccard is not None:
        said.append(f"{percent(round(trust.jaccard, 2))} alike over resampled rows")
    return words("trust: " + (", ".join(said) if said else "nothing speaks against it"), "green")


def _layers(circuit: Circuit, width: int) -> Table:
    """Inputs on top, the readout below; names fold where the terminal ends."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=max(10, width - 12))
    for i, (label, names) in enumerate(lines(circuit)):
        if i:
            table.add_row("", Text("↓", "dim"))
        table.add_row(Text(label, "dim"), words("  ".join(names)))
    return table


Item = tuple[str, Score | None]


def _kind(circuit: Circuit) -> str:
    return "wire" if circuit.edges or not circuit.nodes else "node"


def _items(circuit: Circuit) -> list[Item]:
    """Wires, or where there are none the nodes, with their scores."""
    if circuit.edges:
        last = _readout(circuit)
        return [(wire_name(e.source, e.target, last), e.score) for e in circuit.edges]
    return [(short(n.site), n.score) for n in circuit.nodes]


def _readout(circuit: Circuit) -> str:
    """What the readout is called in a wire: its name, where that is short."""
    said = READOUT if circuit.origin is None else circuit.origin.readout
    return said if 0 < len(said) <= _SHORT else READOUT


def _table(items: Sequence[Item], width: int, kind: str = "wire") -> Table:
    scores = [s for _, s in items if s is not None]
    ends = any(s.interval is not None for s in scores) and width >= _NARROW
    selected = any(s.selected is not None for s in scores) and width >= _NARROW
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(12, width // 2))
    if not scores:
        for name, _ in items:
            table.add_row(words(name))
        return table
    places = max(0, min(8, max(min(decimals(s.value, s.interval), 8) for s in scores[:3])))
    numbers = [figure(s.value, places) for s in scores]
    figures = max(5, *(len(n) + 1 for n in numbers))
    brackets = [bounds(s.interval, places) if s.interval is not None else "" for s in scores] if ends else [""]
    lead = min(max(len(clean(n)) for n, _ in items), max(12, width // 2))
    rest = width - lead - figures - 4 - (max(map(len, brackets)) + 2 if ends else 0) - (8 if selected else 0)
    bar = _Bar(scores, max(6, min(40, rest)))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for _ in range(ends + selected):
        table.add_column(justify="right", no_wrap=True)
    heads = ["interval"] * ends + ["chosen"] * selected
    table.add_row(Text(kind, "dim"), "", *[Text(h, "dim") for h in ("score", *heads)])
    for name, score in items:
        if score is None:
            table.add_row(words(name), "", Text("no score", "dim"), *[""] * (ends + selected))
            continue
        number = figure(score.value, places)
        sign = "+" if score.value > 0 and float(number) != 0 else ""
        row = [words(name), bar.draw(score.value), Text(sign + number)]
        row += [Text(bounds(score.interval, places) if score.interval is not None else "", "dim")] if ends else []
        row += [Text(f"{score.selected:.0%}" if score.selected is not None else "", "dim")] if selected else []
        table.add_row(*row)
    return table


class _Bar:
    """Signed bars with one zero: what lowers the readout grows to the left."""

    def __init__(self, scores: Sequence[Score], cells: int) -> None:
        self.most = max(abs(s.value) for s in scores) or 1.0
        values = [s.value / self.most for s in scores]
        below, above = max(0.0, -min(values)), max(0.0, *values)
        spread = below + above
        self.left = round(cells * below / spread) if spread else 0
        self.right = cells - self.left
        self.left, self.right = max(self.left, int(below > 0)), max(self.right, int(above > 0))
        steps = [below / self.left if self.left else 0.0, above / self.right if self.right else 0.0]
        self.step = max(steps) or 1.0

    def draw(self, value: float) -> Text:
        """One bar: halves of cells, and at least a half for what is not 0."""
        halves = round(2 * abs(value / self.most) / self.step)
        halves = max(halves, 1 if value else 0)
        full, half = divmod(halves, 2)
        if value < 0:
            return Text(" " * max(0, self.left - full - half) + "▐" * half + "█" * full + " " * self.right, _DOWN)
        return Text(" " * self.left + "█" * full + "▌" * half, _UP)


def _told(circuit: Circuit) -> Iterator[tuple[str, Text]]:
    o = circuit.origin
    if o is not None:
        unit, kind = f" [{o.unit}]" if o.unit else "", _kind(circuit)
        way = "between two worlds" if o.direction == "between" else o.direction
        yield "scores", words(f"{o.method} of {o.readout}{unit}, {way}")
        yield (
            "worlds",
            words(f"from {o.start} to {o.end}: what a {kind} carries in the latter adds its score to the readout"),
        )
        clusters = f" in {count(o.clusters, 'cluster')}" if o.clusters else ""
        yield "data", words(f"{o.data}, {count(o.rows, 'row')}{clusters}")
        cost = ([count(o.passes, "pass", "passes")] if o.passes else []) + ([f"{o.seconds:.2g} s"] if o.seconds else [])
        if o.stored:
            cost.append("scores from the store" if o.stored == o.rows else f"{count(o.stored, 'row')} from the store")
        if cost:
            yield "cost", words(", ".join(cost))
    for name, sites in circuit.groups.items():
        yield "groups", words(f"{name}: {', '.join(dict.fromkeys(map(short, sites)))}")
    trust = circuit.trust
    if trust is not None:
        for failure in trust.failures[1:]:
            yield "against", words(failure)
        for name, number, meaning in trust_facts(circuit):
            yield name, words(f"{number} {meaning}")
        for note in trust.notes:
            yield "note", words(note)


def _compared(found: Comparison, width: int) -> Iterator[RenderableType]:
    indent = (0, 0, 0, _INDENT)
    yield words(f"{found.first} beside {found.second}", "bold underline")
    overlap = "neither has a wire" if found.jaccard is None else f"{figure(found.jaccard, 3)} (Jaccard)"
    ranks = f"not compared: {count(found.ranked, 'wire has', 'wires have')} two scores"
    if found.spearman is not None:
        ranks = f"{figure(found.spearman, 3)} (Spearman) over {found.ranked} wires with two scores"
    yield Padding(grid([("overlap", Text(overlap)), ("ranks", Text(ranks))]), indent)
    names = ("in both", f"only {found.first}", f"only {found.second}")
    for title, part in zip(names, (found.shared, found.only_first, found.only_second), strict=True):
        items = _items(part)
        yield Text()
        yield Padding(words(f"{title} ({len(items)})", "bold"), indent)
        if items:
            table = _table(items[: _STRONGEST // 2], width - 2 * _INDENT, _kind(part))
            yield Padding(table, (0, 0, 0, 2 * _INDENT))
        if len(items) > _STRONGEST // 2:
            yield Padding(Text(f"and {len(items) - _STRONGEST // 2} more", "dim"), (0, 0, 0, 2 * _INDENT))
