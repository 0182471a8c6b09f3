"""Declared things, and the commands of a checked program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from causalcircuit.diagnostics import Diagnostic, Source, Span
from causalcircuit.query.dictionary import Dictionary
from causalcircuit.query.expr import Column, Expr, World
from causalcircuit.query.families import Correction
from causalcircuit.query.until import Until

if TYPE_CHECKING:
    from causalcircuit.query.circuits.formulas import Formula
    from causalcircuit.query.identification import Identified
    from causalcircuit.query.independence import Independent
    from causalcircuit.query.locks import Freezing
    from causalcircuit.query.saliency import Saliency
    from causalcircuit.query.trials import Trial

DType = Literal["float32", "float64", "bfloat16", "float16"]
DeviceMap = Literal["auto", "balanced", "balanced_low_0", "sequential"]
AttentionKind = Literal["auto", "sdpa", "eager"]
Format = Literal["jsonl", "csv", "parquet", "images", "datasets"]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A declared model.

    Attributes:
        name: unique in the program; addresses start with it.
        source: what the file says: a folder, or a hub name.
        folder: the absolute folder where `source` is a path; `None` for a hub name.
        revision, dtype, device: as declared, `None` and the defaults otherwise.
        attention: the attention implementation: `eager` calculates patterns that can be seen and assigned; `auto` is
            `sdpa` where the family has it.
        device_map: how accelerate spreads the weights over several devices; `None`: all are on `device`.
        memory: whether the model must fit the free memory to be loaded.
        trust_remote_code: the file names this very source as one whose code may run.
        dictionaries: of features, declared on its sites.
        net, shape, inputs: a network of torch that is no Hugging Face model, the shape of one row's input, and the
            column that feeds it.
    """

    name: str
    source: str
    folder: Path | None = None
    revision: str | None = None
    dtype: DType = "float32"
    device: str = "cpu"
    device_map: DeviceMap | None = None
    memory: Literal["checked", "unchecked"] = "checked"
    trust_remote_code: bool = False
    attention: AttentionKind = "auto"
    dictionaries: tuple[Dictionary, ...] = ()
    net: Any = field(default=None, repr=False)
    shape: tuple[int, ...] = ()
    inputs: Column | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Split:
    """`split 70/30 seed 7`: whole clusters go to `train` or `test`; `part` is the one that is meant."""

    train: float
    seed: int
    part: Literal["train", "test"] | None = None


@dataclass(frozen=True, slots=True)
class DataRef:
    """A declared data set.

    Attributes:
        name: as declared. path: absolute; a folder for `images` and `datasets`.
        feeds: what feeds a model's channels (`prompt`, `image`, `prefix`): a `Column` or a `Text`; `chat`: a `Chat`.
        cluster: the column of the sampling unit. weight: the column of row weights.
        where: a condition on columns that rows must meet. sample: (number of rows, seed).
        split: the declared split, with the part that is meant.
        arguments: named ones of the call that declares `datasets`: `split`, `config`, and `name`, one of the hub.
        order: the seed of a random order of whole clusters, in which a run that may stop early takes rows.
    """

    name: str
    format: Format
    path: Path
    feeds: tuple[tuple[str, Expr], ...] = ()
    cluster: Column | None = None
    weight: Column | None = None
    where: Expr | None = None
    sample: tuple[int, int] | None = None
    split: Split | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    order: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def source(self) -> str:
        """What messages call the file, folder or data set of the hub."""
        return dict(self.arguments).get("name", self.path.name)

    @property
    def label(self) -> str:
        """`d`, or `d.train` where a part is meant."""
        return self.name if self.split is None or self.split.part is None else f"{self.name}.{self.split.part}"


