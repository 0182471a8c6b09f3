"""Estimands on tables of probabilities: exact where the tables are, plug-in where they are estimates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from causalcircuit.causal.bits import bits
from causalcircuit.causal.estimand import Estimand
from causalcircuit.causal.terms import Prob, Product, Ratio, Sum, Term, mentioned, renumbered
from causalcircuit.diagnostics import error

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """P(of | do(do)) of one population, one axis a variable: first those of `of`, then those of `do`.

    An answer has a third group of axes, `given`. For each setting of `do` (and `given`) the cells add up to 1.
    """

    of: tuple[str, ...]
    cells: Array
    do: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    population: str = ""

    @property
    def axes(self) -> tuple[str, ...]:
        """The variable of each axis."""
        return (*self.of, *self.do, *self.given)

    def at(self, **values: int) -> float:
        """One cell, by the number of each variable's value."""
        return float(self.cells[tuple(values[name] for name in self.axes)])


def evaluate(estimand: Estimand, tables: Table | Iterable[Table], at: Mapping[str, int] | None = None) -> Table:
    """The effect that an estimand gives on tables.

    Args:
        estimand: an identified effect.
        tables: one for each distribution that the estimand speaks of; the axes of one variable have one length
            everywhere.
        at: the value of each anchor (`Estimand.anchors`); the first one by default.

    Returns:
        The effect, with one axis for each variable of its question; where no table holds a treatment, which then does
        not matter, its axis has length 1.

    Raises:
        DiagnosticError: CQ837 tables that lack a variable or are no probabilities, CQ838 a cell of probability 0 that
            the formula conditions on.
    """
    given = [tables] if isinstance(tables, Table) else list(tables)
    # Only what the formula mentions gets an axis: a diagram may have more variables than an array may have axes.
    used = list(bits(mentioned(estimand.term) | estimand.asked))
    names = tuple(estimand.names[v] for v in used)
    term = renumbered(estimand.term, {v: i for i, v in enumerate(used)})
    sizes = _sizes(given, names)
    oracle = _Lookup(given, names)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = values(term, oracle, sizes)
    index = {name: i for i, name in enumerate(names)}
    chosen = dict(at or {})
    for name in estimand.anchors:
        found = found.take([chosen.get(name, 0)], axis=index[name])
    effect = estimand.effect
    axes = [index[name] for name in (*effect.of, *effect.do, *effect.given)]
    shape = [sizes[i] if i in axes else 1 for i in range(len(names))]
    found = np.broadcast_to(found, shape)
    rest = tuple(i for i in range(len(names)) if i not in axes)
    cells = np.squeeze(found, axis=rest)
    kept = [i for i in range(len(names)) if i in axes]
    cells = np.transpose(cells, [kept.index(i) for i in axes]).copy()
    if np.isnan(cells).any():
        raise _impossible(effect.of, effect.do, effect.given, cells)
    return Table(effect.of, cells, effect.do, effect.given)


def values(term: Term, oracle: Callable[[Prob], Array], sizes: Sequence[int]) -> Array:
    """A term's value at every value of its free variables: an axis for each variable, of length 1 where it is not free.

    A quotient 0/0 is not a number; 0 times such a number is 0, since what is undefined there is a probability.
    """
    known: dict[int, Array] = {}

    def of(part: Term) -> Array:
        if id(part) not in known:
            known[id(part)] = fresh(part)
        return known[id(part)]

    def fresh(part: Term) -> Array:
        match part:
            case Prob():
                return oracle(part)
            case Product():
                made = np.ones((1,) * len(sizes))
                for factor in part.factors:
                    other = of(factor)
                    made = np.where((made == 0) | (other == 0), 0.0, made * other)
                return made
            case Ratio():
                above, below = of(part.above), of(part.below)
                quotient: Array = np.where(below == 0, np.nan, above / below)
                return quotient
            case Sum():
                made = of(part.body)
                axes = tuple(bits(part.over))
                idle = [sizes[i] for i in axes if made.shape[i] == 1]
                summed: Array = made.sum(axis=axes, keepdims=True) * float(np.prod(idle))
                return summed

    return of(term)


