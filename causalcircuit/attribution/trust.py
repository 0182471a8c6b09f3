"""How far to trust a circuit: what is measured, on how many rows, at what cost, and what speaks against it.

What nobody asked for (`quick`) takes no more passes than the attribution did, or than about a second of a core makes
where that is more. Budgets are counts of passes, so that no number depends on how busy a machine is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from causalcircuit.attribution.trust_curve import Sizes, faithfulness, integrals, passes_of, sizes_of
from causalcircuit.attribution.trust_others import against_shuffles, held_against_exact, overlaps, rivals
from causalcircuit.attribution.trust_sample import draw, even
from causalcircuit.attribution.trust_subject import Subject, numbers_of
from causalcircuit.attribution.trust_weights import TIMES, why_not
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query.circuit import Circuit, SizePoint, Trust
from causalcircuit.query.circuits.formulas import Method

FAITHFUL, STABLE, AGREES, RECALLS, OVERLAPS = 0.5, 0.5, 0.5, 0.5, 1 / 3
"""A circuit is not to be trusted where it alone brings about less than half of the effect, resampled rows choose wires
less than half alike, Pearson's correlation with exact patching is below a half, less than half of the exactly strongest
wires are surely among its own, or all other methods share less than half of its strongest wires (a Jaccard of 1/3)."""
FLOOR = 1e10
"""Multiplications that are worth doing unasked, about a second of a core."""
_CURVE = 0.75
"""The part of that which a curve of faithfulness may take."""
MOST, FEWEST = 200, 20
"""Rows that are enough for a measurement, and those without which there is none."""
_HELD, _LEAST_HELD = 100, 20
"""Wires that `full` patches exactly, and those without which there is no agreement."""
Heard = Callable[[str, int, int], None]
"""Hears what is measured, how far it is, and of how much."""


@dataclass(slots=True)
class _Work:
    """Measurements of one circuit, one by one.

    Attributes:
        subject: what was attributed. made: the circuit. level: `quick` or `full`. seed: of draws and shuffles.
        left: passes that may still be made. trust: what is known so far.
    """

    subject: Subject
    made: Circuit
    level: Method
    seed: int | None
    heard: Heard | None
    trust: Trust
    left: float = field(default=math.inf)

    def note(self, text: str) -> None:
        self.trust = replace(self.trust, notes=(*self.trust.notes, text))

    def fail(self, text: str) -> None:
        self.trust = replace(self.trust, failures=(*self.trust.failures, text))

    def spend(self, passes: int) -> None:
        self.left -= passes
        self.trust = replace(self.trust, passes=self.trust.passes + passes)

    def told(self, what: str) -> Callable[[int, int], None]:
        def tell(done: int, total: int) -> None:
            if self.heard is not None:
                self.heard(what, done, total)

        tell(0, 1)
        return tell

    def rows(self, what: str, cost: float, share: float = 1.0) -> list[int] | None:
        """Rows for what takes so many passes each, paid by a share of what is left, or the fewest; else a note."""
        n = self.subject.data.n
        least = min(FEWEST, n)
        most = min(MOST, n, int(min(self.left * share / max(cost, 1), n)))
        most = least if most < least and cost * least <= self.left else most
        if most < least:
            need = math.ceil(cost * least)
            self.note(f"{what}: not measured, {need:,} passes are too many to do unasked (`trust = full` makes them)")
            return None
        found = even(n, most)
        if len(found) < n:
            self.note(f"{what}: on {len(found)} of the {n} rows, evenly spaced")
        return found


def trusted(
    made: Circuit, subject: Subject, level: Method, seed: int | None = None, heard: Heard | None = None
) -> Circuit:
    """A circuit with what was measured of its trust, and what speaks against it.

    Args:
        made: the circuit. subject: its attribution. level: `none`, `quick`, or `full`, perhaps with how many wires are
            patched exactly. seed: of draws and shuffles. heard: hears of progress.
    """
    began = time.perf_counter()
    work = _Work(subject, made, level, seed, heard, made.trust or Trust())
    _stable(work)
    if level.name == "none":
        known = work.trust != Trust()
        return replace(made, trust=work.trust if known else None)
    if level.name == "quick":
        own = subject.passes(subject.method) * subject.data.n
        work.left = max(own, FLOOR / subject.work)
    if not made.edges:
        work.note("nothing is measured of a circuit without wires")
    else:
        for what, measure in _MEASURES:
            try:
                measure(work)
            except DiagnosticError as problem:
                work.note(f"{what}: not measured, {problem.diagnostics[0].message}")
    return replace(made, trust=replace(work.trust, seconds=time.perf_counter() - began))


def _stable(work: _Work) -> None:
    """What is known of stability already."""
    jaccard = work.trust.jaccard
    if jaccard is not None and len(work.made.edges) == len(work.subject.chosen):
        work.trust = replace(work.trust, jaccard=None)
        work.note("stability: not measured, all wires are kept, so that no other could be")
    elif jaccard is not None and jaccard < STABLE:
        work.fail(f"resampled rows choose other wires: {jaccard:.0%} alike")
    elif jaccard is None and work.level.name != "none" and not any(n.startswith("stability") for n in work.trust.notes):
        why = "resampling takes a `seed`" if work.seed is None else "these are the wires between chosen nodes"
        work.note(f"stability: not measured, {why}")


def _faithful(work: _Work) -> None:
    """With the curve, its integrals over the share of wires, and what it says against the circuit."""
    subject = work.subject
    kept = numbers_of(subject, [(e.source, e.target) for e in work.made.edges])
    sizes, rows = _asked(work, kept)
    if rows is None:
        return
    work.told("faithfulness")
    curve, passes = faithfulness(subject, sizes, rows)
    work.spend(passes)
    if curve is None:
        work.note("faithfulness: undefined, all wires together change nothing for sure")
        return
    point = curve[sizes.own]
    if point.faithful < FAITHFUL:
        work.fail(f"its {len(kept)} wires alone bring about {point.faithful:.0%} of the effect")
    work.trust = replace(work.trust, curve=curve)
    if len(curve) > len({0, len(kept), len(subject.chosen)}):
        cpr, cmd = integrals(_nested(curve, sizes))
        work.trust = replace(work.trust, cpr=cpr, cmd=cmd)
    else:
        work.note("CPR and CMD: not measured, more sizes are too much to do unasked (`trust = full` takes them)")
    if not sizes.nested:
        work.note(f"faithfulness at {len(kept)} wires is that of the circuit, at other sizes that of the strongest")
    work.note("faithfulness is that on the rows by which the wires were chosen: on others it is lower")


def _nested(curve: tuple[SizePoint, ...], sizes: Sizes) -> list[SizePoint]:
    """The points of the strongest wires."""
    return [p for i, p in enumerate(curve) if sizes.nested or i != sizes.own]


def _asked(work: _Work, kept: list[int]) -> tuple[Sizes, list[int] | None]:
    """All sizes if they can be paid for with most of what is left, else the circuit's own."""
    subject = work.subject
    n = subject.data.n
    whole = sizes_of(subject, kept, whole=True)
    if work.left * _CURVE / passes_of(subject.bench, whole.masks) >= min(FEWEST, n):
        return whole, work.rows("faithfulness", passes_of(subject.bench, whole.masks), _CURVE)
    few = sizes_of(subject, kept, whole=False)
    return few, work.rows("faithfulness", passes_of(subject.bench, few.masks))


