"""A fitted structural model, and its answers: each with an interval that carries the fit's uncertainty."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import Diagnostic, did_you_mean, error, warning
from causalcircuit.inference._arithmetic import guards, terms_in, value_of
from causalcircuit.inference.observed._means import Means, settled
from causalcircuit.inference.observed._result import Asked, Observed, blank
from causalcircuit.query import Binary, Expr, Interval, Term
from causalcircuit.scm.counterfactual import Rows, rowwise
from causalcircuit.scm.linear import STRONG
from causalcircuit.scm.mechanisms import Answering, Mechanisms
from causalcircuit.scm.worlds import Condition, Inner, Moment, World, along

Numbers = Mapping[str, object]
"""Values by variable: a number, a label, or an `Inner`."""


@dataclass(frozen=True, eq=False)
class StructuralModel:
    """A structural model that was fitted to a table.

    Attributes:
        drawn: the diagram as it was given. mechanisms: what was fitted, over the columns. asked: how intervals are
            wanted. name: what answers call it.
    """

    drawn: Diagram
    mechanisms: Mechanisms
    asked: Asked = field(default_factory=Asked)
    name: str = "S"

    @property
    def diagram(self) -> Diagram:
        """The diagram over the columns: variables that the table lacks are projected out."""
        return self.mechanisms.diagram

    # ---- questions

    def mean(
        self, outcome: str, do: Numbers | World | None = None, given: Mapping[str, object] | None = None
    ) -> Observed:
        """E[outcome | do(…)]; with `given`, over the rows where measured variables have these values."""
        moment = self._moment(outcome, do, given)
        return self.answer(Term(0), (moment,), f"E[{outcome}{moment.bar}]")

    def probability(
        self, outcome: str, event: tuple[str, float], do: Numbers | World | None = None,
        given: Mapping[str, object] | None = None,
    ) -> Observed:  # fmt: skip
        """P(outcome op value | do(…)), `event` being (op, value) with op one of `=`, `<`, `>`, `<=`, `>=`."""
        moment = replace(self._moment(outcome, do, given), event=event)  # type: ignore[arg-type]
        return self.answer(Term(0), (moment,), f"P({outcome} {event[0]} {event[1]:g}{moment.bar})")

    def effect(
        self,
        treatment: str,
        outcome: str,
        values: tuple[object, object] | None = None,
        given: Mapping[str, object] | None = None,
        through: Iterable[Sequence[str]] | None = None,
    ) -> Observed:
        """E[outcome | do(treatment = high)] − E[outcome | do(treatment = low)].

        Args:
            treatment: what is set. outcome: what is read.
            values: (low, high); the two values of a column that has two.
            given: values of measured variables: the effect on the rows that have them.
            through: directed paths, as names; only along these is the treatment's value handed on.

        Raises:
            DiagnosticError: CQ832 an unknown variable, CQ859 values that cannot be compared, CQ880 to CQ886 what the
                model cannot answer.
        """
        low, high = self._values(treatment, values)
        self._known((outcome,))
        text = f"E[{outcome} | do({treatment} = {high:g})] - E[{outcome} | do({treatment} = {low:g})]"
        if treatment not in self.diagram.ancestors(outcome):
            return self._nothing(treatment, outcome, text)
        first = World.of({treatment: high})
        if through is not None:
            paths = [tuple(p) for p in through]
            first = self._along(paths, treatment, outcome, low, high)
            text += f" along {', '.join(' -> '.join(p) for p in paths)}"
        moments = (self._moment(outcome, first, given), self._moment(outcome, World.of({treatment: low}), given))
        return self.answer(Binary("-", Term(0), Term(1)), moments, text)

    def counterfactual(self, outcome: str, do: Numbers | World) -> Rows:
        """What each row's `outcome` would be in a world: its errors are kept, assignments are made, values follow.

        Raises:
            DiagnosticError: CQ882 coefficients that are not identified, CQ884 mechanisms whose errors a row does not
                show.
        """
        self._resampled()
        self._known((outcome,))
        return rowwise(self.mechanisms, self._moment(outcome, do, None), self.asked)

    def answer(self, combine: Expr, moments: Sequence[Moment], text: str = "") -> Observed:
        """Arithmetic over moments, `Term(i)` being the i-th.

        Raises:
            DiagnosticError: as `effect`.
        """
        moments = [self.numbered(m) for m in moments]
        self._resampled()
        found = self.mechanisms.answering(moments)
        data = self.mechanisms.data
        said = (f"the diagram: {self.drawn}", *self._hidden(), *self.mechanisms.assumptions, *found.notes)
        means = Means.of_sums(found.sums, found.means, self.mechanisms.words, said, found.parameters)

        def inferred(expr: Expr) -> Observed:
            return replace(settled(means, lambda at: value_of(expr, at), data, self.asked), by=self.name, estimand=text)

        done = inferred(combine)
        for part, what in guards(combine):
            reach = inferred(part).interval_at(self.asked.level) if terms_in(part) else None
            if reach is not None and reach.low <= 0 <= reach.high:
                return replace(done, value=None, interval=None, region=(), reason=f"undefined: the interval of its "
                               f"{what} holds 0", _ends=None)  # fmt: skip
        return self.held(done, found)

    def numbered(self, moment: Moment) -> Moment:
        """A moment with labels as the numbers that the table gives them.

        Raises:
            DiagnosticError: CQ832 an unknown variable, CQ859 a label that no row has, CQ885 an arrow that is none.
        """
        self._known(moment.names())
        self._drawn_wires(moment)
        data = self.mechanisms.data

        def valued(name: str, value: float | str | Inner) -> float | str | Inner:
            if isinstance(value, Inner):
                return Inner(value.name, world(value.world))
            return data[name].number_of(value) if isinstance(value, str) else value

        def world(w: World) -> World:
            return World(tuple((v, valued(v, x)) for v, x in w.sets), tuple((e, valued(e[0], x)) for e, x in w.wires))

        def number(name: str, value: float | str) -> float:
            return data[name].number_of(value) if isinstance(value, str) else value

        return Moment(
            moment.outcome,
            world(moment.world),
            tuple(Condition(c.name, c.op, number(c.name, c.value), world(c.world)) for c in moment.given),
            None if moment.event is None else (moment.event[0], number(moment.outcome, moment.event[1])),
        )

    def means(self, moments: Sequence[Moment]) -> tuple[Means, Answering]:
        """The moments side by side, with what they are without each sampling unit and in resamples.

        Raises:
            DiagnosticError: as `effect`.
        """
        found = self.mechanisms.answering([self.numbered(m) for m in moments])
        said = (*self._hidden(), *self.mechanisms.assumptions, *found.notes)
        made = Means.of_sums(found.sums, found.means, self.mechanisms.words, said, found.parameters)
        return made, found

    # ---- parts

    def held(self, done: Observed, found: Answering) -> Observed:
        """An answer without its interval where it rests on weak instruments."""
        if found.strength is None:
            return done
        value = found.strength(found.sums.total()[None])[0]
        d = value - found.sums.left_out(found.strength)
        units = found.sums.units
        se = np.sqrt((units - 1) / units * ((d - d.mean(axis=0)) ** 2).sum(axis=0))
        with np.errstate(divide="ignore", invalid="ignore"):
            f = np.where(se > 0, (value / se) ** 2, np.inf)
        figures = tuple((f"F of the instruments of {v}", float(x)) for v, x in zip(found.weak, f, strict=True))
        done = replace(done, diagnostics=(*done.diagnostics, *figures))
        if not (f < STRONG).any():
            return done
        names = ", ".join(f"`{v}`" for v, x in zip(found.weak, f, strict=True) if x < STRONG)
        doubt = warning(
            "CQ886",
            f"the coefficients of {names} rest on weak instruments (F = {float(f.min()):.1f}, under {STRONG:g})",
            help="by iv, the set of Anderson and Rubin stays valid however weak they are",
        )
        reason = "weak instruments: an interval of this form would be too short"
        return replace(done, interval=None, region=(), reason=reason, _ends=None, warnings=(*done.warnings, doubt))

    def _resampled(self) -> None:
        if self.mechanisms.refitted and self.asked.resamples is None:
            raise error(
                "CQ887",
                f"the interval of an {self.mechanisms.words} comes from fitting it anew to resamples of rows",
                help="give `resamples` and `seed`, such as `resamples=399, seed=1`",
            )

    def _hidden(self) -> tuple[str, ...]:
        gone = [v for v in self.drawn.observed if v not in self.diagram.vertices]
        return (f"not in the table, taken as unmeasured: {', '.join(gone)}",) if gone else ()

    def _moment(self, outcome: str, do: Numbers | World | None, given: Mapping[str, object] | None) -> Moment:
        self._known((*(() if isinstance(do, World) else do or ()), *(given or ())))
        data = self.mechanisms.data
        numbers = {} if isinstance(do, World) else {
            v: x if isinstance(x, Inner) else data[v].number_of(x) for v, x in (do or {}).items()
        }  # fmt: skip
        world = do if isinstance(do, World) else World.of(numbers)
        return Moment(outcome, world, tuple(Condition(n, "=", data[n].number_of(v)) for n, v in (given or {}).items()))

    def _known(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.diagram.vertices:
                near = did_you_mean(name, self.diagram.vertices)
                hidden = name in self.drawn.vertices
                said = f"`{name}` is not measured" if hidden else f"the diagram has no variable `{name}`"
                raise error("CQ832", said, help=near or "a fitted model answers about the columns of its table")

    def _values(self, treatment: str, values: tuple[object, object] | None) -> tuple[float, float]:
        self._known((treatment,))
        column = self.mechanisms.data[treatment]
        if values is None:
            if len(column.levels) != 2:
                raise error(
                    "CQ859",
                    f"`{treatment}` has {len(column.levels)} values: which two are compared is open",
                    help=f"give `values`, such as ({', '.join(column.shown(column.levels[i]) for i in (0, -1))})",
                )
            return float(column.levels[0]), float(column.levels[1])
        low, high = (column.number_of(v) for v in values)
        if low == high:
            raise error("CQ859", f"`{treatment}` is compared with itself", help="give two values that differ")
        return low, high

    def _along(self, paths: Sequence[tuple[str, ...]], treatment: str, outcome: str, low: float, high: float) -> World:
        active = set()
        for path in paths:
            edges = list(itertools.pairwise(path))
            bad = [e for e in edges if e not in self.drawn.directed]
            if not edges or path[0] != treatment or path[-1] != outcome or bad:
                shown = " -> ".join(path)
                why = f"the diagram has no arrow {bad[0][0]} -> {bad[0][1]}" if bad else "it leads elsewhere"
                raise error("CQ885", f"`{shown}` is no path from `{treatment}` to `{outcome}`: {why}",
                            help="a path is named by its variables, cause first")  # fmt: skip
            active |= set(edges)
        moved = set(self.diagram.descendants(treatment))
        return along(self.diagram.directed, active, treatment, low, high, moved.__contains__)

    def _drawn_wires(self, moment: Moment) -> None:
        """Demand that an arrow that is assigned was drawn, and is not one that an unmeasured variable left behind."""
        for a, b in _wires(moment.world):
            lost = (set(self.drawn.descendants(a)) & set(self.drawn.ancestors(b))) - set(self.diagram.vertices)
            if (a, b) not in self.drawn.directed or lost:
                why = f"`{min(lost)}` between them is not measured" if lost else "the diagram has none"
                raise error("CQ885", f"the arrow {a} -> {b} cannot be set: {why}",
                            help="name arrows of the diagram whose ways round are measured")  # fmt: skip

    def _nothing(self, treatment: str, outcome: str, text: str) -> Observed:
        """The effect on what does not descend from the treatment."""
        note = Diagnostic(
            "CQ858",
            f"no path leads from `{treatment}` to `{outcome}`: the effect is 0 by the diagram, whatever the rows are",
            severity="note",
        )
        found = blank(self.mechanisms.data, self.asked, "known from the diagram", (f"the diagram: {self.drawn}",))
        zero = Interval(0.0, 0.0)
        return replace(
            found, value=0.0, interval=zero, region=(zero,), by=self.name, estimand=text,
            warnings=(*found.warnings, note), _ends=lambda a: (0.0, 0.0),
        )  # fmt: skip


def _wires(world: World) -> Iterable[tuple[str, str]]:
    """The arrows that a world assigns, in inner worlds too."""
    yield from (edge for edge, _ in world.wires)
    for value in world.values():
        if isinstance(value, Inner):
            yield from _wires(value.world)
