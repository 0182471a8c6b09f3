"""Circuits before they are known: how each is made of a model, of files, of drawings and of other circuits.

A formula names no declared circuit: what a circuit is made of stands inside it, as worlds stand inside estimands. Equal
formulas are one circuit, which is attributed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.baseline import Baseline
from causalcircuit.query.circuits.criteria import Criterion, filtered
from causalcircuit.query.circuits.groups import grouped
from causalcircuit.query.circuits.routes import paths
from causalcircuit.query.circuits.sets import difference, intersection, strongest, union
from causalcircuit.query.expr import Expr, Site, World
from causalcircuit.query.program import DataRef
from causalcircuit.query.render import Names, render

METHODS: dict[str, int] = {
    "exact": 0,
    "exact_nodes": 0,
    "atp": 0,
    "atp_star": 0,
    "eap": 0,
    "eap_ig": 1,
    "eap_ig_activations": 1,
    "relp": 0,
    "gradcam_pp": 0,
    "ifr": 0,
}
"""Methods of attribution, and how many numbers each takes."""
NODE_METHODS = ("atp", "atp_star", "exact_nodes")
"""Those that score nodes, and not wires."""
TRUST = ("none", "quick", "full")
"""How much is measured of a circuit's trust; `full` may take how many wires are patched exactly."""
SEARCHES: dict[str, int] = {"greedy": 0, "acdc": 1, "bisect": 0}
"""Ways to the smallest faithful circuit, and how many numbers each takes."""


@dataclass(frozen=True, slots=True)
class Method:
    """`eap_ig(5)`."""

    name: str
    arguments: tuple[float, ...] = ()

    def __str__(self) -> str:
        """As written in the language."""
        return self.name + (f"({', '.join(f'{x:g}' for x in self.arguments)})" if self.arguments else "")


@dataclass(frozen=True, slots=True)
class Keep:
    """`keep = 40 edges`: so many of the strongest, or the wires between so many nodes."""

    count: int
    of: Literal["edges", "nodes"]

    def __str__(self) -> str:
        """As written in the language."""
        return f"{self.count} {self.of}"


@dataclass(frozen=True, slots=True)
class Known:
    """A circuit that is there: drawn by hand, or read from a file."""

    circuit: Circuit

    def __hash__(self) -> int:
        """By its wires: mappings have no hash."""
        return hash((self.circuit.model, self.circuit.edges, self.circuit.nodes))


@dataclass(frozen=True, slots=True)
class Attributed:
    """`attribute(Y, over = […], from = w, to = w, method = eap_ig(5), keep = 40 edges, above = 0.02) on d`.

    Attributes:
        model: whose wires are scored. readout: what they are scored for. start, end: `from` and `to`.
        over: the nodes whose wires are considered, or which are scored; empty for all of the model's.
        keep, above: what is kept of them: so many, or those whose absolute score is at least that.
        seed: of the bootstrap of rows, where there is one.
        trust: how much is measured of how far it can be trusted.
        baseline: where one of the worlds is made of the means of nodes, how.
    """

    model: str
    readout: Expr
    start: World
    end: World
    method: Method
    data: DataRef
    over: tuple[Site, ...] = ()
    keep: Keep | None = None
    above: float | None = None
    seed: int | None = None
    trust: Method = Method("quick")
    baseline: Baseline | None = None

    def side(self, name: Literal["from", "to"], names: Names | None = None) -> str:
        """One of both worlds, as the language writes it."""
        if self.baseline is not None and self.baseline.side == name:
            return self.baseline.text(names)
        return render(self.start if name == "from" else self.end, names)


@dataclass(frozen=True, slots=True)
class Smallest:
    """`smallest(C, search = greedy, faithful > 0.9) on d`: as few wires of a circuit as are so faithful."""

    of: Formula
    search: Method
    faithful: float
    data: DataRef
    seed: int | None = None

    @property
    def model(self) -> str:
        """The model whose wires they are."""
        return model_of(self.of)


@dataclass(frozen=True, slots=True)
class Joined:
    """`union(A, B)`, `intersect(A, B)`, `A except B`."""

    how: Literal["union", "intersect", "except"]
    left: Formula
    right: Formula


@dataclass(frozen=True, slots=True)
class Filtered:
    """`C where score > 0.02`."""

    of: Formula
    criterion: Criterion


@dataclass(frozen=True, slots=True)
class Strongest:
    """`strongest(C, 20)`."""

    of: Formula
    count: int


@dataclass(frozen=True, slots=True)
class Between:
    """`paths(C, A, B)`: all routes from nodes to nodes, or to the readout (`None`)."""

    of: Formula
    start: tuple[Site, ...]
    end: tuple[Site, ...] | None


@dataclass(frozen=True, slots=True)
class Grouped:
    """`group(C, name = [A, B])`."""

    of: Formula
    groups: tuple[tuple[str, tuple[Site, ...]], ...]


Asked = Attributed | Smallest
"""What takes a model to be known."""
Formula = Known | Asked | Joined | Filtered | Strongest | Between | Grouped


def parts_of(formula: Formula) -> tuple[Formula, ...]:
    """The circuits that a formula is made of."""
    match formula:
        case Joined(left=left, right=right):
            return left, right
        case Smallest(of=of) | Filtered(of=of) | Strongest(of=of) | Between(of=of) | Grouped(of=of):
            return (of,)
        case _:
            return ()


def asked_in(formula: Formula) -> Iterator[Asked]:
    """What of a formula takes a model, the innermost first."""
    for inside in parts_of(formula):
        yield from asked_in(inside)
    if isinstance(formula, Attributed | Smallest):
        yield formula


def effect_of(formula: Formula) -> Attributed | None:
    """The attribution whose readout and worlds a circuit is about; `None` where there is none, or two that differ."""
    found = {(a.model, a.readout, a.start, a.end): a for a in asked_in(formula) if isinstance(a, Attributed)}
    return next(iter(found.values())) if len(found) == 1 else None


def model_of(formula: Formula) -> str:
    """The declared name of the model whose wires they are."""
    match formula:
        case Known(circuit=circuit):
            return circuit.model
        case Attributed(model=model):
            return model
        case _:
            return model_of(parts_of(formula)[0])


def circuit_from(formula: Formula, ask: Callable[[Asked], Circuit] | None = None) -> Circuit:
    """The circuit that a formula stands for.

    Args:
        formula: what to make. ask: answers what takes a model.

    Raises:
        DiagnosticError: CQ257 two models, CQ259 no scores, CQ261 no such nodes.
        LookupError: it takes a model, and nobody is there to ask.
    """
    match formula:
        case Known(circuit=circuit):
            return circuit
        case Attributed() | Smallest():
            if ask is None:
                raise LookupError("this circuit takes a model")
            return ask(formula)
        case Joined(how=how, left=left, right=right):
            join = {"union": union, "intersect": intersection, "except": difference}[how]
            return join(circuit_from(left, ask), circuit_from(right, ask))
        case Filtered(of=of, criterion=criterion):
            return filtered(circuit_from(of, ask), criterion)
        case Strongest(of=of, count=count):
            return strongest(circuit_from(of, ask), count)
        case Between(of=of, start=start, end=end):
            return paths(circuit_from(of, ask), start, end)
        case Grouped(of=of, groups=groups):
            return grouped(circuit_from(of, ask), dict(groups))


def named(circuit: Circuit, name: str) -> Circuit:
    """A circuit under the name that it is declared by."""
    return replace(circuit, name=name)
