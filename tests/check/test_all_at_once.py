"""All errors of a file are reported at once, in the order of the text, and none is an echo of another."""

from __future__ import annotations

import pytest

from causalcircuit.check import Checker
from causalcircuit.diagnostics import DiagnosticError, Source
from repotools.fixtures import FIXTURES
from tests.check.programs import IOI, MODEL, NODES, errors, said

MANY = (
    "nod X = gpt2.layer[0].resid @ last\n"
    + IOI
    + """\
let a = E[LDD]
let b = E[X] ; 2
estimate E[LD | do(NM = 0, NM = 1)] on ioi
estimate a on ioi ci 195%
estimate LD on ioi
node Y = gpt2.layer[9].resid @ last
estimate E[LD | do(Y = 0)] on ioi
test E[LD] > 2 pp on ioi
"""
)


def test_each_error_once_and_in_the_order_of_the_text() -> None:
    found = said(MANY)
    assert [d.code for d in found] == ["CQ102", "CQ201", "CQ106", "CQ301", "CQ602", "CQ214", "CQ504", "CQ311"]
    starts = [d.span.start for d in found if d.span is not None]
    assert starts == sorted(starts)
    assert len(starts) == len(found)


def test_a_name_whose_declaration_fails_is_not_reported_again() -> None:
    assert errors(MODEL + "data ioi = jsonl(\n" + NODES + "let a = E[LD]\nestimate a on ioi\n") == ["CQ110"]
    assert errors('use "./good/none.cq" as a\nlet b = a.x + a.y\n') == ["CQ230"]
    assert errors(IOI + "let f(x = E[x]\nestimate f(LD) on ioi\n") == ["CQ110"]


def test_a_mistake_in_a_node_is_reported_once_however_often_it_is_used() -> None:
    node = "node Z = gpt2.logit[row.iou] @ last\n"
    assert errors(IOI + node + "estimate E[Z], E[Z | do(NM = 0)] on ioi\nestimate E[Z] on ioi\n") == ["CQ402"]


def test_a_statement_that_fails_takes_no_other_with_it() -> None:
    checker = Checker(FIXTURES)
    with pytest.raises(DiagnosticError) as caught:
        checker.read(Source("t", IOI + "let a = E[NO]\nlet b = E[LD]\n"))
    assert [d.code for d in caught.value.diagnostics] == ["CQ201"]
    assert "b" in checker.scope.names
    assert "a" not in checker.scope.names
