"""Discrete mechanisms: conditional frequencies, and the truncated factorisation on them.

What a question needs is a set of variables, each in one world only, so its law is the product of their conditional
distributions (Robins 1986; for several worlds Shpitser & Pearl 2007, "What counterfactuals can be tested": a variable
that is needed in two worlds with different causes has an error that both share, and no frequencies tell its law).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import error
from causalcircuit.inference.observed._cells import MOST_CELLS, no_rows
from causalcircuit.inference.observed._resampling import Sums
from causalcircuit.inference.observed._table import Column, Data, Floats, Numbers
from causalcircuit.scm.law import Law, shared
from causalcircuit.scm.mechanisms import Answering
from causalcircuit.scm.views import views
from causalcircuit.scm.worlds import Moment

_AT_ONCE = 2_000_000
_NONE = 1e-12


@dataclass(frozen=True, eq=False)
class Axis:
    """A column in levels.

    Attributes:
        values: [r] what each level stands for; of a cut column, the mean of its rows. code: [n] of each row.
        edges: of a cut column, where one level ends and the next begins.
    """

    column: Column
    values: Floats
    code: Numbers
    edges: Floats | None = None

    @classmethod
    def of(cls, column: Column, weight: Floats, bins: int | None) -> Axis:
        """A column as it is where it is discrete, else cut into parts of equal share.

        Raises:
            DiagnosticError: CQ881, a column of many values and no `bins`.
        """
        if column.discrete:
            levels, code = column.coded()
            return cls(column, levels, code)
        if bins is None:
            raise error(
                "CQ881",
                f"`{column.name}` has {len(column.levels)} values: discrete mechanisms need a few",
                help="write `discrete(bins = 4)` to cut it into four parts, or fit `linear_gaussian`",
            )
        order = np.argsort(column.values, kind="stable")
        share = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
        cuts = np.interp(np.arange(1, bins) / bins, share, column.values[order])
        edges = np.unique(cuts)
        code = np.searchsorted(edges, column.values, side="right")
        kept, code = np.unique(code, return_inverse=True)
        edges = edges[kept[1:] - 1]
        size = len(kept)
        values = np.bincount(code, weight * column.values, size) / np.bincount(code, weight, size)
        return cls(column, values, code.astype(np.intp), edges)

    @property
    def size(self) -> int:
        """How many levels."""
        return len(self.values)

    def place(self, value: float) -> int | None:
        """The level of a value."""
        if self.edges is not None:
            return int(np.searchsorted(self.edges, value, side="right"))
        found = np.flatnonzero(self.values == value)
        return int(found[0]) if len(found) else None

    def shown(self, level: int) -> str:
        """A level as text."""
        if self.edges is None:
            return self.column.shown(float(self.values[level]))
        ends = ["", *(f"{e:g}" for e in self.edges), ""]
        return f"[{ends[level]}, {ends[level + 1]})"

    def meets(self, op: str, value: float) -> Floats:
        """[r] 1 where a level stands in a relation to a value."""
        if op == "=":
            out = np.zeros(self.size)
            place = self.place(value)
            if place is not None:
                out[place] = 1.0
            return out
        test = {"<": np.less, ">": np.greater, "<=": np.less_equal, ">=": np.greater_equal}[op]
        return np.asarray(test(self.values, value), np.float64)


@dataclass(frozen=True, eq=False)
class Discrete:
    """Discrete mechanisms over the columns of a table."""

    diagram: Diagram
    data: Data
    axes: Mapping[str, Axis]
    prior: float

    words = "discrete model"
    refitted = False

    @classmethod
    def fit(cls, diagram: Diagram, data: Data, bins: int | None, prior: float) -> Discrete:
        """Fit.

        Raises:
            DiagnosticError: CQ853 fewer rows than levels, CQ859 bins or a prior that are none, CQ881 a column of many
                values, or causes with too many combinations.
        """
        if bins is not None and bins < 2:
            raise error("CQ859", f"{bins} bins tell nothing apart", help="give two or more")
        if not 0 <= prior < np.inf:
            raise error("CQ859", f"a prior of {prior:g} rows is none", help="give 0 or more rows, such as 1")
        axes = {v: Axis.of(data[v], data.weight, bins) for v in diagram.vertices}
        frame = diagram.frame
        for i, name in enumerate(frame.names):
            family = (*frame.named(frame.graph.pa[i]), name)
            size = np.prod([float(axes[v].size) for v in family])
            if size > MOST_CELLS:
                raise error(
                    "CQ881",
                    f"`{name}` and its causes make {size:.0f} cells, more than {MOST_CELLS}",
                    help="cut columns into fewer values, or fit `linear_gaussian`",
                )
            if data.units < axes[name].size:
                raise error("CQ853", f"{data.units} {data.word} for the {axes[name].size} values of `{name}`",
                            help="collect more rows, or cut the column into fewer values")  # fmt: skip
        return cls(diagram, data, axes, prior)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the kind takes for granted."""
        cut = [v for v, a in self.axes.items() if a.edges is not None]
        prior = f"frequencies with a prior of {self.prior:g} row{'s' if self.prior != 1 else ''} (BDeu)"
        return (
            prior if self.prior else "frequencies without a prior",
            *((f"cut into parts of equal share, held fixed: {', '.join(cut)}",) if cut else ()),
        )

    def answering(self, moments: Sequence[Moment]) -> Answering:
        """The means of some moments as a function of sums.

        Raises:
            DiagnosticError: CQ854 combinations that no row has, CQ859 text that has no mean, CQ882 errors that are
                shared, CQ884 worlds whose joint law no frequencies tell.
        """
        trouble: Exception | None = None
        for view in views(self.diagram, moments, lambda d: d):
            lost = [found for m in moments if (found := shared(view, m)) is not None]
            if not lost:
                away = tuple(v for v in self.diagram.vertices if v not in view.vertices)
                return self._answering(view, moments, away)
            trouble = trouble or lost[0]
        assert trouble is not None  # noqa: S101  the whole diagram is the first view
        raise trouble

    def _answering(self, view: Diagram, moments: Sequence[Moment], away: tuple[str, ...]) -> Answering:
        laws = [Law.of(self, view, m) for m in moments]
        families = list(dict.fromkeys(f for law in laws for f in law.families))
        means = list(dict.fromkeys(f for law in laws for f in law.read_as_means))
        places: dict[tuple[str, ...], slice] = {}
        codes, width = [], 0
        for family in families:
            size = int(np.prod([self.axes[v].size for v in family]))
            shape = tuple(self.axes[v].size for v in family)
            codes.append(width + np.ravel_multi_index([self.axes[v].code for v in family], shape))
            places[family] = slice(width, width + size)
            width += size
        sums_of: dict[tuple[str, ...], slice] = {}
        extra = []
        for family in means:
            cells = family[:-1]
            size = int(np.prod([self.axes[v].size for v in cells]))
            shape = tuple(self.axes[v].size for v in cells)
            code = np.ravel_multi_index([self.axes[v].code for v in cells], shape) if cells else np.zeros(self.data.n)
            extra.append((width + np.asarray(code, np.intp), self.data[family[-1]].values))
            sums_of[family] = slice(width, width + size)
            width += size
        weight = self.data.weight / self.data.weight.sum() * self.data.n

        def rows(of: Numbers) -> Floats:
            out = np.zeros((len(of), width))
            at = np.arange(len(of))
            for code in codes:
                out[at, code[of]] = weight[of]
            for code, value in extra:
                out[at, code[of]] = weight[of] * value[of]
            return out

        whole = np.zeros(width)
        for code in codes:
            whole += np.bincount(code, weight, width)
        for code, value in extra:
            whole += np.bincount(code, weight * value, width)
        kinds = [
            *codes,
            np.unique(weight, return_inverse=True)[1],
            *(np.unique(v, return_inverse=True)[1] for _, v in extra),
        ]
        same = np.unique(np.stack(kinds), axis=1, return_inverse=True)[1].ravel().astype(np.intp)
        sums = Sums.of(self.data, rows, width, whole, same)
        widest = max((p.stop - p.start for p in places.values()), default=1)

        def evaluated(of: Floats, fill: Fill | None) -> Floats:
            tables = {f: self._table(of[:, p], f, fill) for f, p in places.items()}
            for f, p in sums_of.items():
                tables["mean", *f] = self._means(of[:, p], of[:, places[f]], f)
            return np.stack([law.mean(tables, len(of)) for law in laws], axis=1)

        def functional(of: Floats) -> Floats:
            step = max(1, _AT_ONCE // widest)
            return np.concatenate([evaluated(of[i : i + step], None) for i in range(0, len(of), step)])

        self._check_rows(partial(evaluated, whole[None]), whole, places)
        most = max((int(np.prod([self.axes[v].size for v in f[:-1]])) for f in families), default=1)
        notes = (f"projected out, as the question needs no part of it: {', '.join(away)}",) if away else ()
        return Answering(sums, functional, min(most, self.data.units - 1), notes)

    def table(self, family: tuple[str, ...]) -> Floats:
        """[causes…, r] the conditional distribution of the last of `family`; uniform where no row is and no prior."""
        shape = tuple(self.axes[v].size for v in family)
        code = np.ravel_multi_index([self.axes[v].code for v in family], shape)
        weight = self.data.weight / self.data.weight.sum() * self.data.n
        uniform: Fill = lambda _, size: np.full(size, 1 / size[-1])  # noqa: E731
        counts = np.bincount(code, weight, int(np.prod(shape)))[None].astype(np.float64)
        return np.asarray(self._table(counts, family, uniform)[0])

    def _table(self, counts: Floats, family: tuple[str, ...], fill: Fill | None) -> Floats:
        """[B, causes…, r] the conditional distribution, from counts [B, cells]."""
        shape = tuple(self.axes[v].size for v in family)
        grid = np.where(np.abs(counts) < _NONE, 0.0, counts).reshape(-1, *shape)
        total = grid.sum(axis=-1, keepdims=True)
        each = self.prior / np.prod(shape)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = (grid + each) / (total + each * shape[-1])
        if fill is not None:
            found = np.where(total == 0, fill(family, found.shape), found)
        return np.asarray(found)

    def _means(self, sums: Floats, counts: Floats, family: tuple[str, ...]) -> Floats:
        """[B, causes…] means of a cut column, a prior's rows standing at the mean of all."""
        shape = tuple(self.axes[v].size for v in family)
        total = counts.reshape(-1, *shape).sum(axis=-1)
        each = self.prior / np.prod(shape[:-1])
        centre = float(np.average(self.data[family[-1]].values, weights=self.data.weight))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((sums.reshape(-1, *shape[:-1]) + each * centre) / (total + each))

    def _check_rows(
        self, evaluated: Callable[[Fill], Floats], whole: Floats, places: Mapping[tuple[str, ...], slice]
    ) -> None:
        """Demand that no answer rests on a combination of causes that no row has.

        Raises:
            DiagnosticError: CQ854, with the combinations.
        """
        empty: list[tuple[tuple[str, ...], int]] = []
        for family, place in places.items():
            counts = whole[place].reshape(-1, self.axes[family[-1]].size).sum(axis=1)
            empty += [(family, int(i)) for i in np.flatnonzero(counts <= _NONE)]
        if not empty or not _differ(evaluated, None):
            return
        lost = [one for one in empty[:200] if _differ(evaluated, one)]
        shown = []
        for family, i in lost[:5]:
            at = np.unravel_index(i, tuple(self.axes[v].size for v in family[:-1])) if family[:-1] else ()
            shown.append(", ".join(f"{v} = {self.axes[v].shown(int(k))}" for v, k in zip(family[:-1], at, strict=True)))
        more = f"; and {len(lost) - 5} more" if len(lost) > 5 else ""
        raise no_rows("; ".join(dict.fromkeys(shown)) + more, "the discrete model")


Fill = Callable[[tuple[str, ...], tuple[int, ...]], Floats]


def _differ(evaluated: Callable[[Fill], Floats], only: tuple[tuple[str, ...], int] | None) -> bool:
    """Whether answers change with what is put where no row is; with `only`, in one combination."""

    def fill(seed: int) -> Fill:
        def filled(family: tuple[str, ...], shape: tuple[int, ...]) -> Floats:
            fixed = np.random.default_rng(1).dirichlet(np.ones(shape[-1]), shape[:-1])
            moved = np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1])
            if only is None:
                return np.asarray(moved)
            if only[0] == family:
                flat = fixed.reshape(shape[0], -1, shape[-1])
                flat[:, only[1]] = moved.reshape(shape[0], -1, shape[-1])[:, only[1]]
            return np.asarray(fixed)

        return filled

    with np.errstate(invalid="ignore"):
        return not np.allclose(evaluated(fill(2)), evaluated(fill(3)), rtol=1e-9, atol=1e-12, equal_nan=False)
