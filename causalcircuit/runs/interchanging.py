"""Interchange-intervention accuracy: whether nodes hold the variables of a high-level model (arXiv 2106.02997).

On each row the nodes are given what they carry on another row, the donor's, and the high-level model is given the
values of its variables there. The model is right where both answer the same. Two controls: donors that are shuffled in
the high-level model alone, and other nodes of the same kind in the place of those that are claimed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from causalcircuit.check import sites
from causalcircuit.diagnostics import error
from causalcircuit.inference import Exchange, Finding, Sample, infer, p_of, sample_of
from causalcircuit.query import (
    Address,
    ClassScore,
    Distribution,
    Estimation,
    Expect,
    Expr,
    Options,
    OutcomeTable,
    Probability,
    Query,
    Readout,
    Region,
    Site,
    SiteTable,
    Term,
    Text,
    World,
    models_of,
)
from causalcircuit.query.highs import Alignment
from causalcircuit.query.trials import CircuitClaim, Trial
from causalcircuit.runs.columns import arrays, with_columns
from causalcircuit.runs.high import High

if TYPE_CHECKING:
    from causalcircuit.rows import Dataset
    from causalcircuit.runs.circuits import Circuits

_CONTROLS = 8
"""Other nodes that are tried in the place of those that are claimed."""


def interchanged(claim: CircuitClaim, trial: Trial, data: Dataset, circuits: Circuits) -> Finding:
    """How often the model answers as the high-level model does under the same interchange.

    Raises:
        DiagnosticError: CQ812 too few permutations, CQ813 a variable that the answer cannot be held against.
    """
    a = claim.alignment
    if a is None:
        raise TypeError("a claim of no alignment")
    (name,) = models_of(a.answer)
    runs = _Runs(a, name, data, circuits)
    high, held = High(a.graph, data), tuple(v for v, _ in a.nodes)
    donors = runs.donors()
    truth = high.moved(a.output, held, donors)
    natural = high.natural[a.output]
    runs.candidates = runs.checked([*truth, *natural])
    table, (own,) = runs.answers([a.world()])
    weight = None if table.weight is None else table.weight / table.weight.max()
    cluster = None if table.cluster is None else np.unique(table.cluster.astype(str), return_inverse=True)[1]
    agree = _same(own, truth)
    sample = Sample(agree[:, None], np.ones((len(agree), 1), dtype=bool), (True,), Term(0), cluster, weight)
    found = Finding.of(infer(sample, Options()), Region(claim.bound, np.inf))
    exchange = Exchange.of(data.n, cluster, weight)
    if 1 / exchange.count > trial.level:
        raise error(
            "CQ812",
            f"{exchange.count:.0f} permutations of donors cannot reach α = {trial.level:g}",
            help="units of as many rows with the same weights take each other's place: bring more of a kind",
        )
    shuffled = np.array([
        np.average(_same(own, high.moved(a.output, held, [donors[j] for j in order])), weights=weight)
        for order in exchange.draw(trial.seed or 0, claim.draws)
    ])  # fmt: skip
    chance = p_of(float(np.average(agree, weights=weight)), shuffled)
    notes = [f"donors shuffled: {shuffled.mean():.0%} on average (p {chance:.2g} that it is as much by chance)"]
    differs = np.array([t != n for t, n in zip(truth, natural, strict=True)])
    if 0 < differs.sum() < len(agree):
        share = np.average(agree[differs], weights=None if weight is None else weight[differs])
        notes.append(f"on the {differs.sum()} of {len(agree)} rows whose answer the interchange changes: {share:.0%}")
    notes += runs.controls(truth, weight, trial.seed or 0)
    found = replace(found, p=None if found.p is None else max(found.p, chance), notes=tuple(notes))
    found = replace(found, assumptions=("every row's donor is held fixed",))
    return found.negated() if claim.negated else found


def _same(answers: Sequence[Any], truth: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([float(x == y) for x, y in zip(answers, truth, strict=True)])


class _Runs:
    """Passes of an alignment on its rows."""

    def __init__(self, a: Alignment, name: str, data: Dataset, circuits: Circuits) -> None:
        self.a, self.name, self.data, self.circuits = a, name, data, circuits
        self.candidates: tuple[str, ...] = ()

    def donors(self) -> tuple[int, ...]:
        """[rows] the place of each row's donor.

        Raises:
            DiagnosticError: CQ361, a row has none.
        """
        from causalcircuit.engine.donors import donors_of
        from causalcircuit.engine.problems import Problems

        problems = Problems(self.data)
        with problems.keep():
            found = donors_of(self.a.donor, self.data, problems)
        problems.raise_all()
        if found is None:
            raise TypeError("a row without a donor")
        return found

    def checked(self, values: Sequence[Any]) -> tuple[str, ...]:
        """The answers among which the model chooses; none where it answers by an event.

        Raises:
            DiagnosticError: CQ813.
        """
        text = isinstance(self.a.answer, Distribution)
        wrong = next((v for v in values if not (isinstance(v, str) if text else v in (0, 1))), None)
        if wrong is not None:
            what = "strings, of which the model chooses one" if text else "true or false, as the event is"
            raise error(
                "CQ813",
                f"`{self.a.output}` of `{self.a.graph.name}` is {wrong!r:.40}, and its values must be {what}",
                help="align logits with a variable of strings, and an event with a variable that is true or false",
            )
        return tuple(sorted(set(values))) if text else ()

    def answers(self, worlds: Sequence[World]) -> tuple[OutcomeTable, list[list[Any]]]:
        """What the model answers in each world, row by row."""
        asked = [self._asked(w) for w in worlds]
        table = self._table([e for some in asked for e in some])
        return table, [self._answer(some, table) for some in asked]

    def _asked(self, world: World) -> list[Expr]:
        a = self.a.answer
        if not isinstance(a, Distribution):
            return [Probability(a, world)]
        if a.position is None:
            return [Expect(ClassScore(self.name, Text(c), "logit"), world) for c in self.candidates]
        return [Expect(Readout(self.name, "logit", Text(c), a.position), world) for c in self.candidates]

    def _answer(self, asked: Sequence[Expr], table: OutcomeTable) -> list[Any]:
        each = np.stack([sample_of(e, table).values[:, 0] for e in asked], 1)
        if not isinstance(self.a.answer, Distribution):
            return [bool(x) for x in each[:, 0]]
        return [self.candidates[int(i)] for i in each.argmax(1)]

    def _table(self, asked: Sequence[Expr]) -> OutcomeTable:
        from causalcircuit.engine import execute, make_plan, prepare

        program = self.circuits.program
        plan = make_plan(asked, self.data, {n: sites(ref) for n, ref in program.models.items()})
        table = execute(prepare(plan, {n: self.circuits.model(n) for n in plan.models}, self.data))
        if not table.complete:
            raise KeyboardInterrupt
        read = with_columns(self.data, [Estimation(tuple(Query("", e) for e in asked), self.data.ref)])
        return replace(table, columns={**table.columns, **arrays(read, table)})

    # ---- controls

    def controls(self, truth: Sequence[Any], weight: Any, seed: int) -> list[str]:
        """How often other nodes of the same kind would be right, in words."""
        table = self.circuits.model(self.name).sites
        own = [s for _, some in self.a.nodes for s in some]
        rng = np.random.default_rng(seed)
        others = [[s for s in _alike(site, table) if s not in own] for site in own]
        if not all(others):
            return []
        every = min(map(len, others))
        orders = [rng.permutation(len(o)) for o in others]
        worlds = [
            self.a.world({s: o[int(order[k])] for s, o, order in zip(own, others, orders, strict=True)})
            for k in range(min(_CONTROLS, every))
            if len({o[int(order[k])] for o, order in zip(others, orders, strict=True)}) == len(own)
        ]
        if not worlds:
            return []
        found = [float(np.average(_same(a, truth), weights=weight)) for a in self.answers(worlds)[1]]
        what = "other choices of such nodes" if len(own) > 1 else "other such nodes"
        return [f"{len(found)} {what} in their place: {np.mean(found):.0%} on average, {max(found):.0%} at most"]


def _alike(site: Site, table: SiteTable) -> list[Site]:
    """The sites of the same kind: in other layers, of other heads."""
    path = site.address.path
    tower = table.tower(path[0].name if path[0].name in {t.name for t in table.towers} else "")
    ranges = {"layer": tower.layers, "head": tower.heads, "kv": tower.groups}
    numbered = [i for i, p in enumerate(path) if p.name in ranges and isinstance(p.index, int)]
    if not numbered:
        return []
    out = []
    for chosen in itertools.product(*(range(ranges[path[i].name]) for i in numbered)):
        at = dict(zip(numbered, chosen, strict=True))
        parts = tuple(replace(p, index=at[i]) if i in at else p for i, p in enumerate(path))
        out.append(Site(Address(site.address.model, parts), site.position))
    return out
