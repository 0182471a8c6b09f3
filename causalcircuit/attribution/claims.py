"""Claims about circuits, tested (arXiv 2410.13032): from readouts with and without wires to findings.

S(K) is the readout of a row with the wires K kept and all others as in `from`; M is every wire, C the circuit. The
distance of two choices is the mean over rows of |S(K) - S(L)|.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from causalcircuit.attribution.backups import backups
from causalcircuit.attribution.chance import Bools, inflated, random_circuits
from causalcircuit.attribution.lab import Lab
from causalcircuit.attribution.summary import Floats
from causalcircuit.diagnostics import error
from causalcircuit.inference import Exchange, Finding, Sample, Share, dependence, infer, rows_that_enter
from causalcircuit.query import Binary, Expr, Options, Region, Term
from causalcircuit.query.trials import CircuitClaim, Kind

_FEW = 6
_HELD = "the rows are held fixed: the p counts how random circuits were drawn, not how the rows were"


def found_of(claim: CircuitClaim, lab: Lab, seed: int | None, alpha: float) -> Finding:
    """What the rows say of a claim, not yet negated.

    Args:
        claim: which. lab: its circuit on the rows. seed: of what is drawn. alpha: the error that one claim may have.

    Raises:
        DiagnosticError: CQ811, CQ812: nothing can be drawn, or too little to reach `alpha`.
    """
    found = _TESTS[claim.kind](claim, lab, seed or 0, alpha)
    return found.negated() if claim.negated else found


def _equivalent(claim: CircuitClaim, lab: Lab, seed: int, alpha: float) -> Finding:
    """On as many rows the circuit reads higher than the model as lower."""
    apart = lab.kept - lab.whole
    values = np.where(np.abs(apart) <= lab.near, 0.5, (apart > 0).astype(float))
    low, high = 0.5 - claim.bound, 0.5 + claim.bound
    mean, none = (float(lab.distance(s, lab.whole)) for s in (lab.kept, lab.none))
    ties = int((values == 0.5).sum())
    notes = [f"the distance |S(C) - S(M)| is {mean:.4g} on average, and {none:.4g} without any wire"]
    notes += [f"{ties} of {len(values)} rows are ties, and count half"] if ties else []
    if lab.cluster is None and lab.weight is None and not ties:
        won = Share(int(values.sum()), len(values))
        p = max(won.p_above(low), won.p_below(high))
        return Finding(
            won.value,
            p,
            min(won.p_below(low), won.p_above(high)),
            lambda a: (won.low(a), won.high(a)),
            "exact binomial (Clopper-Pearson)",
            tuple(notes),
            n=won.n,
        )
    made = _mean(lab, values, Term(0), (not ties,))
    found = Finding.of(infer(made, Options()), Region(low, high, closed=True))
    return _noted(found, notes)


def _independent(claim: CircuitClaim, lab: Lab, seed: int, alpha: float) -> Finding:
    """What is left without the circuit says nothing of what the model does: refuted, or not; supported never."""
    exchange = _exchange(lab, alpha)
    own = rows_that_enter(exchange)
    kept = np.array(own)
    exchange = _exchange(lab, alpha, kept)
    weight = None if lab.weight is None else lab.weight[kept]
    found = dependence(lab.without[kept], lab.whole[kept], exchange, weight, seed, claim.draws)
    notes = [] if claim.negated else ["a test of independence refutes it or does not: it supports it never"]
    notes += [f"{found.rows} of {len(lab.whole)} rows enter, evenly spaced"] if found.rows < len(lab.whole) else []
    method = f"HSIC, Gaussian kernels of median width, {found.draws} permutations of whole units"
    return Finding(
        found.value,
        None,
        found.p,
        method=method,
        notes=tuple(notes),
        n=found.rows,
        clusters=_clusters(lab),
        assumptions=("under the claim every unit's readouts without the circuit could be any other unit's",),
    )


def _exchange(lab: Lab, alpha: float, kept: np.ndarray | None = None) -> Exchange:
    """Who may take whose place among the rows.

    Raises:
        DiagnosticError: CQ812, too few permutations.
    """
    own = np.arange(lab.data.n) if kept is None else kept
    cluster = None if lab.cluster is None else lab.cluster[own]
    weight = None if lab.weight is None else lab.weight[own]
    made = Exchange.of(len(own), cluster, weight)
    if 1 / made.count > alpha:
        what = "rows" if lab.cluster is None else "clusters of one size"
        raise error(
            "CQ812",
            f"{made.count:.0f} permutations of {what} cannot reach α = {alpha:g}",
            help="units of as many rows with the same weights take each other's place: bring more of a kind",
        )
    return made


def _sufficient(claim: CircuitClaim, lab: Lab, seed: int, alpha: float) -> Finding:
    """The circuit alone is nearer to the model than random circuits of its size."""
    own = lab.distance(lab.kept, lab.whole)
    others = lab.distance(lab.readouts([lab.alone(m) for m in _random(claim, lab, seed)]), lab.whole)
    best = f"the distance to the model is {float(own):.4g}, of random circuits {_spread(others)}"
    return _beyond(claim, lab, others, own, "random circuits", [best])


def _partially_necessary(claim: CircuitClaim, lab: Lab, seed: int, alpha: float) -> Finding:
    """The model without the circuit is farther from itself than without random circuits of its size."""
    own = lab.distance(lab.without, lab.whole)
    others = lab.distance(lab.readouts([~m for m in _random(claim, lab, seed)]), lab.whole)
    said = f"without it the distance to the model is {float(own):.4g}, without random circuits {_spread(others)}"
    return _beyond(claim, lab, own, others, "random circuits", [said])


def _random(claim: CircuitClaim, lab: Lab, seed: int) -> list[Bools]:
    return list(random_circuits(lab.web, lab.size, seed, claim.draws))


def _minimal(claim: CircuitClaim, lab: Lab, seed: int, alpha: float) -> Finding:
    """Every wire of the circuit matters more to it than random wires do to it with a random route added."""
    wires = np.flatnonzero(lab.wires)
    less = []
    for wire in wires.tolist():
        mask = lab.wires.copy()
        mask[wire] = False
        less.append(lab.alone(mask))
    own = lab.distance(lab.readouts(less), lab.kept)
    rng = np.random.default_rng(seed)
    grown = [inflated(lab.web, lab.wires, rng) for _ in range(claim.draws)]
    whole = lab.readouts([lab.alone(m) for m, _ in grown])
    cut = []
    for mask, i in grown:
        one = mask.copy()
        one[i] = False
        cut.append(lab.alone(one))
    others = lab.distance(whole, lab.readouts(cut))
    shares = [_share(x, others, lab.near) for x in own]
    p = max(s.p_above(claim.bound) for s in shares)
    against = [s.p_below(claim.bound) for s in shares]
    order = np.argsort([s.value for s in shares], kind="stable")
    weak = [int(wires[i]) for i in order if shares[i].p_above(claim.bound) > alpha]
    notes = []
    if weak:
        more = f" and {len(weak) - _FEW} more" if len(weak) > _FEW else ""
        named = ", ".join(_wire(lab, i) for i in weak[:_FEW])
        notes.append(f"{len(weak)} of {len(wires)} wires are not shown to matter more than random ones: {named}{more}")
    least = shares[int(order[0])]
    return Finding(
        least.value,
        p,
        min(1.0, len(wires) * min(against)),
        lambda a: (min(s.low(a) for s in shares), min(s.high(a / len(shares)) for s in shares)),
        f"exact binomial, each wire against {claim.draws} random wires; all wires must hold",
        tuple(notes),
        n=lab.data.n,
        clusters=_clusters(lab),
        assumptions=(_HELD,),
    )


def _jointly_necessary(claim: CircuitClaim, lab: Lab, seed: int, alpha: float) -> Finding:
    """Without the circuit no more than so much of the effect is left; where more is, who takes over."""
    values = np.stack([lab.without, lab.none, lab.whole], 1)
    ratio = Binary("/", Binary("-", Term(0), Term(1)), Binary("-", Term(2), Term(1)))
    region = Region(-np.inf, claim.bound)
    found = Finding.of(infer(_mean(lab, values, ratio, (False,) * 3), Options()), region)
    if found.value is None or (found.p is not None and found.p <= alpha):
        return found
    return _noted(found, [backups(lab, claim.bound)])


# ---- helpers


def _mean(lab: Lab, values: Floats, combine: Expr, events: tuple[bool, ...]) -> Sample:
    values = values[:, None] if values.ndim == 1 else values
    return Sample(values, np.ones(values.shape, dtype=bool), events, combine, lab.cluster, lab.weight)


def _noted(found: Finding, notes: list[str]) -> Finding:
    return replace(found, notes=(*found.notes, *(n for n in notes if n)))


def _share(more: Floats, than: Floats, near: float) -> Share:
    """How often `more` is larger: what ties is not."""
    apart = np.asarray(more - than)
    return Share(int((apart > near).sum()), apart.size)


def _beyond(claim: CircuitClaim, lab: Lab, more: Floats, than: Floats, what: str, notes: list[str]) -> Finding:
    """That `more` is larger in more than `claim.bound` of the draws."""
    share = _share(more, than, lab.near)
    ties = int((np.abs(np.asarray(more - than)) <= lab.near).sum())
    notes += [f"{ties} of {share.n} {what} tie with it, which is not to be beaten"] if ties else []
    return Finding(
        share.value,
        share.p_above(claim.bound),
        share.p_below(claim.bound),
        lambda a: (share.low(a), share.high(a)),
        f"exact binomial, {share.n} {what} of {lab.size} wires",
        tuple(notes),
        n=lab.data.n,
        clusters=_clusters(lab),
        assumptions=(_HELD,),
    )


def _clusters(lab: Lab) -> int | None:
    return None if lab.cluster is None else int(lab.cluster.max()) + 1


def _spread(x: Floats) -> str:
    low, mid, high = np.quantile(x, [0.05, 0.5, 0.95])
    return f"{mid:.4g} (90% of them {low:.4g} to {high:.4g})"


def _wire(lab: Lab, i: int) -> str:
    wiring = lab.bench.wiring
    read = wiring.reads[int(wiring.readers[i])]
    return f"{wiring.writes[int(wiring.writers[i])].local} -> {'readout' if read is None else read.local}"


_TESTS: Mapping[Kind, Callable[[CircuitClaim, Lab, int, float], Finding]] = {
    "equivalent": _equivalent,
    "independent": _independent,
    "minimal": _minimal,
    "sufficient": _sufficient,
    "partially_necessary": _partially_necessary,
    "jointly_necessary": _jointly_necessary,
}
