"""What `cq plan` says, as text for a terminal and as JSON: questions, the tree of worlds, what they cost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from causalcircuit.query.forecast import (
    CircuitForecast,
    Cost,
    DataForecast,
    Forecast,
    ModelForecast,
    Question,
    WorldCost,
)
from causalcircuit.report.figures import count
from causalcircuit.report.paper import paper, written
from causalcircuit.report.picture import PLAIN
from causalcircuit.report.power import power_remarks, power_table
from causalcircuit.report.safe import words

NARROWEST, WIDEST = 60, 140
_RUNS, _SHARED = "■", "·"
_PLAIN = {**PLAIN, ord(_RUNS): "#", ord("└"): "`", ord("│"): "|", ord("×"): "x", ord("±"): "+"}
_ALIKE = 4
"""So many worlds that resume alike are listed one by one; more are counted."""
_CELLS = 12


def forecast_text(forecast: Forecast, *, width: int = 80, colour: bool = False, ascii_only: bool = False) -> str:
    """A forecast as text, its last line ended.

    Args:
        forecast: what to print. width: of the text in cells; what lies outside 60 to 140 is drawn in.
        colour: whether to use the colours of a terminal. ascii_only: for outputs that know no other characters.
    """
    width = max(NARROWEST, min(width, WIDEST))
    console, out = paper(width, colour=colour)
    if not forecast.data and not forecast.circuits:
        circuits = any(d.code == "CQ266" for d in forecast.diagnostics)
        console.print(words("Only circuits are asked for." if circuits else "Nothing is asked that has to run."))
    for model in forecast.models:
        console.print(_model(model))
    for each in forecast.data:
        console.print()
        _data(console, each, forecast, width)
    for circuit in forecast.circuits:
        console.print()
        console.print(_circuit(circuit, forecast))
    if forecast.data or forecast.circuits:
        console.print()
        console.print(_footer(forecast))
    return written(out, ascii_only, _PLAIN)


def forecast_json(forecast: Forecast) -> str:
    """The same for machines: `schema` 1."""
    return json.dumps(forecast.to_json(), indent=2)


def _model(model: ModelForecast) -> Text:
    known = "not read" if model.sketched else "read"
    facts = f"{model.family}, {model.dtype} on {model.device}, weights of {size(model.weights)} ({known})"
    head = Text.assemble((f"model {model.name}", "bold"), f"  {model.source}  ")
    return head + words(facts) + words("".join(f"\n  {t}" for t in model.towers), "dim")


def _data(console: Console, each: DataForecast, forecast: Forecast, width: int) -> None:
    rows = count(each.rows, "row") + (f" in {count(each.clusters, 'cluster')}" if each.clusters is not None else "")
    stored = ""
    if each.stored:
        stored = f" · {each.stored:.0%} of the outcomes are stored: they are not computed again"
    console.print(Text.assemble((f"on {each.data}", "bold underline"), f" · {rows}{stored}"))
    console.print(Padding(_questions(each.questions, width), (0, 0, 0, 2)))
    for name, said in _remarks(each.questions):
        console.print(Padding(words(f"{name}: {said}", "dim"), (0, 0, 0, 2)))
    if any(q.power is not None for q in each.questions):
        console.print()
        console.print(Padding(power_table(each.questions, width), (0, 0, 0, 2)))
        for name, said in power_remarks(each.questions):
            console.print(Padding(words(f"{name}: {said}", "dim"), (0, 0, 0, 2)))
    console.print()
    several = len(forecast.models) > 1
    console.print(Padding(_tree(each.worlds, several, width), (0, 0, 0, 2)))
    console.print()
    console.print(Padding(_costs(each, forecast), (0, 0, 0, 2)))


def _questions(questions: Sequence[Question], width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("question", overflow="fold", max_width=max(18, width // 4))
    table.add_column("estimand", overflow="fold", ratio=1)
    table.add_column("worlds", justify="right")
    table.add_column("width", justify="right", no_wrap=True)
    analysed = any(q.actual is not None for q in questions)
    if analysed:
        table.add_column("actual", justify="right", no_wrap=True)
    groups = [list(g) for _, g in groupby(questions, lambda q: (q.name, q.unit, bool(q.at)))]
    shown = groups if len(groups) <= _MOST else groups[: _MOST - 1]
    for group in shown:
        actual = [q.actual for q in group if q.actual is not None]
        cells = [_name(group), words(group[0].symbols), Text(str(max(q.worlds for q in group))), _width(group)]
        table.add_row(*cells, *([Text(_range(actual))] if analysed else []))
    if len(shown) < len(groups):
        table.add_row(Text(f"… {len(groups) - len(shown)} more"), "", "", "", *([""] if analysed else []))
    return table


def _name(group: Sequence[Question]) -> Text:
    """A question's name; of a sweep, how many members it has."""
    first = group[0]
    if len(group) > 1:
        return words(first.name) + Text(f", {len(group)} members", "dim")
    return words(first.name + "".join(f", {v}" for _, v in first.at))


