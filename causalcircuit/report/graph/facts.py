"""What is known of a circuit's origin and of its trust, as lines of text."""

from __future__ import annotations

from typing import Any

from causalcircuit.query.circuit import Circuit, Origin, Score
from causalcircuit.query.circuits.typical import TypicalRow
from causalcircuit.query.estimate import Interval
from causalcircuit.report.figures import count

_HASH = 12
_TOLD = ("causalcircuit", "torch", "transformers")
"""Versions that a page names; a circuit's file holds all."""
_DIRECTIONS = {
    "noising": "noising: factual runs take values of the other world",
    "denoising": "denoising: runs of the other world take factual values",
    "between": "between two worlds: neither is factual",
}


def origin_lines(circuit: Circuit) -> list[tuple[str, str]]:
    """Names and values, the most important first."""
    o = circuit.origin
    if o is None:
        return [("origin", "drawn by hand: no scores, no data"), ("model", circuit.model)]
    kept = f"{len(circuit.edges):,} edges" if circuit.edges else count(len(circuit.nodes), "node")
    rows = count(o.rows, "row") + (f" in {count(o.clusters, 'cluster')}" if o.clusters else "")
    lines = [
        ("method", o.method),
        ("direction", _DIRECTIONS[o.direction]),
        ("readout", o.readout + (f" ({o.unit})" if o.unit else "")),
        ("from", o.start),
        ("to", o.end),
        ("data", f"{o.data}, {rows}"),
        ("kept", f"{kept} of {o.considered:,} scored"),
        ("model", f"{circuit.model}: {o.model}"),
        ("weights", o.weights[:_HASH]),
    ]
    return [(name, said) for name, said in (*lines, *_more(o)) if said]


def row_lines(row: TypicalRow | None) -> list[tuple[str, str]]:
    """Whose tokens and image are drawn."""
    if row is None or not (row.tokens or row.images):
        return []
    what = " and image" if row.images and row.tokens else "image" if row.images else ""
    return [("tokens" + what if row.tokens else what, f"row {row.row} of {row.data}, in {row.world}")]


def _more(o: Origin) -> list[tuple[str, str]]:
    made = [("precision", " on ".join(filter(None, (o.dtype, o.device))))]
    made += [("seed", str(o.seed))] if o.seed is not None else []
    told = {name: v for name, v in o.versions.items() if name in _TOLD} or o.versions
    made += [("versions", ", ".join(f"{name} {v}" for name, v in sorted(told.items())))]
    return made


def score_data(score: Score | None) -> list[Any] | None:
    """Value, low, high, rows, share of resamples; an infinite end is `None`."""
    if score is None:
        return None
    low, high = ends(score.interval)
    return [_finite(score.value), low, high, score.n, score.selected]


def ends(interval: Interval | None) -> tuple[float | None, float | None]:
    """Both ends of an interval as JSON knows them."""
    if interval is None:
        return None, None
    return _finite(interval.low), _finite(interval.high)


def _finite(x: float) -> float | None:
    return x if abs(x) < float("inf") else None
