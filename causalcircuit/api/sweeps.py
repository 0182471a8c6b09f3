"""Sweeps, sets and `show` from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from causalcircuit.api.quantities import Models, Quantity, claim_of, merge, quantity
from causalcircuit.check import sets, sites
from causalcircuit.check.reachable import reachable
from causalcircuit.check.sweeps import spread
from causalcircuit.diagnostics import Diagnostic, error
from causalcircuit.query import Claim, Expr, Items, Query, Result, is_estimand, render
from causalcircuit.query.each import listed


@dataclass(frozen=True, eq=False)
class Sweep:
    """A question at every member of its sets, one by one: what `for H in …` is in the language."""

    name: str
    points: tuple[tuple[tuple[tuple[str, str], ...], tuple[Expr, ...], Quantity], ...]

    def __iter__(self) -> Iterator[Quantity]:
        """The question at each member."""
        return (q for _, _, q in self.points)

    def __len__(self) -> int:
        """How many members there are."""
        return len(self.points)

    @property
    def models(self) -> Models:
        """The models that it needs."""
        return merge(*(q.models for q in self))

    def queries(self, name: str) -> list[Query]:
        """Its estimands.

        Raises:
            DiagnosticError: CQ214, a value on each row.
        """
        out: list[Query] = []
        for at, members, q in self.points:
            if not is_estimand(q.expr):
                raise error("CQ214", f"`{q}` has a value on each row", help=f"write `E[{q}]` for its mean")
            out += spread(Query(name, q.expr, at=at, members=members))
        return out

    def claims(self) -> list[Claim]:
        """Its claims, where it compares."""
        out: list[Claim] = []
        for at, members, q in self.points:
            made = claim_of(self.name, q)
            asked = replace(made.query, at=at, members=members)
            out += [replace(made, query=one) for one in spread(asked)]
        return out


def sweep(of: Callable[..., Quantity], *, name: str = "", **over: Any) -> Sweep:
    """`of(H)` for each member of a set: `sweep(effect, H=m.layer["*"].head["*"].out @ last)`; several make a grid.

    Args:
        of: from members to an estimand, or to a claim. name: how results call it, by default as it is called.
        over: sets of sites, or lists, in the order of the arguments, by the names that results give them.

    Raises:
        DiagnosticError: CQ221 nothing to go through, CQ242 sites of two models, CQ249 no set at all.
    """
    if not over:
        raise error("CQ249", "a sweep goes through something", help="name it: `cq.sweep(effect, H=heads)`")
    lists: list[list[tuple[Expr, Models]]] = []
    for word, said in over.items():
        q = quantity(said)
        found = q.expr.items if isinstance(q.expr, Items) else (q.expr,)
        if not found:
            raise error("CQ221", f"`{word}` is nothing to go through", help="sites, or a list of them")
        sets.check_one_model(found, None)
        members = dict.fromkeys(m for e in found for m in listed(e))
        lists.append([(m, q.models) for m in members])
    points = []
    for chosen in product(*lists):
        at = tuple((word, render(e)) for word, (e, _) in zip(over, chosen, strict=True))
        made = quantity(of(*(Quantity(e, models) for e, models in chosen)))
        points.append((at, tuple(e for e, _ in chosen), made))
    called = getattr(of, "__name__", "")
    said = called if called.isidentifier() else "effect"
    return Sweep(name or f"{said}({', '.join(over)})", tuple(points))


def except_(whole: Quantity, less: Quantity) -> Quantity:
    """The set `whole` without the components and positions of `less`: the language's `A except B`.

    Raises:
        DiagnosticError: CQ240 nothing is left, CQ241 nothing is taken away, CQ242, CQ243 no such sets.
    """
    models = merge(whole.models, less.models)
    return Quantity(sets.difference(whole.expr, less.expr, lambda name: sites(models[name]), None), models)


def reached(queries: list[Query], models: Models) -> tuple[tuple[Query, ...], tuple[str, ...], list[Diagnostic]]:
    """The queries whose members can have an effect, the names of the others, and a warning that tells them."""
    return reachable(queries, lambda name: sites(models[name]), None)


def pictures(result: Result, folder: str | Path) -> list[Path]:
    """Write the heat maps of a result as SVG and PNG; the files that were written.

    Raises:
        DiagnosticError: CQ720, the folder cannot be written.
    """
    from causalcircuit.report import pictures as drawn
    from causalcircuit.runs import make_folder

    place = Path(folder)
    make_folder(place)
    out = []
    for name, content in drawn(result).items():
        (place / name).write_bytes(content)
        out.append(place / name)
    return out
