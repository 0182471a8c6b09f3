"""Sign flips and permutations against all arrangements, and their size."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference import check_regions, decide, infer
from causalcircuit.query import Binary, Expr, Number, Options, Region, Term
from tests.inference.making import DIFFERENCE, FIRST, RATIO, above, below, claim, pairs, sample

ZERO = Region(0.0, 0.0, closed=True, outside=True)
ABOVE, BELOW = above(0.0), below(0.0)


def options(draws: int = 5000, seed: int = 7) -> Options:
    return Options("permutation", draws, seed=seed)


def groups(y: np.ndarray, first: np.ndarray, **more: object) -> object:
    return sample(np.stack([y, y], axis=1), DIFFERENCE, mask=np.stack([first, ~first], axis=1), **more)


def test_few_pairs_go_through_all_sign_flips() -> None:
    y = pairs(9)
    d = y[:, 0] - y[:, 1]
    sums = np.array([np.dot(signs, d) for signs in product([1, -1], repeat=9)])
    found = infer(sample(y, DIFFERENCE), options())
    assert found.p_inside(ABOVE) == pytest.approx((sums >= d.sum() - 1e-12).mean())
    assert found.p_inside(BELOW) == pytest.approx((sums <= d.sum() + 1e-12).mean())
    assert found.p_outside(ABOVE) == found.p_inside(BELOW)
    both = found.p_inside(ZERO)
    assert both == pytest.approx(2 * min((sums >= d.sum() - 1e-12).mean(), (sums <= d.sum() + 1e-12).mean()))
    assert found.interval is None
    assert "a test gives no interval" in found.reason
    assert "all sign flips of rows" in found.method


def test_drawn_flips_come_near_to_all_of_them() -> None:
    y = pairs(12, means=(1.5, 1.0))
    exact = infer(sample(y, DIFFERENCE), options(5000)).p_inside(ABOVE)
    drawn = infer(sample(y, DIFFERENCE), options(4000)).p_inside(ABOVE)  # 2^12 = 4096 are more than 4000
    assert exact is not None
    assert drawn == pytest.approx(exact, abs=4 * (exact / 4000) ** 0.5)
    assert drawn != exact


def welch(y: np.ndarray, first: np.ndarray) -> float:
    a, b = y[first], y[~first]
    return float((a.mean() - b.mean()) / np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))


def test_groups_are_exchanged_as_all_choices_of_the_first_would_be() -> None:
    y = np.random.default_rng(5).normal(size=11) + 100
    y[:5] += 1.2
    first = np.arange(11) < 5
    every = np.array([welch(y, np.isin(np.arange(11), c)) for c in combinations(range(11), 5)])
    exact = float((every >= welch(y, first) - 1e-9).mean())
    found = infer(groups(y, first), options(20_000))
    assert found.p_inside(ABOVE) == pytest.approx(exact, abs=4 * (exact / 20_000) ** 0.5)
    assert "permutations of rows over the groups" in found.method
    turned = infer(sample(np.stack([y, y], axis=1), Binary("-", Term(1), Term(0)),
                          mask=np.stack([first, ~first], axis=1)), options(20_000))  # fmt: skip
    assert turned.p_inside(BELOW) == found.p_inside(ABOVE)


def test_whole_clusters_are_flipped_and_exchanged() -> None:
    y, first = pairs(10), np.arange(10) < 4
    times, cluster = np.repeat(np.arange(10), 6), np.repeat(np.arange(10), 6)
    flipped = infer(sample(y[times], DIFFERENCE, cluster=cluster), options())
    assert flipped.p_inside(ABOVE) == infer(sample(y, DIFFERENCE), options()).p_inside(ABOVE)
    assert flipped.clusters == 10
    assert flipped.warnings == ()  # a test of few clusters is exact, and nothing takes its place
    exchanged = infer(groups(y[times, 0], first[times], cluster=cluster), options())
    assert exchanged.p_inside(ABOVE) == pytest.approx(
        infer(groups(y[:, 0], first), options()).p_inside(ABOVE), abs=1e-12
    )


def test_the_size_is_that_of_the_level_whatever_the_rows_look_like() -> None:
    rng = np.random.default_rng(11)
    rejected = {"pairs": 0, "groups": 0}
    for _ in range(600):
        y = rng.standard_cauchy(size=(8, 2))
        p = infer(sample(y, DIFFERENCE), options()).p_inside(ZERO)
        rejected["pairs"] += p is not None and p <= 0.05
        q = infer(groups(rng.lognormal(size=16), np.arange(16) < 6), options(399)).p_inside(ZERO)
        rejected["groups"] += q is not None and q <= 0.05
    for count in rejected.values():
        assert 0.02 < count / 600 < 0.05 + 3 * (0.05 * 0.95 / 600) ** 0.5


def test_units_in_both_groups_cannot_be_exchanged() -> None:
    y = np.arange(12.0)
    mask = np.stack([np.arange(12) < 7, np.arange(12) > 3], axis=1)
    found = infer(sample(np.stack([y, y], axis=1), DIFFERENCE, mask=mask), options())
    assert (found.interval, found.p_inside(ABOVE)) == (None, None)
    assert "partly the same" in found.reason


@pytest.mark.parametrize("combine", [FIRST, RATIO, Binary("+", FIRST, Term(1)), Binary("-", DIFFERENCE, Number(1.0))])
def test_only_a_difference_is_tested(combine: Expr) -> None:
    with pytest.raises(DiagnosticError, match="CQ607"):
        infer(sample(pairs(), combine), options())


def test_a_verdict_is_read_off_the_p() -> None:
    y = pairs(30)
    [yes] = decide([sample(y, DIFFERENCE)], [claim(ABOVE)], "none", 0.05, options())
    [no] = decide([sample(y, DIFFERENCE)], [claim(BELOW)], "none", 0.05, options())
    [flat] = decide([sample(y[:, [0, 0]] + np.random.default_rng(0).normal(size=(30, 2)), DIFFERENCE)],
                    [claim(ABOVE)], "none", 0.001, options())  # fmt: skip
    assert (yes.verdict, no.verdict, flat.verdict) == ("supported", "refuted", "inconclusive")
    assert yes.interval is None
    assert yes.p == no.p_refute


@pytest.mark.parametrize("region", [above(0.5), Region(-1.0, 1.0, closed=True), Region(-1.0, 1.0, outside=True)])
def test_another_number_than_0_is_refused(region: Region) -> None:
    assert [d.code for d in check_regions([region], options())] == ["CQ915"]
    assert check_regions([region], Options()) == []
    with pytest.raises(DiagnosticError, match="CQ915"):
        decide([sample(pairs(), DIFFERENCE)], [claim(region)], "none", 0.05, options())


def test_too_few_draws_for_a_family_are_refused() -> None:
    with pytest.raises(DiagnosticError, match="CQ606") as caught:
        decide([sample(pairs(), DIFFERENCE)] * 30, [claim(ABOVE)] * 30, "holm", 0.05, options(599))
    assert "permutation(600)" in caught.value.diagnostics[0].help[0]
