"""From cells to a plan: distinct worlds, references, sweeps. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from causalcircuit.diagnostics import error
from causalcircuit.engine.formulas import in_world, leaves, model_of, said_in, statistics
from causalcircuit.engine.wires import Wires
from causalcircuit.query import (
    Cell,
    Counterfactual,
    DataRef,
    Expr,
    SiteTable,
    Statistic,
    World,
    cells_of,
    numbered,
    render,
    walk,
    walk_world,
)
from causalcircuit.query import Wires as CircuitWires
from causalcircuit.query.plan import Plan, Reference, Run, Stage
from causalcircuit.rows import Dataset, load


def make_plan(queries: Iterable[Expr | Cell], data: Dataset, tables: Mapping[str, SiteTable] | None = None) -> Plan:
    """Plan the worlds that `queries` need.

    Args:
        queries: estimands, or cells of the table.
        data: the rows that they are asked on.
        tables: the sites of each model, needed where wires are assigned (else CQ575).

    Raises:
        DiagnosticError: CQ352, a value that no assignment can take; CQ4xx, other data of a reference cannot be read;
            CQ239 and CQ303, wires that are entangled or cyclic.
    """
    queries = tuple(queries)
    for query in queries:
        refuse_circuits(query)
    cells: dict[Cell, None] = {}
    for query in queries:
        asked = (query,) if isinstance(query, Cell) else cells_of(query)
        cells.update(dict.fromkeys(one for cell in asked for one in numbered(cell)))
    return _plan(data, tuple(cells), (), tables or {})


def refuse_circuits(query: Expr | Cell) -> None:
    """Worlds in which the wires of whole circuits are assigned are run elsewhere: no plan holds them.

    Raises:
        DiagnosticError: CQ264.
    """
    parts = (query,) if isinstance(query, Expr) else (query.readout, *walk_world(query.world))
    found = next((e for part in parts for e in walk(part) if isinstance(e, CircuitWires)), None)
    if found is not None:
        raise error(
            "CQ264",
            f"`{render(found)}`: the wires of a whole circuit are no part of a plan",
            found.span,
            help="assign wires one by one: `do((A -> B) = (A | w))`",
        )


def _plan(data: Dataset, cells: tuple[Cell, ...], wanted: Iterable[Statistic], tables: Mapping[str, SiteTable]) -> Plan:
    """The plan of cells, and of references that another plan wants of these data."""
    wires = Wires(tables)
    draft = _Draft(data.ref, wires)
    for statistic in wanted:
        draft.reference(statistic)
    formulas = tuple(in_world(wires.ended(c.readout, c.world), c.world) for c in cells)
    stages = [draft.depend(f)[1] for f in formulas]
    runs = tuple(draft.finished())
    references = tuple(draft.references.values())
    count = 1 + max([*stages, *(r.stage for r in references)], default=0)
    sweeps = tuple(_stage(s, draft, runs, references, formulas, stages) for s in range(count))
    others = tuple(_plan(load(ref), (), asked, tables) for ref, asked in draft.elsewhere.items())
    return Plan(data.ref, data.n, cells, formulas, runs, references, sweeps, others, tuple(wires.endings.values()))


class _Draft:
    """Runs and references as they are found, each after all that it needs."""

    def __init__(self, data: DataRef, wires: Wires) -> None:
        self.data, self.wires = data, wires
        self.elsewhere: dict[DataRef, dict[Statistic, None]] = {}
        self.runs: list[Run] = []
        self.reads: list[dict[Expr, None]] = []
        self.references: dict[Statistic, Reference] = {}
        self.indices: dict[tuple[str, World, Expr | None], int] = {}

    def finished(self) -> Iterator[Run]:
        """The runs with all that is read in them."""
        for run, reads in zip(self.runs, self.reads, strict=True):
            yield replace(run, reads=tuple(reads))

    def depend(self, formula: Expr) -> tuple[tuple[int, ...], int]:
        """The runs that a formula reads from, and the first stage in which it can be calculated."""
        needs: dict[int, None] = {}
        stage = 0
        for leaf in leaves(formula):
            index = self.run(model_of(leaf.value), leaf.world, said_in(leaf))
            self.reads[index][leaf.value] = None
            needs[index] = None
            stage = max(stage, self.runs[index].stage)
        for found in statistics(formula):
            if found.on is not None and found.elsewhere(self.data):  # known before the first stage
                self.elsewhere.setdefault(found.on, {})[found] = None
            else:
                stage = max(stage, self.reference(found).stage + 1)
        return tuple(needs), stage

    def run(self, model: str, world: World, said: Expr | None = None) -> int:
        """The index of a world of a model; `said` as in `Run`."""
        if (model, world, said) not in self.indices:
            edits = self.wires.edits(world, model)
            targets, values = (tuple(side) for side in zip(*edits, strict=True)) if edits else ((), ())
            found = [self.depend(v) for v in (*values, *([said] if isinstance(said, Counterfactual) else []))]
            needs = tuple(dict.fromkeys(i for n, _ in found for i in n))
            stage = max((s for _, s in found), default=0)
            depth = 1 + max((self.runs[i].depth for i in needs), default=-1)
            self.indices[model, world, said] = len(self.runs)
            self.runs.append(Run(model, world, targets, values, (), needs, stage, depth, said))
            self.reads.append({})
        return self.indices[model, world, said]

    def reference(self, statistic: Statistic) -> Reference:
        """A statistic over all rows, after what each of its parts needs."""
        if statistic not in self.references:
            found = [self.depend(part) for part in statistic.parts]
            needs = tuple(dict.fromkeys(i for own, _ in found for i in own))
            self.references[statistic] = Reference(statistic, needs, max(stage for _, stage in found))
        return self.references[statistic]


def _stage(
    number: int,
    draft: _Draft,
    runs: tuple[Run, ...],
    references: tuple[Reference, ...],
    formulas: tuple[Expr, ...],
    stages: list[int],
) -> Stage:
    """One sweep: what completes in it, and all runs that this takes."""
    cells = tuple(i for i, s in enumerate(stages) if s == number)
    own = tuple(i for i, r in enumerate(references) if r.stage == number)
    wanted = {i for c in cells for i in draft.depend(formulas[c])[0]}
    wanted.update(i for r in own for i in references[r].needs)
    for i in reversed(range(len(runs))):  # what a run needs stands before it
        if i in wanted:
            wanted.update(runs[i].needs)
    return Stage(tuple(sorted(wanted)), own, cells)