@dataclass(frozen=True, slots=True)
class Options:
    """How an estimand is turned into an interval.

    Attributes:
        method: `default` (analytic, no seed), `student`, `fieller`, `wilson`, `bootstrap` (BCa on independent
            rows, see the inference room for clusters), `bca`, `percentile`, `basic`.
        resamples: for bootstrap methods. seed: required where resampling is random.
        level: of the interval, a fraction. population: `as population`: exact, no interval.
        until: when a run may stop before it has seen every row.
        pinned: which of these the file or caller said, so that reports can mark overrides.
    """

    method: str = "default"
    resamples: int | None = None
    level: float = 0.95
    seed: int | None = None
    population: bool = False
    until: Until | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Query:
    """An estimand with its regime: arithmetic over expectations of readouts in worlds.

    `expr` is fully expanded: it names sites, columns, numbers and worlds, no declared names. Of a sweep, `at` says
    which member it is of, (variable, as written), and `members` holds what each variable stands for.
    """

    name: str
    expr: Expr
    regime: str = "intervention"
    at: tuple[tuple[str, str], ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)
    members: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Region:
    """Where a claim says that an estimand lies: `low < x < high`, ends belong if `closed`.

    `outside` claims the complement. One-sided regions have an infinite end.
    """

    low: float
    high: float
    closed: bool = False
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A hypothesis: a query and the region it is expected in. `named` ones decide the exit code.

    `stage` counts the `then` before it in its family: it is tested where all claims of smaller stages are supported.
    """

    name: str
    query: Query
    region: Region
    unit: str
    title: str = ""
    because: str = ""
    named: bool = True
    span: Span | None = field(default=None, compare=False, repr=False)
    stage: int = 0


@dataclass(frozen=True, slots=True)
class Estimation:
    """`estimate q, … on d`: queries over one data set, by row groups where `per` is given."""

    queries: tuple[Query, ...]
    data: DataRef
    options: Options = Options()
    per: Column | None = None
    comments: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Testing:
    """`test … on d`: claims tested together under one correction; `under` is the lock that they are held against."""

    __test__: ClassVar[bool] = False  # pytest collects classes by such names

    claims: tuple[Claim, ...]
    data: DataRef
    name: str = ""
    correction: Correction = "none"
    alpha: float = 0.05
    options: Options = Options()
    comments: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)
    under: Path | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """A declared causal diagram over names; `<->` edges stand for latent common causes.

    With `formulas`, a high-level model: how each variable is calculated from columns and other variables. Otherwise
    `nodes` has what each vertex stands for. `latents` are never measured; `selections` are (population, vertex): its
    mechanism differs there. `wiring` says how it was held against the wiring of models. `realized` has, for a vertex,
    the worlds of a model that stand for its values.
    """

    name: str
    vertices: tuple[str, ...]
    directed: tuple[tuple[str, str], ...]
    bidirected: tuple[tuple[str, str], ...] = ()
    assume: str = ""
    span: Span | None = field(default=None, compare=False, repr=False)
    formulas: tuple[tuple[str, Expr], ...] = ()
    nodes: tuple[tuple[str, Expr], ...] = ()
    latents: tuple[str, ...] = ()
    selections: tuple[tuple[str, str], ...] = ()
    wiring: str = ""
    realized: tuple[tuple[str, tuple[tuple[Expr, World], ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class CircuitDecl:
    """`circuit C = …`: a name for some wires of a model; they are attributed when something asks for them."""

    name: str
    formula: Formula
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def model(self) -> str:
        """The declared name of the model whose wires they are."""
        from causalcircuit.query.circuits.formulas import model_of

        return model_of(self.formula)


@dataclass(frozen=True, slots=True)
class CircuitView:
    """`show C`, or `show compare(A, B)`: one circuit, or two beside each other."""

    circuits: tuple[CircuitDecl, ...]
    comments: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Saving:
    """`save C to "./c.json"`."""

    circuit: CircuitDecl
    path: Path
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class GraphSaving:
    """`save G to "./g.dot"`: what is written, since it is known by the check."""

    graph: str
    text: str
    path: Path
    span: Span | None = field(default=None, compare=False, repr=False)


Command = Estimation | Testing


@dataclass(frozen=True, slots=True)
class Program:
    """The checked statements of a file: names resolved, units known.

    Attributes:
        models, data, graphs: what is declared, by unique name.
        names: declared names of nodes, values and worlds, for reports.
        commands: what is to be run, in order.
        comments: the `##` lines that belong to no question: above the first statement, below the last.
        warnings: what the check had to say short of errors.
        circuits: those that are declared, by name. views: those that are to be shown. savings,
            drawings: written to files.
        trials: tests of claims about circuits.
        maps: heat maps over images and texts.
        identifications, independences: answers that diagrams give; the check has them, since nothing has to run.
    """

    models: Mapping[str, ModelRef]
    data: Mapping[str, DataRef] = field(default_factory=dict)
    graphs: Mapping[str, Graph] = field(default_factory=dict)
    names: Mapping[Expr | World, str] = field(default_factory=dict)
    commands: tuple[Command, ...] = ()
    comments: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    source: Source | None = None
    circuits: Mapping[str, CircuitDecl] = field(default_factory=dict)
    views: tuple[CircuitView, ...] = ()
    savings: tuple[Saving, ...] = ()
    trials: tuple[Trial, ...] = ()
    maps: tuple[Saliency, ...] = ()
    identifications: tuple[Identified, ...] = ()
    independences: tuple[Independent, ...] = ()
    drawings: tuple[GraphSaving, ...] = ()
    freezes: tuple[Freezing, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether anything is asked."""
        asked = (self.commands, self.views, self.savings, self.trials, self.maps)
        return any((*asked, self.identifications, self.independences, self.drawings, self.freezes))