class _Lookup:
    """P(of | given, do) out of tables."""

    def __init__(self, tables: Sequence[Table], names: Sequence[str]) -> None:
        self.names = names
        index = {name: i for i, name in enumerate(names)}
        self.found: list[tuple[int, int, str, Array]] = []
        for table in tables:
            if any(name not in index for name in table.do):
                continue  # an experiment that no formula speaks of
            unknown = [name for name in table.of if name not in index]
            cells = table.cells.sum(axis=tuple(i for i, name in enumerate(table.axes) if name in unknown))
            known = [index[name] for name in table.axes if name in index]
            cells = np.transpose(cells, np.argsort(known))
            shape = [1] * len(names)
            for i, size in zip(sorted(known), cells.shape, strict=True):
                shape[i] = size
            of = sum(1 << index[name] for name in table.of if name in index)
            do = sum(1 << index[name] for name in table.do)
            self.found.append((of, do, table.population, cells.reshape(shape)))
        self.kept: dict[Prob, Array] = {}

    def __call__(self, part: Prob) -> Array:
        if part not in self.kept:
            self.kept[part] = self._fresh(part)
        return self.kept[part]

    def _fresh(self, part: Prob) -> Array:
        needed = part.of | part.given
        for of, do, population, cells in self.found:
            if do == part.do and population == part.population and not needed & ~of:
                both: Array = cells.sum(axis=tuple(bits(of & ~needed)), keepdims=True)
                if not part.given:
                    return both
                below = both.sum(axis=tuple(bits(part.of)), keepdims=True)
                quotient: Array = np.where(below == 0, np.nan, both / below)
                return quotient
        wanted = ", ".join(self.names[v] for v in bits(needed))
        set_to = f" under do({', '.join(self.names[v] for v in bits(part.do))})" if part.do else ""
        where = f" in `{part.population}`" if part.population else ""
        raise error("CQ837", f"no table holds {wanted}{set_to}{where}", help="give one that has these as axes")


def _sizes(tables: Sequence[Table], names: Sequence[str]) -> list[int]:
    """How many values each variable has."""
    found: dict[str, int] = {}
    for table in tables:
        if table.cells.ndim != len(table.axes):
            raise error(
                "CQ837",
                f"a table of {len(table.axes)} variables has {table.cells.ndim} axes",
                help="one axis for each variable",
            )
        sums = table.cells.sum(axis=tuple(range(len(table.of))))
        if not np.isfinite(table.cells).all() or (table.cells < 0).any() or not np.allclose(sums, 1, atol=1e-8):
            raise error(
                "CQ837",
                f"the table of {', '.join(table.of)} holds no probabilities",
                help="cells are 0 or more, and add up to 1 for each setting of what is set",
            )
        for name, size in zip(table.axes, table.cells.shape, strict=True):
            if found.setdefault(name, size) != size:
                raise error(
                    "CQ837",
                    f"`{name}` has {found[name]} values in one table and {size} in another",
                    help="give each variable the same values everywhere, with cells of 0 where one does not occur",
                )
    return [found.get(name, 1) for name in names]


def _impossible(of: tuple[str, ...], do: tuple[str, ...], given: tuple[str, ...], cells: Array) -> Exception:
    """The settings for which the formula asks of rows that cannot exist."""
    lost = np.isnan(cells).any(axis=tuple(range(len(of))))
    settings = [
        ", ".join(f"{name} = {value}" for name, value in zip((*do, *given), where, strict=True))
        for where in np.argwhere(lost)[:5]
    ]
    named = "; ".join(s for s in settings if s)
    return error(
        "CQ838",
        "the formula conditions on rows of probability 0" + (f", for {named}" if named else ""),
        help="all combinations that the formula conditions on must occur: coarsen the variables, ask of fewer values",
    )
