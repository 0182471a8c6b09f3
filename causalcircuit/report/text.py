"""A result as text for a terminal, a pipe or a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from causalcircuit.query import Estimate, Result, Tested
from causalcircuit.query.families import title_of
from causalcircuit.report.blocks import Answer, axes_of, estimate_blocks, swept, test_blocks
from causalcircuit.report.circuits import circuit_block
from causalcircuit.report.details import claims, details, grid, news, remarks, trouble
from causalcircuit.report.discovered import discovered_block
from causalcircuit.report.examined import examined_block
from causalcircuit.report.figures import count
from causalcircuit.report.identified import PLAIN as SIGNS
from causalcircuit.report.identified import identified_block
from causalcircuit.report.independent import independent_block
from causalcircuit.report.paper import paper, written
from causalcircuit.report.picture import PLAIN
from causalcircuit.report.safe import words
from causalcircuit.report.saliency import heat_block
from causalcircuit.report.shown import shown_block
from causalcircuit.report.standing import locks, standing
from causalcircuit.report.tables import COLOURS, estimate_table, test_table

NARROWEST, WIDEST = 40, 120
_INDENT = 2


def to_text(
    result: Result, *, width: int = 80, colour: bool = False, brief: bool = False, ascii_only: bool = False
) -> str:
    """A result as text, its last line ended.

    Args:
        result: what to print.
        width: of the text in cells; what lies outside 40 to 120 is drawn in.
        colour: whether to use the colours of a terminal.
        brief: only the numbers, verdicts, and what is wrong with them.
        ascii_only: for outputs that know no other characters.
    """
    width = max(NARROWEST, min(width, WIDEST))
    console, out = paper(width, colour=colour, system="256")
    for i, part in enumerate(_parts(result, width, brief)):
        console.print(*([Text()] if i else []), part, sep="\n")
    return written(out, ascii_only, {**PLAIN, **SIGNS})


def _parts(result: Result, width: int, brief: bool) -> Iterator[RenderableType]:
    said: tuple[str, ...] = result.comments
    if said and not brief:
        yield _title(said, width)
    if result.interrupted:
        answers = result.estimates or result.hypotheses or result.shown
        what = ": these are the answers of the rows that were done." if answers else " before any row was done."
        yield words(f"Interrupted{what}", "bold yellow")
    blocks: list[Sequence[Answer]] = [*estimate_blocks(result.estimates), *test_blocks(result.hypotheses)]
    before: list[tuple[str, Text]] = []
    for block in blocks:
        if block[0].comments not in ((), said) and not brief:
            said = block[0].comments
            yield _paragraphs(said)
        behind = [] if brief else details(block)
        urgent = [*trouble(block), *([] if brief else claims(block))]
        remarked = [] if brief else remarks(block)
        yield _block(block, width, [*urgent, *news(behind, before), *remarked], brief)
        before = behind
    for shown in result.shown:
        if shown.comments not in ((), said) and not brief:
            said = shown.comments
            yield _paragraphs(said)
        yield shown_block(shown, width, brief)
    if result.locks:
        yield grid(locks(result.locks))
    for view in result.circuits:
        if view.comments not in ((), said) and not brief:
            said = view.comments
            yield _paragraphs(said)
        yield circuit_block(view, width, brief)
    for maps in result.maps:
        if maps.comments not in ((), said) and not brief:
            said = maps.comments
            yield _paragraphs(said)
        yield heat_block(maps, width, brief)
    for found in result.identifications:
        if found.comments not in ((), said) and not brief:
            said = found.comments
            yield _paragraphs(said)
        yield identified_block(found, brief)
    for pattern in result.discoveries:
        if pattern.comments not in ((), said) and not brief:
            said = pattern.comments
            yield _paragraphs(said)
        yield discovered_block(pattern, brief)
    for held in result.examinations:
        if held.comments not in ((), said) and not brief:
            said = held.comments
            yield _paragraphs(said)
        yield examined_block(held, brief)
    for same, group in groupby(result.independences, lambda i: (i.graph, i.comments)):
        if same[1] not in ((), said) and not brief:
            said = same[1]
            yield _paragraphs(said)
        yield independent_block(tuple(group), brief)


def _title(comments: Sequence[str], width: int) -> Group:
    first, *rest = comments
    line = Text("─" * min(width, max(len(first), 1)), "dim")
    return Group(words(first, "bold"), line, *([_paragraphs(rest)] if any(rest) else []))


def _paragraphs(comments: Sequence[str]) -> Text:
    """Comment lines run together; an empty one begins a paragraph."""
    lines = "\n".join(comments).strip("\n").split("\n\n")
    return words("\n\n".join(" ".join(part.split()) for part in lines))


def _block(block: Sequence[Answer], width: int, lines: Sequence[tuple[str, Text]], brief: bool) -> Group:
    """A headline, the table, and the lines that explain it."""
    indent = (0, 0, 0, _INDENT)
    estimates = [x for x in block if isinstance(x, Estimate)]
    tested = [x for x in block if isinstance(x, Tested)]
    table = estimate_table(estimates, width - _INDENT) if estimates else test_table(tested, width - _INDENT)
    below: list[RenderableType] = [*([] if brief else [Text()]), Padding(grid(lines), indent)] if lines else []
    return Group(_head(block), Padding(table, indent), *below)


def _head(block: Sequence[Answer]) -> Text:
    """What a block is about, in one line."""
    first = block[0]
    facts: list[str] = []
    if len({(x.n, x.clusters) for x in block}) == 1:
        facts.append(count(first.n, "row") + (f" in {count(first.clusters, 'cluster')}" if first.clusters else ""))
    facts += [said] if (said := standing(first)) else []
    if isinstance(first, Tested):
        what = f"test {first.family} on {first.data}" if first.family else f"test on {first.data}"
        return _line(what, [*facts, *_claimed([x for x in block if isinstance(x, Tested)])]) + _tally(block)
    axes = axes_of(block)
    one = axes and len({x.name for x in block}) == 1
    on = f"in {first.graph} on {first.data}" if first.graph else f"on {first.data}"
    what = f"{first.name} {on}" if one else on
    return _line(what, [*facts, *(f"for each {axis}" for axis in swept(block))])


def _claimed(block: Sequence[Tested]) -> list[str]:
    """How claims are judged, and the region where it is one for all."""
    first = block[0]
    judged = f"alpha {first.alpha:g}"
    if len(block) > 1:
        how = title_of(first.correction)
        judged = f"{how} over {len(block)} claims, {judged}"
    same = len({t.region for t in block}) == 1
    return [judged, *([f"claimed: {first.region}"] if same else [])]


def _line(what: str, facts: Sequence[str]) -> Text:
    return words(what, "bold underline") + words("".join(f" · {f}" for f in facts))


def _tally(block: Sequence[Answer]) -> Text:
    """How many claims have which verdict, where there are too many to count by eye."""
    if len(block) < 6:
        return Text()
    seen = Counter(x.verdict for x in block if isinstance(x, Tested))
    parts = [Text(f"{seen[v]} {v}", style) for v, style in COLOURS.items() if seen[v]]
    return Text("\n  ") + Text(", ").join(parts)
