"""Circuits from Python: attributed, drawn by hand, read from files, and made of each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import causalcircuit.query.circuits as values
import causalcircuit.runs as rooms
from causalcircuit.api.addresses import Model, located
from causalcircuit.api.quantities import Do, Models, Quantity, merge, quantity
from causalcircuit.api.references import Means
from causalcircuit.api.rows import Data
from causalcircuit.check import examine, sets, sites
from causalcircuit.check.attributing import attribution, method_of, question, searched
from causalcircuit.check.circuit_files import of_model
from causalcircuit.check.criteria import criterion_of
from causalcircuit.check.drawing import circuit_of
from causalcircuit.check.trusting import level_of
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import FACTUAL, CircuitDecl, CircuitView, Items, Program, Result, Site, Wires, World
from causalcircuit.query import circuit as nouns
from causalcircuit.query.circuits.baseline import Baseline
from causalcircuit.query.circuits.formulas import (
    METHODS,
    SEARCHES,
    Between,
    Filtered,
    Formula,
    Grouped,
    Joined,
    Keep,
    Known,
    Method,
    Strongest,
    asked_in,
    circuit_from,
    effect_of,
    named,
)
from causalcircuit.query.wiring import reads
from causalcircuit.runs import Progress

_CALL = re.compile(r"(\w+)(?:\(\s*([\d.eE+-]+)\s*\))?$")
_KEEP = re.compile(r"(\d+)\s+(edge|node)s?$")


@dataclass(frozen=True, eq=False)
class Circuit:
    """A declared circuit: `A | B`, `A & B` and `A - B` are the language's union, intersect and except.

    What takes a model is attributed when `circuit` (or `edges`, `save`, `cq.show`) asks for it, and once.
    """

    declared: CircuitDecl
    models: Models = field(default_factory=dict, repr=False)
    _known: dict[str, nouns.Circuit] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        """As the language writes it."""
        from causalcircuit.query.circuits.wording import text_of

        return f"circuit {self.declared.name} = {text_of(self.declared.formula)}"

    @property
    def circuit(self) -> nouns.Circuit:
        """The circuit itself.

        Raises:
            DiagnosticError: what is wrong with it, or with its attribution.
        """
        if "made" not in self._known:
            self._known["made"] = rooms.make_circuit(self._program(), self.declared)
        return self._known["made"]

    @property
    def edges(self) -> tuple[nouns.CircuitEdge, ...]:
        """Its wires, strongest first."""
        return self.circuit.edges

    @property
    def wires(self) -> Quantity:
        """All its wires, to be assigned: `do({C.wires: C.wires | corrupt})`."""
        return Quantity(Wires(self.declared.model, self.declared.formula), self.models)

    @property
    def outside(self) -> Quantity:
        """All other wires between the nodes considered: `do({C.outside: C.outside | corrupt})`."""
        return Quantity(Wires(self.declared.model, self.declared.formula, complement=True), self.models)

    def __or__(self, other: Circuit) -> Circuit:
        return self._joined("union", other)

    def __and__(self, other: Circuit) -> Circuit:
        return self._joined("intersect", other)

    def __sub__(self, other: Circuit) -> Circuit:
        return self._joined("except", other)

    def _joined(self, how: Any, other: Circuit) -> Circuit:
        if not isinstance(other, Circuit):
            raise TypeError(f"circuits are joined with circuits, not with {other!r}")
        formula = Joined(how, self.declared.formula, other.declared.formula)
        return _declared(self.declared.name, formula, merge(self.models, other.models))

    def where(self, condition: str) -> Circuit:
        """The wires for which a condition of the language holds: `C.where("abs(score) > 0.02 and selected > 0.8")`.

        Raises:
            DiagnosticError: CQ260, it is none; CQ259, there are no scores.
        """
        return self._with(Filtered(self.declared.formula, criterion_of(condition)))

    def strongest(self, k: int) -> Circuit:
        """The `k` strongest wires."""
        return self._with(Strongest(self.declared.formula, k))

    def paths(self, start: Any, end: Any) -> Circuit:
        """All routes from nodes to nodes, or to a readout."""
        goal = quantity(end).expr
        to_readout = not isinstance(goal, Site | Items) and reads(goal)
        return self._with(Between(self.declared.formula, _nodes(start), None if to_readout else _nodes(end)))

    def group(self, **groups: Any) -> Circuit:
        """With supernodes: `C.group(early=[A, B])`."""
        found = tuple((name, _nodes(members)) for name, members in groups.items())
        return self._with(Grouped(self.declared.formula, found))

    def named(self, name: str) -> Circuit:
        """The same under another name."""
        return _declared(name, self.declared.formula, self.models)

    def compare(self, other: Circuit) -> values.Comparison:
        """What both have in common."""
        return values.compare(self.circuit, other.circuit)

    def save(self, path: str | Path) -> None:
        """Write it to a `.json`, `.graphml` or `.dot` file."""
        values.write(self.circuit, Path(path))

    def _with(self, formula: Formula) -> Circuit:
        return _declared(self.declared.name, formula, self.models)

    def _program(self) -> Program:
        return Program(self.models, circuits={self.declared.name: self.declared})


def attribute(
    readout: Quantity,
    *,
    start: Do | Means,
    on: Data,
    end: Do | Means | None = None,
    method: str = "eap_ig(5)",
    over: Any = None,
    keep: str | None = None,
    above: float | None = None,
    seed: int | None = None,
    trust: str = "quick",
    name: str = "C",
) -> Circuit:
    """A circuit whose wires are scored for a readout: `cq.attribute(LD, start=corrupt, on=ioi, keep="40 edges")`.

    Args:
        readout: what comes out at the end of one model. start, end: the language's `from` and `to`; `end` is the
            factual world unless it is given; one of them may be `mean()`. on: the data. method: as in the language.
        over: nodes, all by default.
        keep: `"40 edges"` or `"12 nodes"`. above: the least absolute score. seed: of a bootstrap of rows.
        trust: how much is measured of how far it can be trusted: `"none"`, `"quick"`, `"full"` or `"full(200)"`.

    Raises:
        DiagnosticError: CQ250 to CQ255, CQ794, CQ798, and what the rules have to say of the readout in both worlds on
            these data.
    """
    given = [x for x in (readout, start, end, None if over is None else quantity(over)) if x is not None]
    models = merge(*(x.models for x in given))
    kept = None
    if keep is not None:
        found = _KEEP.match(keep)
        if found is None or not int(found.group(1)):
            raise error("CQ253", f"`keep` takes so many edges or nodes, not `{keep}`", help='`keep="40 edges"`')
        kept = Keep(int(found.group(1)), "edges" if found.group(2) == "edge" else "nodes")
    scored = _method(method, METHODS)
    asked = attribution(
        readout.expr,
        () if over is None else _nodes(over),
        _side(start, "from"),
        FACTUAL if end is None else _side(end, "to"),
        scored,
        kept,
        above,
        on.ref,
        seed,
        lambda model: sites(models[model]),
        span=located(f"attribute({readout})"),
        trust=level_of(*_called(trust, "level of trust", "CQ794"), scored, seed, located(f"attribute({readout})")),
    )
    DiagnosticError.raise_if(examine(question(asked), models))
    return _declared(name, asked, models)


def _side(given: Do | Means, name: Literal["from", "to"]) -> World | Baseline:
    return given.world if isinstance(given, Do) else replace(given.baseline, side=name)


def smallest(
    of: Circuit, *, faithful: float, on: Data, search: str = "greedy", seed: int | None = None, name: str = "K"
) -> Circuit:
    """As few wires of a circuit as are so faithful: `cq.smallest(C, faithful=0.9, on=ioi, search="acdc(0.01)")`.

    Raises:
        DiagnosticError: CQ250 an unknown search, CQ253 a faithfulness outside 0 to 1, CQ267 a circuit of no one effect.
    """
    if not 0 < faithful < 1:
        raise error("CQ253", f"faithfulness lies between 0 and 1, and {faithful:g} does not", help="`faithful=0.9`")
    span = located(f"smallest({of.declared.name})")
    made = searched(of.declared.formula, _method(search, SEARCHES), faithful, on.ref, seed, span)
    effect = effect_of(made.of)
    if effect is not None:
        DiagnosticError.raise_if(examine(question(replace(effect, data=on.ref)), of.models))
    return _declared(name, made, of.models)


def circuit(name: str, *chains: Sequence[Any]) -> Circuit:
    """A circuit by hand: `cq.circuit("GT", (X, Early, Late, LD), (X, LD))`; a set stands for each of its members.

    Raises:
        DiagnosticError: CQ233 to CQ236, a wire that the model has not; CQ254, CQ255 and CQ263.
    """
    models: Models = {}
    arrows = []
    for chain in chains:
        made = [quantity(getattr(node, "reads", node)) for node in chain]
        if len(made) < 2:
            raise error("CQ263", "a chain of one node is joined to nothing", help='`cq.circuit("G", (A, B))`')
        models = merge(models, *(q.models for q in made))
        arrows += [(a.expr, None, b.expr, None, None) for a, b in pairwise(made)]
    if not arrows:
        raise error("CQ263", "a circuit is made of chains", help='`cq.circuit("G", (A, B))`')
    found = circuit_of(name, arrows, lambda model: sites(models[model]))
    return _declared(name, Known(found), models)


def load_circuit(path: str | Path, model: Model, name: str | None = None) -> Circuit:
    """A circuit from a `.json` or `.graphml` file.

    Raises:
        DiagnosticError: CQ770 to CQ775, the file is not what it should be; CQ774, it is of another model.
    """
    found = values.renamed(values.read(Path(path)), model.ref.name)
    of_model(found, model.ref.name, sites(model.ref), Path(path).name, None)
    return _declared(name or found.name, Known(found), {model.ref.name: model.ref})


def show_circuits(*circuits: Circuit, progress: Progress | None = None) -> Result:
    """What `show` prints of circuits, as a result."""
    program = Program(
        merge(*(c.models for c in circuits)),
        circuits={c.declared.name: c.declared for c in circuits},
        views=tuple(CircuitView((c.declared,)) for c in circuits),
    )
    return rooms.run_program(program, progress=progress)


def _declared(name: str, formula: Formula, models: Models) -> Circuit:
    """A circuit under a name; what needs no model is made now."""
    if not any(True for _ in asked_in(formula)):
        formula = Known(named(circuit_from(formula), name))
    return Circuit(CircuitDecl(name, formula), models)


def _nodes(members: Any) -> tuple[Site, ...]:
    return sets.members(quantity(members).expr, None)


def _method(text: str, known: dict[str, int]) -> Method:
    return method_of(*_called(text, "method", "CQ250"), known)


def _called(text: str, what: str, code: str) -> tuple[str, tuple[float, ...]]:
    """`eap_ig(5)` as its name and its numbers."""
    found = _CALL.match(text.strip())
    if found is None:
        raise error(code, f"`{text}` is no {what}", help='`method="eap_ig(5)"`, `trust="full"`')
    return found.group(1), () if found.group(2) is None else (float(found.group(2)),)
