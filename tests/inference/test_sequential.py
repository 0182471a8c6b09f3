"""Intervals that hold at every look: martingales by simulation, bounds against their definitions, looks at each row."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from causalcircuit.inference import ESTIMATORS, FIRST_LOOK, infer, looks, narrow_enough
from causalcircuit.inference._bounded import Bounded, bets
from causalcircuit.inference._mixture import BURN_IN, mixture, reached, spread_at
from causalcircuit.inference._student import lengthening, skew_factor
from causalcircuit.query import Options
from causalcircuit.query.until import Until
from tests.inference.making import DIFFERENCE, FIRST, RATIO, pairs, sample

NULLS, ROWS = 2000, 600
MOST = 0.05 + 3 * math.sqrt(0.05 * 0.95 / NULLS)
ALWAYS = Options(until=Until(width=0.1), seed=1)


def test_the_mixture_is_the_ratio_that_it_says() -> None:
    """M by quadrature over δ > 0 of the noncentral t's density over the central one's."""
    n, t, g = 8, 1.7, 0.3

    def density(delta: float) -> float:
        prior = 2 * stats.norm.pdf(delta, scale=math.sqrt(g))
        return float(prior * stats.nct.pdf(t, n - 1, delta * math.sqrt(n)) / stats.t.pdf(t, n - 1))

    want, _ = integrate.quad(density, 0, 8)
    assert mixture(t, n, g) == pytest.approx(math.log(want), rel=1e-6)


def test_the_bound_is_where_the_mixture_reaches_its_error() -> None:
    g = spread_at(100, 0.95)
    for n in (20, 100, 2000):
        assert mixture(reached(n, g, 0.025), n, g) == pytest.approx(math.log(40), rel=1e-9)
    assert reached(2, g, 0.025) == math.inf
    assert [reached(50, g, a) for a in (0.4, 0.1, 0.01)] == sorted(reached(50, g, a) for a in (0.4, 0.1, 0.01))


def _asymptotic_wrong(values: np.ndarray, first: int) -> np.ndarray:
    """[runs] whether 0 lies outside of the interval at some look, one after every row from `first` on."""
    rows = values.shape[1]
    n = np.arange(1, rows + 1)
    one, two, three = (np.cumsum(values**k, axis=1) for k in (1, 2, 3))
    mean = one / n
    squares = np.maximum(two - n * mean**2, 0)
    g = spread_at(100, 0.95)
    q = np.array([math.inf, *(reached(int(k), g, 0.025) for k in n[1:])])
    with np.errstate(all="ignore"):
        se = np.sqrt(squares / (n - 1) / n)
        skew = skew_factor(n.astype(float)) * (three - 3 * mean * two + 2 * n * mean**3) / squares**1.5
        more = lengthening(q)
        low = mean - se * (q + np.maximum(-skew, 0) * more)
        high = mean + se * (q + np.maximum(skew, 0) * more)
    return np.asarray(((low > 0) | (high < 0))[:, first - 1 :].any(axis=1))


def test_the_paths_of_the_simulation_are_those_of_the_estimator() -> None:
    values = np.random.default_rng(0).exponential(size=(40, 80)) - 1
    found = []
    for row in values:
        made = [infer(sample(row[:n]), Options("asymptotic")).interval for n in range(BURN_IN, 81)]
        found.append(any(i is not None and not i.low <= 0 <= i.high for i in made))
    assert found == _asymptotic_wrong(values, BURN_IN).tolist()


@pytest.mark.parametrize("kind", ["normal", "exponential", "lognormal", "t3"])
def test_with_a_look_after_every_row_few_null_runs_reject(kind: str) -> None:
    """2,000 runs of 600 rows; normal ones from the second row on, the others from the 30th."""
    rng = np.random.default_rng(11)
    draw = {
        "normal": lambda size: rng.normal(size=size),
        "exponential": lambda size: rng.exponential(size=size) - 1,
        "lognormal": lambda size: rng.lognormal(size=size) - math.exp(0.5),
        "t3": lambda size: rng.standard_t(3, size=size),
    }[kind]
    wrong = np.concatenate([_asymptotic_wrong(draw((500, ROWS)), 2 if kind == "normal" else BURN_IN) for _ in range(4)])
    assert len(wrong) == NULLS
    assert wrong.mean() <= MOST


def test_a_repeated_t_interval_is_what_this_is_not() -> None:
    """The same looks at Student's interval reject a true null in far more runs than 5%."""
    values = np.random.default_rng(2).normal(size=(500, ROWS))
    n = np.arange(1, ROWS + 1)
    mean = np.cumsum(values, axis=1) / n
    var = (np.cumsum(values**2, axis=1) - n * mean**2) / np.maximum(n - 1, 1)
    with np.errstate(all="ignore"):
        t = np.abs(mean) / np.sqrt(var / n)
    assert (t > stats.t.ppf(0.975, np.maximum(n - 1, 1)))[:, BURN_IN - 1 :].any(axis=1).mean() > 0.25


def _capital(y: np.ndarray, s: np.ndarray, m: float, a: float) -> np.ndarray:
    """[runs, rows] log capital of bets on more than m, by a loop over rows."""
    spread = Bounded(y, s, 0.0, 1.0).running()[1]
    stake = np.minimum(bets(spread, a, 100), 0.75 / m)
    return np.asarray(np.cumsum(np.log1p(stake * (y - m * s)), axis=1))