_MOST = 24


def _width(group: Sequence[Question]) -> Text:
    if all(q.width.source == "exact" for q in group):
        return Text("exact", "green")
    known = [q.width.value for q in group if q.width.value is not None]
    if len(known) < len(group):
        return Text("unknown", "yellow")
    return Text(f"{_range(known)} {group[0].unit}", "green")


def _range(values: Sequence[float]) -> str:
    low, high = (f"{x:.3g}" for x in (min(values, default=0), max(values, default=0)))
    return "" if not values else low if low == high else f"{low} to {high}"


def _remarks(questions: Sequence[Question]) -> Iterator[tuple[str, str]]:
    """What is to be said of the questions, each thing once."""
    yield from dict.fromkeys((q.regime, q.why) for q in questions)
    for why in dict.fromkeys(q.width.why for q in questions):
        own = ["".join([q.name, *(f", {v}" for _, v in q.at)]) for q in questions if q.width.why == why]
        whose = "" if len(own) == len(questions) else f" of {', '.join(dict.fromkeys(own[:3]))}"
        whose += " …" if whose and len(set(own)) > 3 else ""
        yield f"width{whose}", why


def _tree(worlds: Sequence[WorldCost], several: bool, width: int) -> Table:
    lines = list(_branches(worlds, several))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    taken = 0
    for k, name in enumerate(("blocks", "world", "from", "positions", "operations")):
        longest = max([len(name), *(line[k].cell_len for line in lines)])
        if name != "world":
            taken += longest + 2
            table.add_column(name, no_wrap=True, min_width=longest, justify="left" if k < 3 else "right")
        else:
            table.add_column(name, no_wrap=True, overflow="ellipsis")
    room = max(16, width - taken - 4)
    table.columns[1].max_width = room
    for line in lines:
        table.add_row(*line)
    return table


def _branches(worlds: Sequence[WorldCost], several: bool) -> Iterator[list[Text]]:
    """The lines of the tree."""
    named = {w.world for w in worlds if not w.bare}
    for i, root in enumerate(worlds):
        if root.base is not None:
            continue
        label = f"{root.model}: {root.world}" if several else root.world
        if root.bare:
            label += ", again for these" if root.world in named else ", for these"
        yield _branch(root, words(label))
        groups = list(_grouped([w for w in worlds if w.base == i]))
        for k, group in enumerate(groups):
            last = k == len(groups) - 1
            shown = group if len(group) <= _ALIKE else group[: _ALIKE - 1]
            for n, world in enumerate(shown):
                end = last and n == len(group) - 1
                yield _branch(world, Text("└─ " if end else "├─ ", "dim") + words(world.world))
            if len(shown) < len(group):
                rest = group[len(shown) :]
                more = Text(("└─ " if last else "├─ ") + f"… {len(rest)} more like these", "dim")
                flops = Text(operations(sum(w.flops for w in rest)), "dim")
                yield [bar(rest[0]), more, Text(""), Text(""), flops]


def _branch(world: WorldCost, label: Text) -> list[Text]:
    tower = f"{world.tower}." if world.tower else ""
    start = "start" if world.runs == world.blocks and world.base is None else f"{tower}layer[{world.layer}]"
    many = f"{world.positions - world.first} of {world.positions}" if world.first else f"{world.positions or 1}"
    return [
        bar(world),
        label,
        Text(start if world.runs else "logits"),
        Text(many),
        Text(operations(world.flops), "dim"),
    ]


def _grouped(worlds: Sequence[WorldCost]) -> Iterator[list[WorldCost]]:
    """Neighbours that resume at one place."""
    found: list[WorldCost] = []
    for world in worlds:
        if found and (found[0].tower, found[0].layer, found[0].first) != (world.tower, world.layer, world.first):
            yield found
            found = []
        found.append(world)
    if found:
        yield found


def bar(world: WorldCost) -> Text:
    """The blocks of a model from left to right: those that are taken over, and those that run."""
    cells = min(world.blocks, _CELLS)
    runs = 0 if not world.runs else max(1, round(cells * world.runs / max(1, world.blocks)))
    return Text(_SHARED * (cells - runs), "dim") + Text(_RUNS * runs, "cyan")


def _costs(each: DataForecast, forecast: Forecast) -> Table:
    table = Table(
        box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=each.actual is not None, header_style="dim"
    )
    table.add_column("cost", no_wrap=True)
    table.add_column("at most" if each.most else "predicted", justify="right", no_wrap=True)
    if each.actual is not None:
        table.add_column("actual", justify="right", no_wrap=True)
    table.add_column("", overflow="fold", style="dim")
    for line in _lines(each, forecast):
        table.add_row(*line)
    return table


