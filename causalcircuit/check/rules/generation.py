"""Meaning 13: texts are no numbers (CQ481), words are strings (CQ482), generated positions (CQ484 to CQ486)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Diagnostic, Span, warning
from causalcircuit.query import (
    Applied,
    Assignment,
    Column,
    Compare,
    Counterfactual,
    Expr,
    Generated,
    Items,
    Mentions,
    Readout,
    Site,
    Statistic,
    Text,
    cells,
    children,
    is_text,
    render,
)


@rule
def numbers_of_texts(context: Context) -> Iterator[Diagnostic]:
    """Look for texts where a number or an event is needed."""
    for query, moment in context.moments():
        for part in (moment.value, moment.condition):
            for text in _misused(part) if part is not None else ():
                yield Diagnostic(
                    "CQ481",
                    f"`{shown(text)}` is a text, and a number or an event is needed",
                    within(text.span, query.span),
                    "a text",
                    help=(
                        f'an event about it: `P({shown(text)} mentions "…")`, `P({shown(text)} = "…")`',
                        "how likely it is: `E[m.logprob[(T | w)] @ last]`",
                    ),
                )


def _misused(e: Expr) -> Iterator[Expr]:
    if is_text(e):
        yield e
    elif isinstance(e, Compare) and e.op in ("=", "!=") and (is_text(e.left) or is_text(e.right)):
        for side, other in ((e.left, e.right), (e.right, e.left)):
            if is_text(side) and not (is_text(other) or isinstance(other, Text | Column)):
                yield side
    elif not isinstance(e, Mentions | Readout):
        for child in children(e):
            if not (isinstance(e, Applied) and is_text(child)):  # a function in Python may read a text
                yield from _misused(child)


@rule
def words(context: Context) -> Iterator[Diagnostic]:
    """Columns that are compared with a text, or looked for in one, hold strings."""
    for e in context.expressions():
        if isinstance(e, Mentions):
            items = e.words.items if isinstance(e.words, Items) else (e.words,)
            wanted = [(c, True) for c in items if isinstance(c, Column)]
            wanted += [(c, False) for c in (e.value,) if isinstance(c, Column)]
        elif isinstance(e, Compare) and e.op in ("=", "!=") and (is_text(e.left) or is_text(e.right)):
            wanted = [(c, False) for c in (e.left, e.right) if isinstance(c, Column)]
        else:
            continue
        for column, several in wanted:
            yield from _strings(context, column, several)


def _strings(context: Context, column: Column, several: bool) -> Iterator[Diagnostic]:
    values = context.data.columns.get(column.name, ())  # a missing column is the business of its own rule
    wrong = next((i for i, v in enumerate(values) if v is not None and not _worded(v, several)), None)
    if wrong is not None:
        yield Diagnostic(
            "CQ482",
            f"`{shown(column)}` holds {values[wrong]!r:.40} in {context.data.place(wrong)}, and a string is needed",
            column.span,
            "no string",
            help=("write strings in the column" + (", or lists of them" if several else ""),),
        )


def _worded(value: object, several: bool) -> bool:
    if isinstance(value, list):
        return several and bool(value) and all(isinstance(v, str) and v for v in value)
    return isinstance(value, str) and (bool(value) or not several)


@rule
def generated_values(context: Context) -> Iterator[Diagnostic]:
    """Values at generated positions exist in one pass only: nothing reads them, or carries them to another text."""
    for query, moment in context.moments():
        for part in (moment.value, moment.condition):
            for site in _read(part) if part is not None else ():
                yield _unread(site, query.span)
    for reference in context.references:
        yield from _reference(reference)
    for world, place in context.worlds():
        for a in world.assignments:
            yield from _assigned(a, a.span or place)


def _read(e: Expr) -> Iterator[Site]:
    """Sites at generated positions that are read; those of references are looked at by themselves."""
    if isinstance(e, Site) and e.position.new:
        yield e
    elif not isinstance(e, Statistic):
        for child in children(e):
            yield from _read(child)


def _unread(site: Site, place: Span | None) -> Diagnostic:
    return Diagnostic(
        "CQ484",
        f"`{shown(site)}` has values at generated positions, which differ from text to text: nothing reads them",
        within(site.span, place),
        "generated positions",
        help=(
            "read it at positions of the prompt: `@ last`, `@ all`",
            "an assignment may use what its own target would have been: `do(A = 0.5 * A)`",
        ),
    )


def _reference(mean: Statistic) -> Iterator[Diagnostic]:
    of = mean.of.value if isinstance(mean.of, Counterfactual) else mean.of
    if isinstance(of, Site) and of.position.prompted is None:
        yield Diagnostic(
            "CQ484",
            f"`{shown(mean)}` has no positions: references are computed over the prompt only",
            mean.span,
            "generated positions",
            help=(f"name positions of the prompt: `mean({of.address} @ all, pooled)`, `mean({of.address} @ last)`",),
        )


def _assigned(a: Assignment, place: Span | None) -> Iterator[Diagnostic]:
    """What an assignment reads: at generated positions just its own target, at the same positions."""
    target = a.target
    generated = isinstance(target, Site) and target.position.new
    for e in _bare(a.value):
        own = isinstance(target, Site) and e.address == target.address
        if own and generated and e != target:
            yield Diagnostic(
                "CQ485",
                f"`{render(target)}` is set to `{render(e)}`, which stands at other positions",
                within(e.span, place),
                "other positions",
                help=(f"at generated positions its own value is `{render(target)}`",),
            )
        elif e.position.new and not own:
            yield _unread(e, place)
    for nested in _nested(a.value):
        for site in _read(nested.value):
            yield _unread(site, place)


def _bare(e: Expr) -> Iterator[Site]:
    if isinstance(e, Site):
        yield e
    elif not isinstance(e, Counterfactual | Statistic):
        for child in children(e):
            yield from _bare(child)


def _nested(e: Expr) -> Iterator[Counterfactual]:
    if isinstance(e, Counterfactual):
        yield e
    elif not isinstance(e, Statistic):
        for child in children(e):
            yield from _nested(child)


@rule
def idle(context: Context) -> Iterator[Diagnostic]:
    """Assignments at generated positions do nothing where no text is asked for."""
    seen: dict[Site, Span | None] = {}
    used: set[Site] = set()
    for query, moment in context.moments():
        for part in (moment.value, moment.condition):
            for cell in cells(part, moment.world) if part is not None else ():
                targets = [a.target for a in cell.world.assignments if isinstance(a.target, Site)]
                read = {a.value.model for a in cell.world.assignments if isinstance(a.value, Generated)}
                for target in (t for t in targets if t.position.new):
                    seen.setdefault(target, target.span or query.span)
                    text = is_text(cell.readout) or (isinstance(cell.readout, Readout) and is_text(cell.readout.answer))
                    if text or target.position.prompted is not None or target.address.model in read:
                        used.add(target)
    for target, span in seen.items():
        if target not in used:
            yield warning(
                "CQ486",
                f"the assignment to `{render(target)}` does nothing: no text is generated where it holds",
                span,
                "no generated positions",
                help="ask for a text, `m.text(tokens = 20)`, or assign at positions of the prompt",
            )
