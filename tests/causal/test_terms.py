"""The algebra: simplified terms have the value of plain ones, whatever is summed, multiplied, divided and shadowed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from causalcircuit.causal.bits import bits
from causalcircuit.causal.evaluating import values
from causalcircuit.causal.rendering import Writer, tidy
from causalcircuit.causal.terms import (
    ONE,
    Prob,
    Product,
    Ratio,
    Sum,
    Term,
    mentioned,
    prob,
    product,
    ratio,
    renumbered,
    total,
)

N = 4
SIZES = [2, 3, 2, 2]
JOINT = np.random.default_rng(0).dirichlet(np.ones(24)).reshape(SIZES)


def oracle(part: Prob) -> np.ndarray:
    needed = part.of | part.given
    both = JOINT.sum(axis=tuple(v for v in range(N) if not needed >> v & 1), keepdims=True)
    return both / both.sum(axis=tuple(bits(part.of)), keepdims=True) if part.given else both


def value(term: Term) -> np.ndarray:
    return np.broadcast_to(values(term, oracle, SIZES), SIZES)


masks = st.integers(0, (1 << N) - 1)


@st.composite
def probabilities(draw: st.DrawFn) -> tuple[Term, Term]:
    of = draw(masks)
    assume(of)
    given_ = draw(masks) & ~of
    return Prob(of, given_), prob(of, given_)


def larger(inner: st.SearchStrategy[tuple[Term, Term]]) -> st.SearchStrategy[tuple[Term, Term]]:
    """A plain term beside the one that the functions make."""
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda ts: (Product(tuple(t[0] for t in ts)), product(t[1] for t in ts))),
        st.tuples(inner, inner).map(lambda ts: (Ratio(ts[0][0], ts[1][0]), ratio(ts[0][1], ts[1][1]))),
        st.tuples(masks, inner).map(lambda mt: (Sum(mt[0], mt[1][0]) if mt[0] else mt[1][0], total(mt[0], mt[1][1]))),
    )


@settings(max_examples=250, deadline=None)
@given(st.recursive(probabilities(), larger, max_leaves=8))
def test_simplified_terms_have_the_value_of_plain_ones(pair: tuple[Term, Term]) -> None:
    plain, made = pair
    expected = value(plain)
    assert value(made) == pytest.approx(expected, rel=1e-9)
    assert value(tidy(made)) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.recursive(probabilities(), larger, max_leaves=6), st.permutations(range(N)))
def test_renumbered_terms_are_the_same_over_other_axes(pair: tuple[Term, Term], order: list[int]) -> None:
    moved = renumbered(pair[1], dict(enumerate(order)))
    assert mentioned(moved).bit_count() == mentioned(pair[1]).bit_count()
    back = renumbered(moved, {new: old for old, new in enumerate(order)})
    assert back == pair[1]


def test_what_disappears() -> None:
    a, b, c = 1, 2, 4
    assert total(a, prob(a)) == ONE
    assert total(a | b, prob(a | b, c)) == ONE
    assert total(b, product([prob(a, b | c), prob(b)])) == Sum(b, Product((Prob(a, b | c), Prob(b))))
    assert total(a, product([prob(a, b), prob(b)])) == Prob(b)
    assert ratio(prob(a | b, c), prob(b, c)) == Prob(a, b | c)
    assert ratio(prob(a | b), prob(c)) == Ratio(Prob(a | b), Prob(c))
    assert ratio(product([prob(a), prob(b)]), prob(a)) == Prob(b)
    assert total(a, product([prob(a), prob(b, a)])) == Prob(b)
    assert total(a, product([prob(b, a | c), prob(a, c), prob(c)])) == Product((Prob(b, c), Prob(c)))
    joint = total(a, product([prob(a), prob(b | c, a), prob(a, b)]))
    assert total(b, ratio(joint, total(b, joint))) == ONE


def test_a_sum_binds_its_own_variable() -> None:
    """Σ_x P(x) next to a free x: the two do not meet."""
    x, y = 1, 2
    made = product([prob(x), Sum(x, Product((Prob(x), Prob(y, x))))])
    assert value(made) == pytest.approx(value(Prob(x)) * value(Prob(y)))
    assert Writer(("X", "Y", "Z", "W"), made.free).write(made) == "P(X) Σ_X' P(X') P(Y | X')"


def test_brackets_stand_where_a_sum_ends_early() -> None:
    a, b, c = 1, 2, 4
    first, second = Sum(a, Product((Prob(a), Prob(b, a)))), Sum(c, Product((Prob(c), Prob(b, c))))
    text = Writer(("A", "B", "C", "D"), b).write(Product((first, second)))
    assert text == "[Σ_A P(A) P(B | A)] Σ_C P(C) P(B | C)"
    assert Writer(("A", "B", "C", "D"), b).write(ONE) == "1"
