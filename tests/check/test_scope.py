"""Names: scope, order, suggestions, functions, what a name may stand for."""

from __future__ import annotations

import pytest

from causalcircuit.check import Checker
from causalcircuit.diagnostics import Source
from repotools.fixtures import FIXTURES
from tests.check.programs import DATA, IOI, MODEL, errors, query, said


@pytest.mark.parametrize(
    ("text", "code", "way"),
    [
        ("let a = E[LDD]", "CQ201", "did you mean `LD`?"),
        ("let a = E[ld]", "CQ201", "did you mean `LD`?"),
        ("let a = E[LD | do(NM = maen(NM))]", "CQ201", "did you mean `mean`?"),
        ("let a = E[zzzzz]", "CQ201", "declared here: `gpt2`, `ioi`, `NM`, `LD`"),
        ("let a = E[LD | template = 1]", "CQ201", "`row.template`"),
        ("let a = E[LD] + b\nlet b = 1", "CQ203", "above its use"),
        ("let LD = 1", "CQ202", "another name"),
        ("let row = 1", "CQ202", "another name"),
        ("let true = 1", "CQ202", "another name"),
        ("let norm = 1", "", ""),
        ("let f(x, y, x) = x", "CQ202", "rename"),
        ("let f(x) = x\nlet a = f(1, 2)", "CQ207", "`f(x)`"),
        ("let f(x) = x\nlet a = f()", "CQ207", "`f(x)`"),
        ("let f(x) = y\nlet a = f(1)", "CQ201", ""),
        ("let f(x) = g(x)\nlet g(x) = f(x)\nlet a = f(1)", "CQ208", "no recursion"),
        ("let a = ioi", "", ""),
        ("let a = E[ioi]", "CQ205", ""),
        ("let a = E[row]", "CQ205", "`row.gender`"),
        ("let f(x) = x\nlet a = E[f]", "CQ205", "call it: `f(x)`"),
        ("let w = do()\nlet a = w + 1", "CQ205", "after a bar"),
        ("let a = E[true]", "", ""),
    ],
)
def test_names(text: str, code: str, way: str) -> None:
    found = said(IOI + text + "\n")
    assert [d.code for d in found] == [code] * bool(code)
    assert way in " ".join(x for d in found for x in d.help)


def test_a_parameter_hides_a_name_and_a_body_sees_the_scope_of_its_declaration() -> None:
    functions = "let k = 2\nlet f(LD) = E[LD] * k\nlet g(k) = f(NMEAN) + k\n".replace("NMEAN", "row.length")
    assert query("g(5)", IOI + functions).expr == query("E[row.length] * 2 + 5").expr


def test_functions_take_sites_worlds_and_functions() -> None:
    functions = "let effect(H, w) = E[LD | w, do(H = 0)] - E[LD | w]\nlet twice(f, x) = f(x) + f(x)\nlet m(x) = E[x]\n"
    corrupt = "do(gpt2.input = row.corrupt)"
    expanded = f"E[LD | {corrupt}, do(NM = 0)] - E[LD | {corrupt}]"
    assert query(f"effect(NM, {corrupt})", IOI + functions).expr == query(expanded).expr
    assert query("twice(m, LD)", IOI + functions).expr == query("E[LD] + E[LD]").expr


def test_a_sweep_declares_its_name_for_the_statement_only() -> None:
    sweep = "estimate E[LD | do(H = 0)] on ioi for H in gpt2.layer[1].head[*].out @ last\n"
    assert errors(IOI + sweep) == []
    assert errors(IOI + sweep + "let a = E[norm(H)]\n") == ["CQ201"]


def test_at_a_prompt_a_name_may_be_declared_anew() -> None:
    checker = Checker(FIXTURES, redefine=True)
    checker.read(Source("<1>", IOI + "let a = 1\n"))
    checker.read(Source("<2>", "let a = a + 1\nnode LD = gpt2.logit[row.io] @ last\n"))
    assert errors(MODEL + DATA + "let a = 1\nlet a = 2\n") == ["CQ202"]


def test_data_have_the_parts_train_and_test() -> None:
    split = MODEL + DATA.replace("\n", " split 50/50 seed 1\n")
    assert errors(split + "estimate E[gpt2.logit[row.io] @ last] on ioi.train\n") == []
    (found,) = said(split + "estimate E[gpt2.logit[row.io] @ last] on ioi.dev\n")
    assert (found.code, found.help) == ("CQ206", ("parts are `.train` and `.test`",))