def _across(work: _Work) -> None:
    """Other methods, all that there are if it was asked for, else the cheapest."""
    subject = work.subject
    keep = len(work.made.edges)
    if keep == len(subject.chosen):
        work.note("other methods: not measured, all wires are kept, so that no method could choose others")
        return
    others = rivals(subject.method)
    found: dict[str, float] = {}
    for method in others if work.level.name == "full" else others[:1]:
        rows = work.rows(f"overlap with `{method}`", subject.passes(method), 1 / 3)
        if rows is None:
            continue
        work.told(f"beside {method}")
        found[str(method)], passes = overlaps(subject, rows, method, keep)
        work.spend(passes)
    work.trust = replace(work.trust, across=found)
    if found and max(found.values()) < OVERLAPS:
        best = max(found, key=lambda m: found[m])
        work.fail(f"other methods choose other wires: at most {found[best]:.0%} alike, those of `{best}`")


def _randomised(work: _Work) -> None:
    """The same attribution on shuffled weights."""
    subject, what = work.subject, "shuffled weights"
    if subject.method.name == "exact":
        work.note(f"{what}: not measured, exact patching is what the weights do")
        return
    if work.seed is None:
        work.note(f"{what}: not measured, they take a `seed`")
        return
    reason = why_not(subject.model)
    if reason is not None:
        work.note(f"{what}: not measured, {reason}")
        return
    rows = work.rows(what, TIMES * subject.passes(subject.method))
    if rows is None:
        return
    found, passes = against_shuffles(subject, rows, work.seed, work.told(what))
    work.spend(passes)
    work.trust = replace(work.trust, randomised=found.with_model, alike=found.among)
    if not found.odd:
        work.fail(
            f"models with shuffled weights score wires alike: rank correlation {found.with_model:.2f} with this one, "
            f"{found.among:.2f} with each other"
        )


def _exact(work: _Work) -> None:
    """Exact patching of the strongest wires and of others drawn at random."""
    subject, what = work.subject, "agreement with exact patching"
    if subject.method.name == "exact":
        work.note(f"{what}: the scores are exact")
        return
    count = len(subject.chosen)
    n = min(FEWEST, subject.data.n)
    asked = int(work.level.arguments[0]) if work.level.arguments else _HELD
    least = min(_LEAST_HELD, count)
    held = int(min(max(asked, 2), count, max(work.left / (2 * n), 0)))
    if held < least and work.level.name == "quick":
        work.rows(what, 2 * least)  # says that it is too much
        return
    if held < count and work.seed is None:
        work.note(f"{what}: not measured, drawing wires takes a `seed`")
        return
    top = count if held == count else min(len(work.made.edges), held // 2)
    k = min(len(work.made.edges), top)
    rows = work.rows(what, 2 * held)
    if rows is None:
        return
    drawn = draw(subject.order, k, held - k, work.seed or 0)
    found, passes = held_against_exact(subject, rows, drawn, work.told(what))
    work.spend(passes)
    intervals = dict(work.trust.intervals) | ({"recall": found.interval} if found.interval is not None else {})
    work.trust = replace(
        work.trust, pearson=found.pearson, spearman=found.spearman, recall=found.recall, held=held, top=k,
        intervals=intervals,
    )  # fmt: skip
    if found.pearson is None:
        work.note(f"{what}: no correlation, scores or exact values do not vary")
    elif found.pearson < AGREES:
        work.fail(f"scores agree little with exact patching: r {found.pearson:.2f} over {held} wires")
    surely = found.recall if found.interval is None else found.interval.high
    if surely is not None and surely < RECALLS:
        work.fail(f"at most {surely:.0%} of the {k} exactly strongest wires are among its {k} strongest")


_MEASURES: tuple[tuple[str, Callable[[_Work], None]], ...] = (
    ("faithfulness", _faithful),
    ("other methods", _across),
    ("shuffled weights", _randomised),
    ("agreement with exact patching", _exact),
)

__all__ = ["AGREES", "FAITHFUL", "FEWEST", "FLOOR", "MOST", "OVERLAPS", "RECALLS", "STABLE", "Heard", "trusted"]
