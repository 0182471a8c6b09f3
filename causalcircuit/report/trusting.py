"""What was measured of a circuit's trust, line by line: the same in a terminal and on a page."""

from __future__ import annotations

from causalcircuit.query.circuit import Circuit, Trust
from causalcircuit.report.figures import bounds, count, figure

Fact = tuple[str, str, str]
"""A name, the number, and what it means."""


def trust_facts(circuit: Circuit) -> list[Fact]:
    """What was measured, the most telling first."""
    trust = circuit.trust
    if trust is None:
        return []
    kept = len(circuit.edges) or len(circuit.nodes)
    what = "wires" if circuit.edges else "nodes"
    point = next((p for p in trust.curve if p.size == kept), None)
    found: list[Fact] = []
    if point is not None:
        inside = f" {bounds(point.interval, 2)}" if point.interval is not None else ""
        found.append(
            ("faithfulness", figure(point.faithful, 2) + inside, f"of the effect by {count(kept, what[:-1])} alone")
        )
    listed: list[tuple[str, float | None, str]] = [
        ("CPR", trust.cpr, f"integral of faithfulness over the share of {what}"),
        ("CMD", trust.cmd, "integral of |1 - faithfulness|; 0 is best"),
        *_agreement(circuit, trust),
        (
            "Jaccard",
            trust.jaccard,
            f"mean overlap of the {what} chosen on resampled rows",
        ),
        *(("overlap", x, f"of the strongest wires by {m} with these") for m, x in sorted(trust.across.items())),
        ("shuffled weights", trust.randomised, _shuffled(trust)),
    ]
    for name, x, meaning in listed:
        if x is not None:
            interval = trust.intervals.get(name)
            found.append((name, figure(x, 3) + (f" {bounds(interval, 3)}" if interval is not None else ""), meaning))
    if trust.passes:
        cost = count(trust.passes, "pass", "passes")
        found.append(("cost of trust", cost, f"of single rows, in {trust.seconds:.2g} s"))
    return found


def _agreement(circuit: Circuit, trust: Trust) -> list[tuple[str, float | None, str]]:
    of = circuit.origin.considered if circuit.origin is not None else 0
    patched = f"all {of:,} wires" if trust.held == of else f"{trust.held:,} of {of:,} wires"
    drawn = "" if trust.held == of else f": the {trust.top:,} strongest, and {trust.held - trust.top:,} drawn"
    return [
        ("Pearson", trust.pearson, f"correlation with exact patching of {patched}{drawn}"),
        ("Spearman", trust.spearman, "rank correlation with the same"),
        ("recall", trust.recall, f"of the {trust.top:,} exactly strongest wires are among its {trust.top:,} strongest"),
    ]


def _shuffled(trust: Trust) -> str:
    said = "rank correlation of the sizes of scores with those of models with shuffled weights"
    return said if trust.alike is None else f"{said}; these have {figure(trust.alike, 3)} with each other"


__all__ = ["Fact", "trust_facts"]