@pytest.mark.parametrize("p", [0.05, 0.5, 0.97])
def test_bets_on_the_truth_seldom_pay(p: float) -> None:
    """2,000 runs, a look after every row from the first on; clusters of 1 to 4 rows that share their luck."""
    rng = np.random.default_rng(5)
    clusters = 250
    size = rng.integers(1, 5, size=(NULLS, clusters))
    luck = rng.random((NULLS, clusters, 1)) < 0.5
    rows = np.where(luck, rng.random((NULLS, clusters, 1)) < p, rng.random((NULLS, clusters, 4)) < p)
    y = np.where(np.arange(4) < size[..., None], rows, 0).sum(axis=-1) / 4
    s = size / 4
    up, down = _capital(y, s, p, 0.025), _capital(s - y, s, 1 - p, 0.025)
    wrong = (up >= math.log(40)).any(axis=1) | (down >= math.log(40)).any(axis=1)
    assert wrong.mean() <= MOST


def test_the_betting_bound_is_where_its_capital_reaches_the_error() -> None:
    y = (np.random.default_rng(3).random(120) < 0.3).astype(float)
    found = infer(sample(y, events=(True,)), Options("betting")).interval
    assert found is not None
    ones = np.ones((1, 120))
    assert _capital(y[None], ones, found.low, 0.025)[0, -1] == pytest.approx(math.log(40), rel=1e-6)
    assert _capital(1 - y[None], ones, 1 - found.high, 0.025)[0, -1] == pytest.approx(math.log(40), rel=1e-6)


def test_the_empirical_bernstein_bound_seldom_misses_and_is_wider() -> None:
    rng = np.random.default_rng(9)
    wrong, wider = 0, 0
    for _ in range(60):
        y = (rng.random(300) < 0.2).astype(float)
        widths = []
        for method in ("betting", "bernstein"):
            made = [infer(sample(y[:n], events=(True,)), Options(method)).interval for n in (20, 60, 300)]
            assert all(i is not None for i in made)
            wrong += method == "bernstein" and not all(i is not None and i.low <= 0.2 <= i.high for i in made)
            widths.append(made[-1].high - made[-1].low)  # type: ignore[union-attr]
        wider += widths[1] > widths[0]
    assert wrong <= 5
    assert wider > 50


def test_a_difference_of_probabilities_is_bet_on_row_by_row() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random((400, 2)) < (0.7, 0.4)).astype(float)
    made = infer(sample(y, DIFFERENCE, events=(True, True)), ALWAYS)
    assert made.method.startswith("betting")
    assert made.interval is not None
    assert -1 <= made.interval.low < 0.3 < made.interval.high <= 1
    flipped = infer(sample(y[:, ::-1], DIFFERENCE, events=(True, True)), ALWAYS).interval
    assert flipped is not None
    assert (flipped.low, flipped.high) == pytest.approx((-made.interval.high, -made.interval.low), abs=1e-9)


@pytest.mark.parametrize("combine", [FIRST, DIFFERENCE, RATIO])
def test_what_is_not_bounded_is_asymptotic(combine: object) -> None:
    made = infer(sample(pairs(60, means=(5.0, 4.0)), combine), ALWAYS)  # type: ignore[arg-type]
    assert made.method.startswith("asymptotic")
    t = infer(sample(pairs(60, means=(5.0, 4.0)), combine), Options()).interval  # type: ignore[arg-type]
    assert made.interval is not None
    assert t is not None
    assert made.interval.low < t.low < t.high < made.interval.high


def test_probabilities_over_different_rows_are_asymptotic() -> None:
    mask = np.arange(80)[:, None] % 2 == np.arange(2)
    y = (np.random.default_rng(0).random((80, 2)) < 0.5).astype(float)
    assert infer(sample(y, DIFFERENCE, events=(True, True), mask=mask), ALWAYS).method.startswith("asymptotic")
    direct = infer(sample(y, DIFFERENCE, events=(True, True), mask=mask), Options("betting"))
    assert direct.interval is None
    assert "different rows" in direct.reason


def test_nothing_is_said_of_few_units_or_of_units_that_agree() -> None:
    few = infer(sample(np.arange(float(BURN_IN - 1))), Options("asymptotic"))
    alike = infer(sample(np.ones(100)), Options("asymptotic"))
    assert few.interval is None
    assert f"begins at {BURN_IN}" in few.reason
    assert alike.interval is None
    assert "agree" in alike.reason


def test_looks_grow_and_end_with_all() -> None:
    found = list(looks(500))
    assert (found[0], found[-1]) == (FIRST_LOOK, 500)
    assert found == sorted(set(found))
    assert list(looks(4)) == [4]
    assert list(looks(2000))[: len(found) - 1] == found[:-1]


def test_a_rule_of_width_asks_every_interval() -> None:
    y = np.random.default_rng(0).normal(size=400)
    one, other = (infer(sample(y * scale), Options("asymptotic")) for scale in (1, 10))
    rule = Until(width=0.5)
    assert narrow_enough(rule, [one])
    assert not narrow_enough(rule, [one, other])
    assert not narrow_enough(rule, [infer(sample(y[:5]), Options("asymptotic"))])


def test_p_values_of_a_sequence_come_of_its_nested_intervals() -> None:
    made = infer(sample(np.random.default_rng(4).normal(0.5, 1, size=200)), Options("asymptotic"))
    ends = [made.interval_at(level) for level in (0.5, 0.9, 0.99, 0.9999)]
    lows = [i.low for i in ends if i is not None]
    assert lows == sorted(lows, reverse=True)
    from tests.inference.making import above

    p = made.p_inside(above(0.0))
    assert p is not None
    assert 0 < p < 1e-4
    at = made.interval_at(1 - 2 * p)
    assert at is not None
    assert at.low == pytest.approx(0, abs=1e-6)


def test_every_sequential_estimator_says_that_it_is_one() -> None:
    assert {name for name, e in ESTIMATORS.items() if e.anytime} == {"asymptotic", "betting", "bernstein"}
