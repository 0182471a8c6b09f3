"""What comes out: estimates, verdicts, and the result of a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from causalcircuit.diagnostics import Diagnostic, Span, to_json
from causalcircuit.query.until import Stopped

if TYPE_CHECKING:
    import pandas as pd

    from causalcircuit.query.circuits.shown import CircuitShown
    from causalcircuit.query.discovery import Discovered
    from causalcircuit.query.examination import Examined
    from causalcircuit.query.identification import Identified
    from causalcircuit.query.independence import Independent
    from causalcircuit.query.locks import Locked
    from causalcircuit.query.refutation import Refutation
    from causalcircuit.query.saliency import HeatMaps
    from causalcircuit.query.showing import Shown
    from causalcircuit.query.table import OutcomeTable

Verdict = Literal["supported", "refuted", "inconclusive"]
Standing = Literal["", "confirmatory", "held out", "exploratory"]
"""Of an answer: under a lock, on the part of a split that nothing was explored on, or beside a test under a lock."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; an end may be infinite for a one-sided one."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """The answer to one query.

    Attributes:
        value: the estimate, or `None` with a `reason`.
        interval: at `level` (a fraction), or `None` with a `reason` (or for a population).
        unit: the measure's: `logit`, `nat`, `probability`, `ratio`, ….
        n: rows that entered. clusters: sampling units, `None` where rows are independent.
        method: the estimator in words. estimand: canonical text, self-contained.
        symbols: the estimand with declared names; where: what those names stand for.
        at: the member of a sweep or group: (axis, value).
        comments: the `##` lines above the statement that asked.
        cost: rows × worlds passes and seconds of the run it belongs to.
        formula: of a regime of observed rows, what the estimand is there. figures: named numbers, such as overlap.
        region: the confidence set where it is no single interval of two ends; an end may be infinite.
        bounds: between which values an effect lies that is not identified; `value` is then `None`.
        p: of a difference of regimes, two-sided, that it is 0. graph: the diagram of the question, where it has one.
        stopped: how a run with a stopping rule ended; `None` without one.
        refutations: what attempts to refute it found.
    """

    name: str
    value: float | None
    interval: Interval | None
    level: float
    unit: str
    n: int
    clusters: int | None
    regime: str
    estimand: str
    method: str = ""
    reason: str = ""
    symbols: str = ""
    where: tuple[tuple[str, str], ...] = ()
    data: str = ""
    target: str = ""
    at: tuple[tuple[str, str], ...] = ()
    assumptions: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict, compare=False)
    formula: str = ""
    figures: tuple[tuple[str, float], ...] = ()
    region: tuple[Interval, ...] = ()
    bounds: Interval | None = None
    p: float | None = None
    graph: str = ""
    standing: Standing = ""
    stopped: Stopped | None = None
    refutations: tuple[Refutation, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data; no NaN and no infinity, an undefined value is `None` with a reason."""
        out: dict[str, Any] = {
            "name": self.name,
            "value": self.value,
            "interval": None if self.interval is None else [_finite(self.interval.low), _finite(self.interval.high)],
            "level": self.level,
            "unit": self.unit,
            "n": self.n,
            "clusters": self.clusters,
            "regime": self.regime,
            "estimand": self.estimand,
            "method": self.method,
            "data": self.data,
            "target": self.target,
        }
        if self.reason:
            out["reason"] = self.reason
        if self.at:
            out["at"] = dict(self.at)
        if self.graph:
            out["graph"] = self.graph
        if self.formula:
            out["formula"] = self.formula
            out["assumptions"] = list(self.assumptions)
        if self.figures:
            out["figures"] = {name: value if isfinite(value) else None for name, value in self.figures}
        if self.region:
            out["region"] = [[_finite(part.low), _finite(part.high)] for part in self.region]
        if self.bounds is not None:
            out["bounds"] = [self.bounds.low, self.bounds.high]
        if self.p is not None:
            out["p"] = self.p
        if self.standing:
            out["standing"] = self.standing
        if self.stopped is not None:
            out["stopped"] = asdict(self.stopped)
        if self.refutations:
            out["refutations"] = [r.to_json() for r in self.refutations]
        return out


@dataclass(frozen=True, slots=True)
class Tested:
    """The answer to one claim.

    Attributes:
        verdict: supported if the adjusted interval lies inside the region, refuted if outside, else inconclusive.
        interval: simultaneous over the family. p: of the claim alone. p_adjusted: in its family.
        p_refute, p_refute_adjusted: likewise for the complement.
        standing, lock: whether it was pinned before it was tested, and in which file.
        span: where it is claimed, or where it is tested if that is in another file.
    """

    __test__: ClassVar[bool] = False  # pytest collects classes by such names

    name: str
    verdict: Verdict
    value: float | None
    interval: Interval | None
    p: float | None
    p_adjusted: float | None
    region: str
    unit: str
    n: int
    clusters: int | None
    named: bool = True
    p_refute: float | None = None
    p_refute_adjusted: float | None = None
    level: float = 0.95
    title: str = ""
    because: str = ""
    reason: str = ""
    family: str = ""
    correction: str = "none"
    alpha: float = 0.05
    estimand: str = ""
    symbols: str = ""
    where: tuple[tuple[str, str], ...] = ()
    data: str = ""
    target: str = ""
    method: str = ""
    note: str = ""
    at: tuple[tuple[str, str], ...] = ()
    assumptions: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict, compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)
    standing: Standing = ""
    lock: str = ""
    stopped: Stopped | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        out: dict[str, Any] = {
            "name": self.name,
            "verdict": self.verdict,
            "value": self.value,
            "interval": None if self.interval is None else [_finite(self.interval.low), _finite(self.interval.high)],
            "level": self.level,
            "p": self.p,
            "p_adjusted": self.p_adjusted,
            "region": self.region,
            "unit": self.unit,
            "n": self.n,
            "clusters": self.clusters,
            "family": self.family,
            "correction": self.correction,
            "alpha": self.alpha,
            "estimand": self.estimand,
            "method": self.method,
            "data": self.data,
            "target": self.target,
        }
        if self.reason:
            out["reason"] = self.reason
        if self.note:
            out["note"] = self.note
        if self.at:
            out["at"] = dict(self.at)
        if self.standing:
            out["standing"] = self.standing
        if self.lock:
            out["lock"] = self.lock
        if self.stopped is not None:
            out["stopped"] = asdict(self.stopped)
        return out


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that a program answered.

    `tables` holds the outcomes behind it, a table for each data set that was run; `shown` is what `show` asked for,
    `circuits`, `maps`, `identifications`, `independences`, `discoveries` and `examinations` (of fitted models) those
    that it asked for, and `saved` the files that were written.
    `manifest` says what it was made from (versions, digests, seeds, device), `run` how it went (its id, seconds,
    outcomes found and computed), `locks` which ones were written, or held tests.
    """

    estimates: tuple[Estimate, ...] = ()
    hypotheses: tuple[Tested, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    tables: Mapping[str, OutcomeTable] = field(default_factory=dict, compare=False, repr=False)
    comments: tuple[str, ...] = ()
    interrupted: bool = False
    shown: tuple[Shown, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    run: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    circuits: tuple[CircuitShown, ...] = ()
    saved: tuple[str, ...] = ()
    maps: tuple[HeatMaps, ...] = ()
    identifications: tuple[Identified, ...] = ()
    independences: tuple[Independent, ...] = ()
    locks: tuple[Locked, ...] = ()
    discoveries: tuple[Discovered, ...] = ()
    examinations: tuple[Examined, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every named hypothesis is supported."""
        return all(h.verdict == "supported" for h in self.hypotheses if h.named)

    @property
    def remarks(self) -> tuple[Diagnostic, ...]:
        """Every diagnostic of the program and of its answers, each once."""
        answers: tuple[Estimate | Tested | Shown | Examined, ...] = (
            *self.estimates,
            *self.hypotheses,
            *self.shown,
            *self.examinations,
        )
        return tuple(dict.fromkeys((*self.diagnostics, *(d for x in answers for d in x.diagnostics))))

    def __getitem__(self, name: str) -> Estimate | Tested:
        """The only estimate or hypothesis called `name`.

        Raises:
            KeyError: none or several (a sweep, a group) have that name.
        """
        every: tuple[Estimate | Tested, ...] = (*self.estimates, *self.hypotheses)
        found = [x for x in every if x.name == name]
        if len(found) != 1:
            names = ", ".join(repr(x.name) for x in every)
            raise KeyError(f"{len(found)} results are called {name!r}; there are: {names}")
        return found[0]

    def to_json(self) -> dict[str, Any]:
        """The machine's view, `schema` 1."""
        out: dict[str, Any] = {
            "schema": 1,
            "estimates": [e.to_json() for e in self.estimates],
            "hypotheses": [h.to_json() for h in self.hypotheses],
            "diagnostics": [to_json(d) for d in self.remarks],
        }
        if self.shown:
            out["shown"] = [s.to_json() for s in self.shown]
        if self.circuits:
            out["circuits"] = [c.to_json() for c in self.circuits]
        if self.maps:
            out["maps"] = [m.to_json() for m in self.maps]
        if self.identifications:
            out["identifications"] = [i.to_json() for i in self.identifications]
        if self.independences:
            out["independences"] = [i.to_json() for i in self.independences]
        if self.locks:
            out["locks"] = [x.to_json() for x in self.locks]
        if self.discoveries:
            out["discoveries"] = [d.to_json() for d in self.discoveries]
        if self.examinations:
            out["examinations"] = [e.to_json() for e in self.examinations]
        if self.saved:
            out["saved"] = list(self.saved)
        if self.interrupted:
            out["interrupted"] = True
        if self.manifest:
            out["manifest"] = dict(self.manifest)
        if self.run:
            out["run"] = dict(self.run)
        return out

    def to_pandas(self) -> pd.DataFrame:
        """One line an estimate or hypothesis, as a data frame."""
        import pandas as pd

        kinds = [("estimate", e.to_json()) for e in self.estimates]
        kinds += [("hypothesis", h.to_json()) for h in self.hypotheses]
        kinds += [("shown", item) for s in self.shown for item in s.to_json()["estimates"]]
        lines = []
        for kind, item in kinds:
            interval = item.pop("interval") or [None, None]
            at = item.pop("at", {})
            lines.append({"kind": kind, **item, "low": interval[0], "high": interval[1], **at})
        return pd.DataFrame(lines)


def _finite(x: float) -> float | None:
    return x if abs(x) != float("inf") else None
