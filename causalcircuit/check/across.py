"""What no statement shows alone: claims tested twice on the same rows, and the pick of many that were looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from causalcircuit.diagnostics import Diagnostic, Label, Span, error, warning
from causalcircuit.query import Claim, Command, DataRef, Estimation, Expr, Query, Testing


def across(commands: Sequence[Command]) -> list[Diagnostic]:
    """What is to be said of the questions of a program together, whether a text or Python asks them.

    Codes: CQ929 a hypothesis in two families, or tested twice; CQ930 one of many, on the rows on which all were seen.
    """
    return [*_overlapping([c for c in commands if isinstance(c, Testing)]), *_picked(commands)]


def same_rows(one: DataRef, other: DataRef) -> bool:
    """Whether two data sets surely have rows in common: equal but for their names, and not two parts of a split."""
    a, b = one.split, other.split
    if a is not None and b is not None and a.part is not None and b.part is not None and a.part != b.part:
        return False
    return _bare(one) == _bare(other)


def _bare(ref: DataRef) -> DataRef:
    return replace(ref, name="", order=None, split=None if ref.split is None else replace(ref.split, part=None))


def _overlapping(tests: Sequence[Testing]) -> Iterator[Diagnostic]:
    """Named claims with two verdicts on the same rows, of which a reader could take the better."""
    for i, later in enumerate(tests):
        for earlier in tests[:i]:
            if not same_rows(earlier.data, later.data):
                continue
            known = {_identity(c): c for c in earlier.claims if c.named}
            twice = [c for c in later.claims if c.named and _identity(c) in known]
            if twice:
                yield _twice(earlier, later, [c.name for c in twice])


def _twice(earlier: Testing, later: Testing, names: list[str]) -> Diagnostic:
    which = f"`{names[0]}`" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    labels = () if earlier.span is None or later.span is None else (Label(earlier.span, "first here"),)
    if earlier.name and later.name and earlier.name != later.name:
        message = f"{which}: of `{earlier.name}` and of `{later.name}`, tested on the same rows"
        ways = ("make one family of both, or leave it out of one", "each family keeps its own error rate alone")
        return replace(error("CQ929", message, later.span, help=ways).diagnostics[0], labels=labels)
    message = f"{which} is tested twice on the same rows, and may have two verdicts"
    way = "decide beforehand which test counts, and leave the other out"
    return replace(warning("CQ929", message, later.span, help=way), labels=labels)


def _identity(claim: Claim) -> tuple[str, Expr, object]:
    return claim.name, claim.query.expr, claim.region


def _picked(commands: Sequence[Command]) -> Iterator[Diagnostic]:
    """Single questions that an earlier one asked of every member of a set, on the same rows."""
    for i, later in enumerate(commands):
        for query in _queries(later):
            if query.at:
                continue
            for earlier in commands[:i]:
                among = [q for q in _queries(earlier) if q.at]
                if any(q.expr == query.expr for q in among) and len(among) > 1 and same_rows(earlier.data, later.data):
                    yield _one_of(query, len(among), earlier.span, query.span or later.span, later)
                    break


def _one_of(query: Query, many: int, first: Span | None, place: Span | None, later: Command) -> Diagnostic:
    what = "tested" if isinstance(later, Testing) else "estimated"
    labels = () if first is None or place is None else (Label(first, "all of them here"),)
    message = f"`{query.name}` is {what} on the rows on which it was one of {many} that were looked at"
    ways = (
        "the strongest of many looks stronger than it is: look at `d.train`, ask of `d.test`",
        "or take it from the family, whose intervals hold together",
    )
    return replace(warning("CQ930", message, place, help=ways), labels=labels)


def _queries(command: Command) -> Iterable[Query]:
    if isinstance(command, Estimation):
        return command.queries
    return [c.query for c in command.claims]
