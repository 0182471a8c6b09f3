"""PC and GES through the adapter: patterns of known structures, shares, and data that say nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference.observed._table import read
from causalcircuit.scm.discovery import discover

RNG = np.random.default_rng(5)


def linear(text: str, n: int = 3000, seed: int = 1) -> dict[str, Any]:
    """Rows of a linear model in which every arrow has the coefficient 0.9."""
    diagram, rng = Diagram.read(text), np.random.default_rng(seed)
    table: dict[str, Any] = {}
    for v in diagram.full.names:
        table[v] = rng.normal(size=n) + sum(0.9 * table[a] for a, b in diagram.directed if b == v)
    return table


def found(
    table: dict[str, Any], method: str = "pc", forbidden: tuple[tuple[str, str], ...] = (), **more: Any
) -> tuple[set[str], list[Any], tuple[str, ...]]:
    names = sorted(table)
    data = read(table, names, more.get("cluster"), more.get("weight"))
    edges, missed, notes = discover(
        data,
        names,
        method,
        0.01,
        more.get("resamples", 5),
        7,
        frozenset(forbidden),  # type: ignore[arg-type]
    )
    shown = {f"{min(e.a, e.b)} -- {max(e.a, e.b)}" if e.kind == "--" else str(e) for e in edges}
    return shown, [*edges, *missed], notes


@pytest.mark.parametrize("method", ["pc", "ges"])
@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("X -> M, Z -> M, M -> Y", {"X -> M", "Z -> M", "M -> Y"}),  # a collider, and what follows from it
        ("X -> M, M -> Y", {"M -- X", "M -- Y"}),  # a chain looks the same from both ends
        ("A -> B, A -> C, B -> D, C -> D", {"A -- B", "A -- C", "B -> D", "C -> D"}),
        ("A, B", set()),
    ],
)
def test_the_pattern_of_a_known_structure(method: str, text: str, pattern: set[str]) -> None:
    shown, edges, _ = found(linear(text), method)
    assert shown == pattern
    assert all(0.6 <= e.there <= 1 for e in edges if not isinstance(e, tuple))


@pytest.mark.parametrize("method", ["pc", "ges"])
def test_levels_have_a_test_of_their_own(method: str) -> None:
    rng = np.random.default_rng(2)
    x, z = rng.integers(0, 2, 4000), rng.choice(3, 4000, p=[0.6, 0.3, 0.1])
    m = np.where(rng.random(4000) < 0.85, (x + z) % 3, rng.integers(0, 3, 4000))
    y = np.where(rng.random(4000) < 0.8, m, rng.integers(0, 3, 4000))
    names = {"X": np.array(["no", "yes"])[x], "Z": z, "M": m, "Y": y}
    shown, _, _ = found(names, method, resamples=2)
    assert shown == {"X -> M", "Z -> M", "M -> Y"}


def test_what_is_forbidden_gives_lines_a_direction() -> None:
    chain = linear("X -> M, M -> Y")
    assert found(chain, forbidden=(("M", "X"),))[0] == {"X -> M", "M -> Y"}
    assert found(chain, forbidden=(("Y", "M"),))[0] == {"M -- X", "M -> Y"}
    shown, edges, notes = found(linear("X -> M, Z -> M"), forbidden=(("X", "M"),))
    assert [str(e) for e in edges if e.against] == ["X -> M"]  # data and wiring disagree: both are told
    assert any("wiring" in n for n in notes)
    assert shown == {"X -> M", "Z -> M"}


def test_two_that_no_arrow_joins_are_not_joined_by_pc() -> None:
    both = (("X", "Y"), ("Y", "X"))
    table = linear("X -> Y, Y -> W")
    assert "X -- Y" not in found(table, forbidden=both)[0]
    assert any(e.against for e in found(table, "ges", forbidden=both)[1] if not isinstance(e, tuple))


def test_shares_are_of_resampled_units() -> None:
    """A weak edge is joined in some resamples; the seed fixes which; clusters are drawn whole."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=150)
    weak = {"X": x, "Y": 0.2 * x + rng.normal(size=150), "Z": rng.normal(size=150)}
    _, edges, _ = found(weak, resamples=40)
    _, again, _ = found(weak, resamples=40)
    assert edges == again
    shares = {frozenset((e[0], e[1])): e[2] for e in edges if isinstance(e, tuple)}
    shares |= {frozenset((e.a, e.b)): e.there for e in edges if not isinstance(e, tuple)}
    assert 0.05 < shares[frozenset("XY")] < 1
    twice = {k: np.repeat(v, 4) for k, v in weak.items()}
    _, _, notes = found(twice, cluster=np.repeat(np.arange(150), 4), resamples=2)
    assert any("clusters" in n for n in notes)


def test_half_of_the_pairs_of_independent_columns_are_rarely_joined() -> None:
    """The size of the tests: 60 pairs that have nothing to do with each other, at level 0.01."""
    joined = sum(len(found({"A": RNG.normal(size=100), "B": RNG.normal(size=100)}, resamples=0)[0]) for _ in range(60))
    assert joined <= 4  # binomial(60, 0.01): more than 4 has probability 3e-4


NOISE = {"X": RNG.normal(size=200), "Y": RNG.normal(size=200)}
LEVELS = RNG.integers(0, 3, 200)


@pytest.mark.parametrize(
    ("code", "table", "more"),
    [
        ("CQ846", {**NOISE, "Z": NOISE["X"] - 2 * NOISE["Y"]}, {}),
        ("CQ846", {"X": LEVELS, "Y": RNG.integers(0, 2, 200), "Z": (LEVELS > 1).astype(float)}, {}),
        ("CQ847", {k: v[:19] for k, v in NOISE.items()}, {}),
        ("CQ847", NOISE, {"cluster": np.repeat(np.arange(10), 20)}),
        ("CQ848", {**NOISE, "Z": np.array(["a", "b", "c", "d"])[RNG.integers(0, 4, 200)]}, {}),
        ("CQ849", NOISE, {"weight": RNG.random(200)}),
        ("CQ850", {**NOISE, "Z": np.r_[np.nan, np.ones(199)]}, {}),
        ("CQ852", {**NOISE, "Z": np.ones(200)}, {}),
    ],
)
def test_data_that_say_nothing(code: str, table: dict[str, Any], more: dict[str, Any]) -> None:
    with pytest.raises(DiagnosticError) as problem:
        found(table, **more)
    assert [d.code for d in problem.value.diagnostics] == [code]
