"""High-level models, and alignments of their variables with nodes.

A high-level model is a `graph` with formulas: each variable is calculated from columns of the row and from other
variables. Inside formulas a variable is a `Column` whose name no file can have, so that the rest of the language reads
formulas as it reads any arithmetic on columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from causalcircuit.query.algebra import walk, world_of
from causalcircuit.query.expr import (
    FACTUAL,
    ROW,
    Assignment,
    Call,
    Column,
    Counterfactual,
    Distribution,
    Draw,
    Expect,
    Expr,
    Probability,
    Site,
    World,
)
from causalcircuit.query.program import DataRef, Estimation, Graph, Query
from causalcircuit.query.render import render

_MARK = "\0"


def variable(name: str) -> Column:
    """A variable, where it stands in a formula."""
    return Column(_MARK + name)


def variables_in(formula: Expr) -> tuple[str, ...]:
    """The variables that a formula names, each once."""
    found = (e.name[1:] for e in walk(formula) if isinstance(e, Column) and e.name.startswith(_MARK))
    return tuple(dict.fromkeys(found))


def formula_text(formula: Expr) -> str:
    """A formula as the language writes it."""
    return render(formula).replace(f"row.{_MARK}", "")


def order_of(formulas: Mapping[str, Expr]) -> tuple[str, ...]:
    """The variables, causes first; what is in a circle is left out."""
    done: dict[str, None] = {}
    waiting = list(formulas)
    while waiting:
        able = [v for v in waiting if all(p in done for p in variables_in(formulas[v]))]
        if not able:
            break
        done.update(dict.fromkeys(able))
        waiting = [v for v in waiting if v not in done]
    return tuple(done)


def below(formulas: Mapping[str, Expr], name: str) -> set[str]:
    """The variables that depend on one, itself included."""
    found = {name}
    for v in order_of(formulas):
        if found & set(variables_in(formulas[v])):
            found.add(v)
    return found


@dataclass(frozen=True, slots=True)
class Alignment:
    """`aligned(High, Name = Mover, Answer = gpt2.logits @ last, from = u)`.

    Attributes:
        graph: the high-level model. nodes: by variable, the nodes that are said to hold it.
        output: the variable that the model's answer is held against. answer: the answer: an event where the variable
            is true or false, else logits, of which the variable's values are the candidates.
        donor: the row that values are taken from.
    """

    graph: Graph
    nodes: tuple[tuple[str, tuple[Site, ...]], ...]
    output: str
    answer: Expr
    donor: Draw

    def world(self, nodes: Mapping[Site, Site] | None = None) -> World:
        """The world in which the nodes carry what they do on the donor's row.

        Args:
            nodes: others in their places.
        """
        elsewhere = World((Assignment(ROW, self.donor),))
        chosen = [(nodes or {}).get(s, s) for _, sites in self.nodes for s in sites]
        return world_of(Assignment(s, Counterfactual(s, elsewhere)) for s in chosen)

    def asked(self, data: DataRef) -> Estimation:
        """What the rules of estimates can judge of it."""
        if isinstance(self.answer, Distribution):
            moved: Expr = Expect(Call("kl", (self.answer, Counterfactual(self.answer, FACTUAL))), self.world())
        else:
            moved = Probability(self.answer, self.world())
        return Estimation((Query("aligned", moved),), data)

    def said(self, names: Mapping[Expr | World, str]) -> list[tuple[str, str]]:
        """Names and what they stand for, for reports."""
        formulas = ", ".join(f"{v} = {formula_text(f)}" for v, f in self.graph.formulas)
        out = [(self.graph.name, f"{{ {formulas} }}")]
        out += [(f"{self.graph.name}.{v}", ", ".join(map(render, sites))) for v, sites in self.nodes]
        return [*out, (f"{self.graph.name}.{self.output}", render(self.answer, names)), ("from", render(self.donor))]
