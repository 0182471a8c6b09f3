"""What others say of the same wires: exact patching, other methods, and the same method on shuffled weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import rankdata

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.methods import METHODS
from causalcircuit.attribution.passes import Rows
from causalcircuit.attribution.summary import Floats, means, strongest, units
from causalcircuit.attribution.trust_sample import Agreement, Drawn, agreement, overlap
from causalcircuit.attribution.trust_subject import Subject
from causalcircuit.attribution.trust_weights import TIMES, shuffled
from causalcircuit.query.circuits.formulas import Method
from causalcircuit.rows import clusters

Told = Callable[[int, int], None]
_RIVALS = (Method("eap"), Method("gradcam_pp"), Method("eap_ig", (5.0,)))


def rivals(method: Method) -> tuple[Method, ...]:
    """Other methods that cost little, the cheapest first; those of another name."""
    return tuple(m for m in _RIVALS if m.name != method.name)


def held_against_exact(
    subject: Subject, rows: Sequence[int], drawn: Drawn, told: Told | None = None
) -> tuple[Agreement, int]:
    """How well scores agree with exact patching of some wires, both on the same rows; and its passes."""
    question, data = subject.some(rows)
    fine = subject.found.wiring.fine
    bench = Bench(Rows(subject.model, data, question.stood), quick=False, over=subject.over if fine else ())
    bench.rows.limit(subject.found.limit)
    own = torch.tensor(subject.wires(drawn.held.tolist()), dtype=torch.long)
    wiring = subject.found.wiring
    some = replace(wiring, writers=wiring.writers[own], readers=wiring.readers[own])
    table, passes = METHODS["exact"].score(bench, some, told)
    table = -table if question.turned else table
    exact = means(table, units(clusters(data), data.n), subject.weights(data))[0]
    return agreement(subject.on(rows), exact, drawn), passes


def overlaps(subject: Subject, rows: Sequence[int], method: Method, keep: int) -> tuple[float, int]:
    """Jaccard overlap of the `keep` strongest wires by another method with those by this one, on the same rows."""
    found, passes = subject.beside(method, rows)
    return overlap(strongest(subject.on(rows), keep), strongest(found, keep)), passes


@dataclass(frozen=True, slots=True)
class Shuffles:
    """Rank correlations of the sizes of scores.

    Attributes:
        with_model: of the model with those of shuffled weights, on average. among: of these with each other.
        odd: whether the model is the one least like the others.
    """

    with_model: float
    among: float
    odd: bool


def against_shuffles(
    subject: Subject, rows: Sequence[int], seed: int, told: Told | None = None
) -> tuple[Shuffles, int]:
    """The sizes of scores beside those of models with shuffled weights; and the passes that took.

    Signs are left out: those of a shuffled model are arbitrary, so that they correlate with none.
    """
    found, passes = [np.abs(subject.on(rows))], 0
    for i, other in enumerate(shuffled(subject.model, seed)):
        value, took = subject.beside(subject.method, rows, other)
        found.append(np.abs(value))
        passes += took
        if told is not None:
            told(i + 1, TIMES)
    return compared(found), passes


def compared(found: Sequence[Floats]) -> Shuffles:
    """Of sizes of scores, those of the model first."""
    ranks = np.stack([rankdata(x) for x in found])
    apart = ranks - ranks.mean(1, keepdims=True)
    norm = np.sqrt((apart**2).sum(1))
    both = np.outer(norm, norm)
    rho = np.divide(apart @ apart.T, both, out=np.zeros_like(both), where=both > 0)
    np.fill_diagonal(rho, 0.0)
    alike = rho.sum(1) / (len(rho) - 1)
    others = rho[1:, 1:]
    among = others.sum() / max(len(others) * (len(others) - 1), 1)
    return Shuffles(float(alike[0]), float(among), bool(alike[0] < alike[1:].min()))


__all__ = ["Shuffles", "against_shuffles", "compared", "held_against_exact", "overlaps", "rivals"]
