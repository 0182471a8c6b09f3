"""From declared circuits to circuits: what takes a model is attributed, once; files are held against the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import causalcircuit.rows as rows
from causalcircuit.check import sites
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import (
    Assignment,
    CircuitDecl,
    CircuitView,
    Command,
    Estimation,
    Expr,
    ModelRef,
    Program,
    Result,
    Testing,
    Wires,
    World,
)
from causalcircuit.query.algebra import rebuild
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits import compare, write
from causalcircuit.query.circuits.assigned import bare, wires_in
from causalcircuit.query.circuits.formulas import (
    Asked,
    Attributed,
    Formula,
    Known,
    Smallest,
    asked_in,
    circuit_from,
    effect_of,
    named,
    parts_of,
)
from causalcircuit.query.circuits.held_nodes import held, once
from causalcircuit.query.circuits.shown import CircuitShown
from causalcircuit.query.circuits.typical import TypicalRow
from causalcircuit.query.circuits.wires import shared_in
from causalcircuit.runs.manifest import Recorder, Source, machine, manifest

if TYPE_CHECKING:
    from causalcircuit.models import LoadedModel
    from causalcircuit.runs.keeping import Keeping
    from causalcircuit.runs.kept_store import KeptShelf
    from causalcircuit.runs.keys import Keys
    from causalcircuit.runs.progress import Progress
    from causalcircuit.runs.scored import Count


@dataclass(slots=True)
class Circuits:
    """Makes the circuits of a program.

    Attributes:
        program: declares them. model: a declared model, loaded. keeping: knows the hash of its weights.
        progress: hears how far an attribution is. limit: bytes that one may take.
        made: those that took a model, by formula. counts: the scores of each attribution.
        names: what their wires are called where they are known.
    """

    program: Program
    model: Callable[[str], LoadedModel]
    keeping: Keeping
    progress: Progress | None = None
    limit: int | None = None
    made: dict[Formula, Circuit] = field(default_factory=dict)
    counts: dict[Attributed, Count] = field(default_factory=dict)
    names: dict[Expr | World, str] = field(default_factory=dict)

    def of(self, declared: CircuitDecl) -> Circuit:
        """The circuit that a declaration stands for.

        Raises:
            DiagnosticError: CQ774, it is of other weights than the model's; what is wrong with an attribution.
        """
        check_weights(declared.formula, self.program, self.keeping, declared.span)
        try:
            return named(circuit_from(declared.formula, self.ask), declared.name)
        except DiagnosticError as problem:
            raise DiagnosticError(*(d.at(declared.span) for d in problem.diagnostics)) from None

    def ask(self, asked: Asked) -> Circuit:
        """What takes a model."""
        if asked not in self.made:
            self.made[asked] = self._attributed(asked) if isinstance(asked, Attributed) else self._smallest(asked)
        return self.made[asked]

    def _attributed(self, asked: Attributed) -> Circuit:
        from causalcircuit.runs.scored import scored

        ref = self.program.models[asked.model]
        data = rows.load(asked.data)
        found, count = scored(asked, self.program, data, self.model, self.keeping, self.limit, self.progress)
        self.counts[asked] = count
        over, shared = found.over or asked.over, found.shared or shared_in(sites(ref))
        return replace(found, over=over, shared=shared)

    def _smallest(self, asked: Smallest) -> Circuit:
        from causalcircuit.runs.smallest import smallest_of

        effect = effect_of(asked.of)
        if effect is None:
            raise TypeError("the checker refuses searches without one effect")
        of, data = circuit_from(asked.of, self.ask), rows.load(asked.data)
        shelf = self.shelf(effect.readout, (effect.start, effect.end), data, asked.model)
        return smallest_of(asked, effect, of, self.model(asked.model), data, self.progress, self.limit, shelf)

    def shelf(self, readout: Expr, worlds: tuple[World, World], data: rows.Dataset, model: str) -> KeptShelf | None:
        """Where readouts with some wires alone last; nowhere where the files of the model changed."""
        from causalcircuit.runs.kept_store import KeptShelf

        self.model(model)
        if not self.keeping.contents.unchanged(self.program.models[model]):
            return None
        return KeptShelf.of(readout, worlds, self.program.models, data, self.keeping)

    def shown(self, view: CircuitView) -> CircuitShown:
        """What a `show` asks for."""
        found = tuple(map(self.of, view.circuits))

        def look() -> tuple[TypicalRow | None, ...]:
            return tuple(self._row(declared, circuit) for declared, circuit in zip(view.circuits, found, strict=True))

        return CircuitShown(found, compare(*found) if len(found) == 2 else None, view.comments, look)

    def _row(self, declared: CircuitDecl, circuit: Circuit) -> TypicalRow | None:
        """A typical row of what it was attributed on; of several attributions the innermost."""
        from causalcircuit.runs.typical import typical_row

        asked = next((a for a in asked_in(declared.formula) if isinstance(a, Attributed)), None)
        if asked is None:
            return None
        data, names = rows.load(asked.data), self.program.names
        return typical_row(asked, circuit.sites, self.model(asked.model), data, names)

    def save(self) -> tuple[str, ...]:
        """Write what is to be saved."""
        for saving in self.program.savings:
            write(self.of(saving.circuit), saving.path, saving.span)
        return tuple(dict.fromkeys(str(s.path) for s in self.program.savings))

    def told(self, result: Result, tasks: Iterable[Source], recorder: Recorder, how: str) -> Result:
        """A result that says what its circuits were made from, and how many of their scores were computed."""
        made: list[Source] = list(tasks)
        for asked, count in self.counts.items():
            data = rows.load(asked.data)
            keys = self.keeping.keys(data, self.program.models, how)
            on = machine() if count.computed else {}
            seeds = set() if asked.seed is None else {asked.seed}
            made.append(Attribution(data, {asked.model: self.program.models[asked.model]}, keys, on, seeds))
        if not made:
            return result
        run = recorder.said(result.tables.values(), self.counts.values())
        return replace(result, manifest=manifest(self.program, made, how), run=run)

    def resolved(self, commands: Iterable[Command]) -> list[Command]:
        """The same questions with the wires of circuits that are known."""
        return [self._known_in(c) for c in commands]

    def _known_in(self, command: Command) -> Command:
        if isinstance(command, Estimation):
            return replace(command, queries=tuple(replace(q, expr=self._expr(q.expr)) for q in command.queries))
        claims = [replace(c, query=replace(c.query, expr=self._expr(c.query.expr))) for c in command.claims]
        return replace(command, claims=tuple(claims))

    def _expr(self, e: Expr) -> Expr:
        if isinstance(e, Wires):
            check_weights(e.circuit, self.program, self.keeping, e.span)
            made = replace(e, circuit=bare(circuit_from(e.circuit, self.ask)))
            said = self.program.names.get(replace(e, complement=False))
            if said is not None:
                self.names[replace(made, complement=False)] = said
            return made
        return rebuild(e, self._expr, self._world)

    def _world(self, world: World) -> World:
        return replace(world, assignments=once(made for a in world.assignments for made in self._assigned(a)))

    def _assigned(self, a: Assignment) -> Iterator[Assignment]:
        """An assignment with circuits that are known; of a circuit of nodes one for each node."""
        if isinstance(a.target, Wires):
            check_weights(a.target.circuit, self.program, self.keeping, a.target.span)
            circuit = circuit_from(a.target.circuit, self.ask)
            if circuit.nodes:
                yield from held(a, circuit, lambda: sites(self.program.models[circuit.model]), self._world)
                return
        yield replace(a, target=self._expr(a.target), value=self._expr(a.value))


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """What an attribution was made from (see `manifest`)."""

    data: rows.Dataset
    models: Mapping[str, ModelRef]
    keys: Keys
    machine: Mapping[str, Any]
    seeds: set[int]


def has_wires(command: Command) -> bool:
    """Whether a question assigns the wires of a circuit."""
    queries = [c.query for c in command.claims] if isinstance(command, Testing) else command.queries
    return any(True for q in queries for _ in wires_in(q.expr))


def check_weights(formula: Formula, program: Program, keeping: Keeping, span: Span | None) -> None:
    """Refuse circuits of files whose model had other weights.

    Raises:
        DiagnosticError: CQ774.
    """
    if isinstance(formula, Known) and formula.circuit.origin is not None and formula.circuit.origin.weights:
        ref = program.models[formula.circuit.model]
        here, there = keeping.contents.weights(ref), formula.circuit.origin.weights
        if here is not None and here != there:
            raise error(
                "CQ774",
                f"`{formula.circuit.name}` was attributed on other weights than those of `{ref.name}`",
                span,
                "another model",
                help=(
                    "load the model that it was attributed on, or attribute it anew",
                    f"the file says {there[:16]}, and `{ref.source}` is {here[:16]}",
                ),
            )
    for inside in parts_of(formula):
        check_weights(inside, program, keeping, span)


def make_circuit(program: Program, declared: CircuitDecl, progress: Progress | None = None) -> Circuit:
    """One circuit of a program, attributed if it takes a model.

    Raises:
        DiagnosticError: as `Circuits.of`.
    """
    from causalcircuit.runs.execute import Runner

    runner = Runner()
    try:
        return runner.circuits(program, progress).of(declared)
    finally:
        runner.close()