def _lines(each: DataForecast, forecast: Forecast) -> Iterator[list[str]]:
    cost, actual = each.cost, each.actual

    def line(name: str, said: str, found: str, why: str) -> list[str]:
        return [name, said, *([found] if actual is not None else []), why]

    most = "texts may end earlier: this is the most" if each.most and actual is None else ""
    yield line("passes", f"{cost.passes:,}", "" if actual is None else f"{actual.passes:,}", most)
    rows = "of single rows and answers"
    yield line("row passes", f"{cost.row_passes:,}", "" if actual is None else f"{actual.row_passes:,}", rows)
    total = cost.flops or 0
    parts = f"{_share(cost.attention, total)} in attention, {_share(cost.unembedding, total)} in logits"
    counted = "" if actual is None else "not counted" if actual.flops is None else operations(actual.flops)
    yield line("operations", operations(total), counted, parts)
    rests = "measured rates of this machine" if forecast.calibrated else "uncalibrated, a guess: `cq plan --calibrate`"
    yield line("time", duration(cost.seconds), "" if actual is None else duration(actual.seconds), rests)
    held = f"weights {size(cost.weights)}, a pass {size(cost.activations)}, kept {size(cost.kept)}"
    if actual is not None and actual.memory is not None:
        held += "; actual is what the process grew by" if actual.weights else ""
    yield line("memory", size(cost.memory or 0), _memory(actual), held)


def _trust(passes: int | None) -> str:
    """What the trust of a circuit takes."""
    if passes is None:
        return "what its trust takes is left out"
    return f"its trust takes at most {passes:,} more" if passes else "no trust is measured"


def _circuit(circuit: CircuitForecast, forecast: Forecast) -> Group:
    """An attribution, in the figures of `_costs`."""
    head = Text.assemble((f"circuit {circuit.name}", "bold underline"))
    head += words(f" · {circuit.method} of {circuit.model} on {circuit.data}, {count(circuit.rows, 'row')}")
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=False)
    table.add_column("cost", no_wrap=True)
    table.add_column("predicted", justify="right", no_wrap=True)
    table.add_column("", overflow="fold", style="dim")
    some = "" if circuit.considered == circuit.wires else f"{circuit.considered:,} of them lie between the nodes named"
    rests = "measured rates of this machine" if forecast.calibrated else "uncalibrated, a guess: `cq plan --calibrate`"
    held = f"weights {size(circuit.weights)}, the longest row {size(circuit.row)}, scores {size(circuit.scores)}"
    table.add_row("wires", f"{circuit.wires:,}", some)
    table.add_row("row passes", f"{circuit.row_passes:,}", f"forward and backward; {_trust(circuit.trust)}")
    table.add_row("operations", operations(circuit.flops), "")
    table.add_row("time", duration(circuit.seconds), rests)
    table.add_row("memory", size(circuit.memory), held)
    return Group(head, Padding(table, (0, 0, 0, 2)))


def _memory(actual: Cost | None) -> str:
    if actual is None:
        return ""
    return "unknown" if actual.memory is None else size(actual.memory)


def _footer(forecast: Forecast) -> Text:
    limit = "" if forecast.limit is None else f" within {size(forecast.limit)}"
    shares = "passes share what they have in common" if forecast.how == "full" else "every world runs whole"
    many = f"{forecast.threads} thread{'s' if forecast.threads > 1 else ''}"
    return words(f"{shares}; at most {forecast.positions:,} positions a pass{limit}; {forecast.machine}, {many}", "dim")


def size(count: float) -> str:
    """Bytes as people write them.

    >>> size(1_234_567_890), size(999)
    ('1.23 GB', '999 B')
    """
    return _scaled(count, ("B", "kB", "MB", "GB", "TB", "PB"))


def operations(count: float) -> str:
    """Floating-point operations.

    >>> operations(4.1e9)
    '4.1 GFLOP'
    """
    return _scaled(count, ("FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"))


def duration(seconds: float | None) -> str:
    """Seconds, minutes, hours or days.

    >>> duration(0.034), duration(100), duration(90_000)
    ('34 ms', '1.7 min', '25 h')
    """
    if seconds is None:
        return "unknown"
    for unit, of, until in (("ms", 1e-3, 1), ("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172800)):
        if seconds < until:
            return f"{seconds / of:.2g} {unit}" if seconds / of < 100 else f"{seconds / of:.0f} {unit}"
    return f"{seconds / 86400:.3g} days"


def _scaled(count: float, units: Sequence[str]) -> str:
    for unit in units:
        if count < 999.5 or unit == units[-1]:
            return f"{count:.0f} {unit}" if unit == units[0] else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError


def _share(part: int, total: int) -> str:
    return f"{part / total:.0%}" if total else "0%"
