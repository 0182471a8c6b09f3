"""What running a program will cost, and how wide its intervals will be: said before anything runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from causalcircuit.diagnostics import Diagnostic, to_json
from causalcircuit.query.power import Power


@dataclass(frozen=True, slots=True)
class Width:
    """How wide an interval will be, from end to end.

    Attributes:
        value: `None` where it is not known. source: where it comes from: `pilot`, `stored`, `exact`, `unknown`.
        why: in words: what it rests on, or why it is not known.
    """

    value: float | None
    source: Literal["pilot", "stored", "exact", "unknown"]
    why: str


@dataclass(frozen=True, slots=True)
class Question:
    """One estimand of a program.

    Attributes:
        name, symbols, where: as in an `Estimate`. estimand: canonical text. at: the member of a sweep.
        regime: how it is answered; why: why that answers it.
        worlds: how many of the data's worlds it needs. unit: of its value. width: of its interval, at `level`.
        actual: the width that its interval had, where it was run. power: where it was asked for.
    """

    name: str
    symbols: str
    where: tuple[tuple[str, str], ...]
    estimand: str
    at: tuple[tuple[str, str], ...]
    regime: str
    why: str
    worlds: int
    unit: str
    level: float
    width: Width
    actual: float | None = None
    power: Power | None = None


@dataclass(frozen=True, slots=True)
class WorldCost:
    """One world of a plan, or a bare pass that is made for others.

    Attributes:
        model: whose. world: by declared names. base: the number of the line whose pass it resumes, `None` for a root.
        tower, layer: the first block that runs. runs, blocks: how many blocks run, of how many.
        first, positions: the first position that is computed, of how many at most.
        passes: how many it has a part in. flops: its share of them. reads: what is kept. values: the worlds whose
            values it takes.
        bare: whether nothing asks for it but others that resume it.
    """

    model: str
    world: str
    base: int | None
    tower: str
    layer: int
    runs: int
    blocks: int
    first: int
    positions: int
    passes: int
    flops: float
    reads: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """Passes of models and of single rows, operations by where they are spent, seconds, bytes at the worst moment.

    What was not measured is `None`.
    """

    passes: int
    row_passes: int
    flops: int | None = None
    attention: int = 0
    unembedding: int = 0
    seconds: float | None = None
    weights: int = 0
    activations: int = 0
    kept: int = 0
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class DataForecast:
    """All that is asked on one data set.

    Attributes:
        data: its label. rows, clusters: how many; `None` without clusters. stored: the share of outcomes that the
            store holds already, `None` where it was not asked.
        questions, worlds, cost: what is asked, run and spent. most: texts may end earlier: the cost is the most.
        actual: what it cost, where it was run.
    """

    data: str
    rows: int
    clusters: int | None
    stored: float | None
    questions: tuple[Question, ...]
    worlds: tuple[WorldCost, ...]
    cost: Cost
    most: bool = False
    actual: Cost | None = None


@dataclass(frozen=True, slots=True)
class CircuitForecast:
    """An attribution: what scoring takes.

    Attributes:
        name: of the circuit. method, model, data: how it is scored, of what and on what. rows: how many.
        wires: that are scored. considered: those that the circuit may have.
        row_passes: forward and backward passes of single rows. flops, seconds: of them.
        memory: bytes at most. weights, row, scores: bytes of weights, of the passes of a row, and of scores.
        trust: row passes at most beside these, in which its trust is measured; `None` where it is not known.
    """

    name: str
    method: str
    model: str
    data: str
    rows: int
    wires: int
    considered: int
    row_passes: int
    flops: int
    seconds: float
    memory: int
    weights: int
    row: int
    scores: int
    trust: int | None = None


@dataclass(frozen=True, slots=True)
class ModelForecast:
    """A model: where it is from, what it weighs, and whether its weights were looked at (they are not, as a rule)."""

    name: str
    source: str
    family: str
    dtype: str
    device: str
    towers: tuple[str, ...]
    weights: int
    sketched: bool
    calibrated: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """What `cq plan` says.

    Attributes:
        models, data: of the program. how: how passes are planned. positions: most of a pass. limit: bytes, as asked.
        machine, threads: what seconds are of. diagnostics: remarks. circuits: those that are attributed.
    """

    models: tuple[ModelForecast, ...]
    data: tuple[DataForecast, ...]
    how: str
    positions: int
    limit: int | None
    machine: str
    threads: int
    diagnostics: tuple[Diagnostic, ...] = ()
    comments: tuple[str, ...] = ()
    circuits: tuple[CircuitForecast, ...] = ()

    @property
    def calibrated(self) -> bool:
        """Whether seconds rest on measurements of this machine."""
        return all(m.calibrated for m in self.models)

    def to_json(self) -> dict[str, Any]:
        """The machine's view, `schema` 1."""
        return {
            "schema": 1,
            "plan": self.how,
            "positions_a_pass": self.positions,
            "max_memory": self.limit,
            "machine": self.machine,
            "threads": self.threads,
            "calibrated": self.calibrated,
            "models": [asdict(m) for m in self.models],
            "data": [asdict(d) for d in self.data],
            "circuits": [asdict(c) for c in self.circuits],
            "diagnostics": [to_json(d) for d in self.diagnostics],
        }
