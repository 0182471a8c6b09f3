"""The plan: which worlds are run, in which order, and what is read in each. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.query.compile import Cell
from causalcircuit.query.expr import Expr, Statistic, Wire, World
from causalcircuit.query.program import DataRef
from causalcircuit.query.render import render


@dataclass(frozen=True, slots=True)
class Run:
    """One world of one model: a forward pass a row.

    Attributes:
        model: whose pass it is. world: the assignments that concern this model.
        targets: what is assigned in this model, a `Site` or an `Input` each.
        values: to what, with every nested world written out: a leaf is a bare `Site` (the natural value, known
            inside the pass), a `Counterfactual` of a site or readout, a `Statistic`, a column, a string or a number.
        reads: the sites and readouts that are kept. needs: runs whose reads enter the values, by index.
        stage: how many rounds of references precede it. depth: how many runs of its stage precede it.
        said: the text that it is made for: a `Generated` that it writes, or a `Counterfactual` of one that it is
            forced to say; `None` for a pass over the prompt.
    """

    model: str
    world: World
    targets: tuple[Expr, ...]
    values: tuple[Expr, ...]
    reads: tuple[Expr, ...]
    needs: tuple[int, ...]
    stage: int
    depth: int
    said: Expr | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A statistic over all rows, complete at the end of its `stage`; its parts have their worlds written out."""

    statistic: Statistic
    needs: tuple[int, ...]
    stage: int


@dataclass(frozen=True, slots=True)
class Ending:
    """A world of a model in which something is read as some wires make it.

    Attributes:
        wires: those that end in what is read. brief: what the world holds, it holds at the prompt's positions only.
    """

    model: str
    world: World
    wires: tuple[Wire, ...]
    brief: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """One sweep over all rows: the runs in order of dependency, the references and cells that it completes.

    A run of an earlier stage is here again where its values feed a later one: values live for one chunk of rows.
    """

    runs: tuple[int, ...]
    references: tuple[int, ...]
    cells: tuple[int, ...]


class _Found:
    """A place for what a plan has looked up in itself."""

    __slots__ = ("_found",)
    _found: dict[tuple[str, World], int]


@dataclass(frozen=True, slots=True)
class Plan(_Found):
    """All that is run for some queries on one data set.

    Attributes:
        data: the data set. rows: how many it has.
        cells: what is asked for, distinct. formulas: each cell with its worlds written out.
        runs, references: distinct, in order of dependency. stages: the sweeps.
        elsewhere: plans of references over other data, which are run first.
        endings: the worlds that are run for wires.
    """

    data: DataRef
    rows: int
    cells: tuple[Cell, ...]
    formulas: tuple[Expr, ...]
    runs: tuple[Run, ...]
    references: tuple[Reference, ...]
    stages: tuple[Stage, ...]
    elsewhere: tuple[Plan, ...] = ()
    endings: tuple[Ending, ...] = ()

    @property
    def row_passes(self) -> int:
        """Forward passes of single rows, before answers of several tokens add theirs; over other data too."""
        own = self.rows * sum(len(s.runs) for s in self.stages)
        return own + sum(p.row_passes for p in self.elsewhere)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are run."""
        own = [r.model for r in self.runs]
        return tuple(dict.fromkeys([*own, *(m for p in self.elsewhere for m in p.models)]))

    @property
    def others(self) -> dict[DataRef, int]:
        """The other data that references are computed over, with their numbers of rows."""
        return {ref: n for p in self.elsewhere for ref, n in ((p.data, p.rows), *p.others.items())}

    def run_of(self, model: str, world: World) -> int:
        """The index of the pass over the prompt in a world of a model."""
        found = self.prompted(model, world)
        if found is None:
            raise KeyError(f"{model} is not run in {render(world)}")
        return found

    def prompted(self, model: str, world: World) -> int | None:
        """The same, `None` where there is no such pass."""
        try:
            found = self._found
        except AttributeError:  # looked up often: found once
            found = {(r.model, r.world): i for i, r in reversed(list(enumerate(self.runs))) if r.said is None}
            object.__setattr__(self, "_found", found)
        return found.get((model, world))

    def __str__(self) -> str:
        """One line a world, in order."""
        lines = [str(p) for p in self.elsewhere]
        lines += [f"{self.rows} rows of {self.data.label}, {len(self.runs)} worlds, {self.row_passes} row passes"]
        for number, stage in enumerate(self.stages, 1):
            lines.append(f"sweep {number}")
            for i in stage.runs:
                run = self.runs[i]
                kept = ", ".join(render(r) for r in run.reads) or "nothing"
                text = "" if run.said is None else f", saying {render(run.said)}"
                lines.append(f"  {run.model} in {render(run.world)}{text}: keeps {kept}")
            lines.extend(f"  then {render(self.references[i].statistic)}" for i in stage.references)
        return "\n".join(lines)
