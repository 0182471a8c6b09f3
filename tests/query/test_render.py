"""Canonical text: one spelling each, and the spelling means what the expression means."""

from __future__ import annotations

import operator
from types import SimpleNamespace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from causalcircuit.query import (
    FACTUAL,
    Address,
    Binary,
    Column,
    Counterfactual,
    Expect,
    Expr,
    Negative,
    Number,
    Part,
    number,
    render,
    unite,
)
from tests.query.samples import (
    CORRUPT,
    EXAMPLES,
    HEAD,
    LOGIT,
    PATCH,
    POSITIONS,
    arithmetic,
    finite,
    names,
    worlds,
)


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_every_expression_has_a_text(kind: type[Expr]) -> None:
    example, text = EXAMPLES[kind]
    assert type(example) is kind
    assert render(example) == text


@pytest.mark.parametrize("text", POSITIONS)
def test_every_position_has_a_text(text: str) -> None:
    assert str(POSITIONS[text]) == text


def test_addresses_print_their_ranges() -> None:
    address = Address("g", (Part("layer", "*"), Part("head", (0, (2, 4))), Part("out")))
    assert str(address) == "g.layer[*].head[0, 2..4].out"
    assert address.local == "layer[*].head[0, 2..4].out"
    assert not address.concrete


def test_units_are_written_as_they_are_read() -> None:
    assert number(0.05, "pp") == "5 pp"
    assert number(-0.02, "pp") == "-2 pp"
    assert number(0.95, "%") == "95%"
    assert number(3.0) == "3"
    assert number(0.1, "logit") == "0.1 logit"


columns = SimpleNamespace(a=1.7, b=-2.3, c=0.9)


def value(e: Expr) -> float:
    """Arithmetic on three columns, straight from the nouns."""
    match e:
        case Number(value=x):
            return x
        case Column(name=name):
            return float(getattr(columns, name))
        case Negative(operand=operand):
            return -value(operand)
        case Binary(op=op, left=left, right=right):
            meaning = dict(zip("+-*/^", (operator.add, operator.sub, operator.mul, operator.truediv, pow), strict=True))
            return meaning[op](value(left), value(right))
    raise TypeError(e)


@given(arithmetic(st.one_of(st.builds(Number, finite), st.builds(Column, names))))
def test_text_of_arithmetic_has_the_value_of_the_expression(e: Expr) -> None:
    """Python reads the same signs with the same precedence, but for `^`."""
    try:
        expected = value(e)
    except (ZeroDivisionError, OverflowError):
        assume(False)
    got = eval(render(e).replace("^", "**"), {"row": columns})
    assert got == pytest.approx(expected, rel=1e-9, nan_ok=True) or isinstance(expected, complex)


@given(worlds, worlds)
def test_worlds_are_equal_where_their_texts_are(one, other) -> None:
    assert (render(one) == render(other)) == (one == other)
    if one == other:
        assert hash(one) == hash(other)


def test_names_stand_for_what_they_name() -> None:
    names = {HEAD: "NM", LOGIT: "LD", CORRUPT: "corrupt"}
    assert render(Expect(LOGIT, CORRUPT), names) == "E[LD | corrupt]"
    assert render(Counterfactual(HEAD, CORRUPT), names) == "(NM | corrupt)"
    union = unite(CORRUPT, PATCH)
    assert render(Expect(LOGIT, union), names) == (
        "E[LD | corrupt, do(m.layer[0].resid @ all = 0, NM = (NM | corrupt))]"
    )
    assert render(FACTUAL) == "do()"
