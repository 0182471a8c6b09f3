"""The examples of the pages of this room's codes: the first fails with its code, the second runs."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from causalcircuit import rows
from causalcircuit.diagnostics import DiagnosticError, catalogue
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel, load
from causalcircuit.query import Estimation, ModelRef
from causalcircuit.runs import check_text

EXAMPLES = Path(__file__).parents[2] / "examples"
OWN = [
    *("CQ351", "CQ352", "CQ353", "CQ451", "CQ452", "CQ453", "CQ454", "CQ510", "CQ511", "CQ512", "CQ513", "CQ521"),
    *("CQ355", "CQ356", "CQ357", "CQ358", "CQ359", "CQ361"),
    *("CQ522", "CQ523", "CQ525", "CQ526", "CQ527", "CQ528", "CQ529", "CQ530", "CQ531", "CQ532", "CQ533", "CQ534"),
    *("CQ535", "CQ701", "CQ702"),
]
FENCE = re.compile(r"```cq\n(.*?)```", re.DOTALL)


@cache
def loaded(ref: ModelRef) -> LoadedModel:
    return load(ref)


def run(text: str) -> None:
    program = check_text(text, folder=EXAMPLES)
    for command in program.commands:
        assert isinstance(command, Estimation)
        data = rows.load(command.data)
        data = data.take(range(min(data.n, 24)))
        plan = make_plan([q.expr for q in command.queries], data)
        execute(prepare(plan, {name: loaded(program.models[name]) for name in plan.models}, data))


def section(code: str, name: str) -> str:
    page = catalogue.page(code)
    assert page is not None
    return page.partition(f"## {name}")[2].partition("\n## ")[0].strip()


@pytest.mark.parametrize("code", OWN)
def test_page_is_whole(code: str) -> None:
    assert catalogue.title(code)
    assert section(code, "Example")
    assert section(code, "Way out")


@pytest.mark.parametrize("code", [c for c in OWN if FENCE.search(section(c, "Example"))])
def test_example_fails_with_its_code(code: str) -> None:
    (text,) = FENCE.findall(section(code, "Example"))
    with pytest.raises(DiagnosticError) as caught:
        run(text)
    assert {d.code for d in caught.value.diagnostics if d.is_error} == {code}


@pytest.mark.parametrize("code", [c for c in OWN if FENCE.search(section(c, "Way out"))])
def test_way_out_runs(code: str) -> None:
    (text,) = FENCE.findall(section(code, "Way out"))
    run(text)
