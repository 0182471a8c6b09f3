"""A circuit: some wires of a model, each with a score, and what is known of how far they can be trusted.

A wire leads from a write (what a head, an MLP, an embedding or a projector adds to a stream) to a read (a head's query,
key or value, an MLP, a projector) or to the readout. It is the same wire that `do((A -> B) = v)` assigns. A circuit is
made of wires, a diagram of causal arrows: they are different nouns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from causalcircuit.query.estimate import Interval
from causalcircuit.query.expr import Site

Direction = Literal["noising", "denoising", "between"]
"""Whether worlds start from the factual run and take values of the other one (`noising`), or the other way round
(`denoising`); `between` where neither is factual."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a wire or a node is worth on the rows.

    Attributes:
        value: mean over the rows, in units of the readout: how much the readout changes, to first order or exactly,
            when the wire carries what it carries in the other world.
        interval: of that mean over rows or clusters. n: rows.
        selected: in what share of bootstrapped row samples it is among as many of the strongest.
    """

    value: float
    interval: Interval | None = None
    n: int = 0
    selected: float | None = None


@dataclass(frozen=True, slots=True)
class CircuitEdge:
    """One wire; `target` is `None` for the readout, `score` for what was drawn by hand."""

    source: Site
    target: Site | None
    score: Score | None = None


@dataclass(frozen=True, slots=True)
class CircuitNode:
    """One node with a score of its own: what a method that has no wires gives."""

    site: Site
    score: Score | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the scores come from.

    Attributes:
        method: as written: `eap_ig(5)`. direction: which run is changed. readout: as written, with its unit.
        start, end: the worlds `from` and `to` as written.
        data: the data's name. rows, clusters: how many; no clusters where rows are independent.
        considered: how many wires (or nodes) were scored.
        model: family and name of the model. weights: hash of its weights and settings.
        dtype, device, seed, versions: what else a repetition needs.
        seconds: it took. passes: forward (and backward) passes of single rows. stored: rows whose scores were known.
    """

    method: str
    direction: Direction
    readout: str
    unit: str
    start: str
    end: str
    data: str
    rows: int
    clusters: int | None
    considered: int
    model: str
    weights: str
    dtype: str = ""
    device: str = ""
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = field(default=0.0, compare=False)
    passes: int = field(default=0, compare=False)
    stored: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SizePoint:
    """How faithful the strongest `size` wires are: f = (S(kept) - S(none)) / (S(all) - S(none)).

    Attributes:
        size: wires kept. share: of all considered. faithful: f, with its interval over rows.
    """

    size: int
    share: float
    faithful: float
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """What speaks for and against a circuit; `None` where something was not measured, with the reason in `notes`.

    Attributes:
        curve: faithfulness over sizes. cpr: its integral over the share of wires. cmd: the integral of |1 - f|
            (both: MIB, arXiv 2504.13151).
        pearson, spearman: of scores with exact patching, over all wires, estimated from the `held` ones that were
            patched exactly: the `top` strongest and a random sample. recall: of the `top` exactly strongest, the share
            among the `top` strongest by score.
        jaccard: mean overlap of the wires chosen on bootstrapped rows with those chosen.
        randomised: rank correlation of the sizes of scores with those of the same model with shuffled weights.
        alike: the same of shuffled models among each other: what the wiring alone brings about.
        across: by method, the overlap of its strongest wires with these.
        failures: what makes it untrustworthy, in words: the first line of its report.
        notes: what was not measured, and why.
        intervals: by the name of a number above. passes, seconds: that trust took.
    """

    curve: tuple[SizePoint, ...] = ()
    cpr: float | None = None
    cmd: float | None = None
    pearson: float | None = None
    spearman: float | None = None
    recall: float | None = None
    held: int = 0
    jaccard: float | None = None
    randomised: float | None = None
    across: Mapping[str, float] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    alike: float | None = None
    top: int = 0
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    passes: int = field(default=0, compare=False)
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Circuit:
    """Some wires of one model.

    Attributes:
        name: declared. model: the model's declared name.
        edges: the wires, strongest first. nodes: nodes with scores of their own, strongest first.
        origin: `None` where it was drawn by hand. trust: where it was measured.
        groups: supernodes: a name, and the sites that it stands for.
        tokens: of one typical row, by tower, what stands at each position: for pictures.
        over: the nodes that were considered: between them lies what is outside; empty for all of the model's.
        shared: by tower, how many query heads read one head of keys and values, where it is more than one.
    """

    name: str
    model: str
    edges: tuple[CircuitEdge, ...] = ()
    nodes: tuple[CircuitNode, ...] = ()
    origin: Origin | None = None
    trust: Trust | None = None
    groups: Mapping[str, tuple[Site, ...]] = field(default_factory=dict)
    tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    over: tuple[Site, ...] = ()
    shared: Mapping[str, int] = field(default_factory=dict)

    @property
    def sites(self) -> tuple[Site, ...]:
        """The nodes that its wires connect, and those with scores of their own, each once."""
        ends = (s for e in self.edges for s in (e.source, e.target) if s is not None)
        return tuple(dict.fromkeys((*ends, *(n.site for n in self.nodes))))
