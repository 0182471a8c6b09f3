"""Members of a sweep that have no path to what is read: an effect of 0 by wiring, outside every family."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from causalcircuit.check.wording import counted
from causalcircuit.diagnostics import Diagnostic, Span, error, warning
from causalcircuit.query import Query, Site, SiteTable, render
from causalcircuit.query.reach import Lie, by_form, idle

_SHOWN = 4


def reachable(
    queries: Iterable[Query], tables: Callable[[str], SiteTable], span: Span | None, lie: Lie = by_form
) -> tuple[tuple[Query, ...], tuple[str, ...], list[Diagnostic]]:
    """The queries of a sweep that can have an effect, what the others go through, and a warning that names those.

    Args:
        queries: of one question; those of no sweep are kept.
        tables: the sites of a model by its name.
        span: of the statement.
        lie: how positions lie to each other, as far as it is known.

    Raises:
        DiagnosticError: CQ393, none is left.
    """
    kept: list[Query] = []
    left: dict[str, None] = {}
    for query in queries:
        sites = [m for m in query.members if isinstance(m, Site)]
        if sites and all(idle(query.expr, site, tables, lie) for site in sites):
            left[" and ".join(map(render, sites))] = None
        else:
            kept.append(query)
    if not left:
        return tuple(kept), (), []
    names = tuple(left)
    if not kept:
        raise error(
            "CQ393",
            f"no member of this sweep has a path to what is read: {_listed(names)}",
            span,
            "an effect of 0 by wiring",
            help="assign sites that come before what is read, at positions that it can see",
        )
    note = warning(
        "CQ392",
        f"left out, with an effect of 0 by wiring: {_listed(names)}",
        span,
        "no path to what is read",
        help=f"the family has {counted(len(kept), 'member')}; what cannot have an effect is not tested for one",
    )
    return tuple(kept), names, [note]


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(f"`{n}`" for n in names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
