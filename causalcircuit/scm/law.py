"""The joint law of what a question needs of discrete mechanisms, as a product of conditional distributions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from causalcircuit.causal import Diagram
from causalcircuit.causal.bits import bits
from causalcircuit.diagnostics import error
from causalcircuit.inference.observed._cells import no_rows
from causalcircuit.inference.observed._table import Floats
from causalcircuit.scm.worlds import Moment, Worlds, holds

if TYPE_CHECKING:
    from causalcircuit.scm.discrete import Discrete


@dataclass(frozen=True, eq=False)
class Law:
    """The joint law of what a moment needs, as a product.

    Attributes:
        families: the conditional distributions, causes first and the variable last. read_as_means: of cut outcomes,
            whose means in each combination of causes are read in place of their levels.
    """

    model: Discrete
    moment: Moment
    worlds: Worlds
    roots: tuple[int, ...]
    needed: tuple[int, ...]
    parents: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, model: Discrete, view: Diagram, moment: Moment) -> Law:
        """What a moment needs in a view.

        Raises:
            DiagnosticError: CQ854 a value that no row has, CQ859 text without a mean.
        """
        worlds, roots = _roots(view, moment)
        needed = tuple(n for n in worlds.behind(roots) if worlds.nodes[n].name)
        made = cls(model, moment, worlds, roots, needed, worlds.parents)
        column = model.data[moment.outcome]
        if moment.event is None and column.labels is not None:
            raise error("CQ859", f"`{column.name}` holds text: it has no mean", help=f"ask for `P({column.name} = …)`")
        for number in needed:
            for cause, enters in zip(
                worlds.parents[worlds.nodes[number].name], worlds.nodes[number].inputs, strict=True
            ):
                made._slot(cause, enters)
        return made

    @property
    def means(self) -> bool:
        """Whether the outcome is read as means of combinations."""
        root = self.roots[0]
        alone = root not in self.roots[1:] and all(root not in self.worlds.nodes[n].inputs for n in self.needed)
        axis = self.model.axes[self.moment.outcome]
        return self.moment.event is None and axis.edges is not None and alone and bool(self.worlds.nodes[root].name)

    def _family(self, number: int) -> tuple[str, ...]:
        name = self.worlds.nodes[number].name
        return (*self.parents[name], name)

    @property
    def families(self) -> list[tuple[str, ...]]:
        """The conditional distributions."""
        return [self._family(n) for n in self.needed]

    @property
    def read_as_means(self) -> list[tuple[str, ...]]:
        """The outcome's, where it is read as means."""
        return [self._family(self.roots[0])] if self.means else []

    def _slot(self, cause: str, enters: int) -> int | None:
        """The level at which a cause is set; None where it varies."""
        node, axis = self.worlds.nodes[enters], self.model.axes[cause]
        if node.name:
            other = self.model.axes[node.name]
            if node.name != cause and not np.array_equal(other.values, axis.values):
                raise error("CQ884", f"`{cause}` cannot take the value of `{node.name}`: they have other levels",
                            help="set it to a number")  # fmt: skip
            return None
        place = axis.place(node.value)
        if place is None:
            raise no_rows(f"{cause} = {node.value:g}", "the discrete model")
        return place

    def mean(self, tables: Mapping[tuple[str, ...], Floats], size: int) -> Floats:
        """[B] the moment, from [B, causes…, r] conditional distributions."""
        label = {n: i + 1 for i, n in enumerate(self.needed)}
        factors: list[Any] = []
        outcome = self.roots[0]
        for number in self.needed:
            node = self.worlds.nodes[number]
            read = self.means and number == outcome
            table = tables[("mean", *self._family(number))] if read else tables[self._family(number)]
            axes: list[int] = [0]
            for cause, enters in zip(self.parents[node.name], node.inputs, strict=True):
                level = self._slot(cause, enters)
                if level is None:
                    axes.append(label[enters])
                else:
                    table = np.take(table, [level], axis=len(axes)).squeeze(axis=len(axes))
            factors += [table, axes if read else [*axes, label[number]]]
        weights: list[Any] = []
        inside = np.ones(size)
        for number, one in zip(self.roots[1:], self.moment.given, strict=True):
            met = self.model.axes[one.name].meets(one.op, one.number)
            if number in label:
                weights += [met, [label[number]]]
            else:
                value = self.worlds.nodes[number].value
                inside = inside * (value == one.number if one.op == "=" else holds(value, one.op, one.number))
        axis, event = self.model.axes[self.moment.outcome], self.moment.asked
        top: list[Any] = []
        if outcome in label:
            if not self.means:
                top = [axis.values if event is None else axis.meets(*event), [label[outcome]]]
            fixed = 1.0
        else:
            value = self.worlds.nodes[outcome].value
            fixed = value if event is None else float(holds(value, *event))
        if not factors:
            return np.where(inside > 0, fixed, np.nan)
        above = np.einsum(*factors, *weights, *top, [0], optimize="greedy") * fixed
        if not self.moment.given:
            return np.asarray(above if top or self.means else np.full(size, fixed))
        kept = list(factors)
        if self.means:  # the outcome's means do not add up to 1
            at = 2 * self.needed.index(outcome)
            kept = factors[:at] + factors[at + 2 :]
        below = np.einsum(*kept, *weights, [0], optimize="greedy") if kept else np.ones(size)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where((below > 0) & (inside > 0), above / below, np.nan)


def _roots(view: Diagram, moment: Moment) -> tuple[Worlds, tuple[int, ...]]:
    frame = view.frame
    worlds = Worlds({v: frame.named(frame.graph.pa[i]) for i, v in enumerate(frame.names)})
    roots = (worlds.at(moment.outcome, moment.world), *(worlds.at(c.name, c.world) for c in moment.given))
    return worlds, roots


def shared(view: Diagram, moment: Moment) -> Exception | None:
    """Why the law of a moment is no product of conditional distributions in a view; None where it is."""
    worlds, roots = _roots(view, moment)
    needed = [worlds.nodes[n].name for n in worlds.behind(roots) if worlds.nodes[n].name]
    twice = [v for v in needed if needed.count(v) > 1]
    if twice:
        return error(
            "CQ884",
            f"the question needs `{twice[0]}` in two worlds at once, whose joint law is open in discrete models",
            help=(
                "each row's error is not seen: many models agree with the frequencies and differ here",
                "condition on what the assignment does not change, or fit `linear_gaussian` or `additive_noise`",
            ),
        )
    frame = view.frame
    graph = frame.graph
    members = frame.mask(needed)
    for i in bits(members):
        touched = graph.sp[i] & (members | graph.ancestors(graph.pa[i], graph.all))
        if touched:
            other = frame.names[next(iter(bits(touched)))]
            return error(
                "CQ882",
                f"the law of `{frame.names[i]}` is not identified: it shares an unmeasured cause with `{other}`",
                help=(
                    "discrete mechanisms take each variable by itself, given its causes",
                    "measure the shared cause, or estimate `by id`: other formulas may identify the effect",
                ),
            )
    return None
