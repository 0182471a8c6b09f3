"""Meaning 6, `on = other`: a reference over other data is held against those data, not the question's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from causalcircuit.query import DataRef, Estimation, Mean, Split, references, render, walk
from repotools.fixtures import FIXTURES
from tests.check import objects as o
from tests.check.programs import IOI, SCENES, checked, errors, query, said

OTHER = """\
data pairs = jsonl("./data/agreement.jsonl") with prompt = row.base cluster row.lemma
data bare = jsonl("./data/agreement.jsonl")
node S = gpt2.layer[0].resid @ token(row.subject)
"""


def found(value: str, data: str = "ioi") -> list[str]:
    """The codes of `do(NM = VALUE)`."""
    return errors(f"{IOI}{OTHER}estimate E[LD | do(NM = {value})] on {data}\n")


def test_columns_are_those_of_the_other_data() -> None:
    subject = "gpt2.layer[1].head[3].out @ token(row.subject)"
    assert found(f"mean({subject}, on = pairs)") == []
    assert found(f"mean({subject})") == ["CQ402"]
    assert found("mean(gpt2.layer[1].head[3].out @ token(row.subj, 2), on = pairs)") == ["CQ402"]
    assert found("mean((NM | do(gpt2.input = row.source)), on = pairs)") == []
    assert found("mean((NM | do(gpt2.input = row.corrupt)), on = pairs)") == ["CQ402"]
    assert found("mean((NM | do(gpt2.input = row.source)))") == ["CQ402"]


def test_the_error_names_the_data_that_lack_the_column() -> None:
    (problem,) = said(f"{IOI}{OTHER}estimate E[LD | do(NM = mean((NM | do(S = row.dose)), on = pairs))] on ioi\n")
    assert problem.message == "the data `pairs` has no column `dose`"
    assert "columns of agreement.jsonl" in problem.help[-1]


def test_references_inside_are_those_datas_too() -> None:
    assert found("mean((NM | do(S = mean(S))), on = pairs)") == []
    assert found("mean((NM | do(S = mean(S, on = ioi))), on = pairs)") == ["CQ402"]
    assert found("mean((NM | do(S = mean(S, on = pairs))), on = pairs)") == []


def test_the_factual_world_is_fed_by_the_other_data() -> None:
    assert found("mean(NM, on = bare)") == ["CQ305"]
    assert found("mean((NM | do(gpt2.input = row.base)), on = bare)") == []
    (problem,) = said(f"{IOI}{OTHER}estimate E[LD | do(NM = mean(NM, on = bare))] on ioi\n")
    assert problem.span is not None
    assert problem.span.text == "mean(NM, on = bare)"
    assert problem.label.endswith("on `bare`")


def test_own_data_that_feed_nothing_may_take_a_fed_reference() -> None:
    long = 'data long = jsonl("./data/scenes.jsonl") with image = row.kitchen, prefix = "a"\n'
    assert errors(f"{SCENES}{long}estimate E[W | office, do(A = mean(A, on = long))] on scenes\n") == []
    assert errors(f"{SCENES}{long}estimate E[W | office, do(A = mean(A))] on scenes\n") == ["CQ305"]


def test_rules_of_worlds_hold_inside() -> None:
    twice = "do(gpt2.layer[0].resid @ last = 0, gpt2.layer[1].resid_in @ last = 0)"
    assert found(f"mean((NM | {twice}), on = pairs)") == ["CQ301"]
    cyclic = "do(gpt2.layer[0].resid @ last = gpt2.layer[1].resid @ last)"
    assert found(f"mean((NM | {cyclic}), on = pairs)") == ["CQ303"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("mean(NM, on = nothing)", "CQ201"),
        ("mean(NM, on = S)", "CQ217"),
        ("mean(NM, on = gpt2)", "CQ217"),
        ("mean(NM, on = pairs.train)", "CQ206"),
        ("mean(NM, on = pairs, on = pairs)", "CQ207"),
        ("mean(NM, pooled, pooled)", "CQ207"),
        ("mean(on = pairs)", "CQ207"),
        ("mean(NM, by = pairs)", "CQ207"),
        ("mean(NM, pairs)", "CQ207"),
        ("mean(LD, on = pairs)", "CQ212"),
        ("mean(NM, random)", "CQ105"),
        ("mean(NM, on = pairs, random)", "CQ105"),
    ],
)
def test_arguments(value: str, code: str) -> None:
    assert found(value) == [code]


def test_random_says_that_it_is_not_built() -> None:
    (problem,) = said(f"{IOI}estimate E[LD | do(NM = mean(NM, random))] on ioi\n")
    assert problem.message.startswith("`random` of a `mean` is not available")
    assert problem.span is not None
    assert problem.span.text == "random"


@pytest.mark.parametrize("said_as", ["mean(NM, pooled, on = pairs)", "mean(NM, on = pairs, pooled)"])
def test_the_noun(said_as: str) -> None:
    asked = query(f"E[LD | do(NM = {said_as})]", IOI + OTHER).expr
    assert query(render(asked), IOI + OTHER).expr == asked
    (mean,) = {e for e in walk(asked) if isinstance(e, Mean)}
    assert mean.pooled
    assert mean.on is not None
    assert mean.on.label == "pairs"
    assert render(mean) == "mean(gpt2.layer[1].head[3].out @ last, pooled, on = pairs)"
    assert mean == Mean(mean.of, True, replace(mean.on, span=None))
    assert hash(mean) == hash(Mean(mean.of, True, replace(mean.on, span=None)))
    assert mean != Mean(mean.of, True)


def test_a_part_of_a_split() -> None:
    split = IOI.replace("row.names\n", "row.names split 50/50 seed 7\n")
    program = checked(f"{split}estimate E[LD | do(NM = mean(NM, on = ioi.train))] on ioi.test\n")
    (command,) = program.commands
    assert isinstance(command, Estimation)
    (mean,) = {e for e in walk(command.queries[0].expr) if isinstance(e, Mean)}
    assert mean.on is not None
    assert mean.on.split == Split(0.5, 7, "train")
    assert mean.elsewhere(command.data)
    assert not mean.elsewhere(mean.on)


def test_every_reference_is_found_with_its_data() -> None:
    """A bare reference inside one over `pairs` is over `pairs`; the canonical order of targets is that of the text."""
    resid, embed = "gpt2.layer[0].resid @ last", "gpt2.embed @ last"
    inner = f"mean({resid}, on = ioi)"
    middle = f"mean(({embed} | do({resid} = {inner})))"
    outer = f"mean((NM | do({embed} = {middle})), on = pairs)"
    asked = query(f"E[LD | do(NM = {outer}, {resid} = mean({resid}))]", IOI + OTHER).expr
    found = [(m.on.label if m.on else "", ref.label) for m, ref in references(asked, o.IOI)]
    assert found == [("", "ioi"), ("pairs", "pairs"), ("", "pairs"), ("ioi", "ioi")]


def test_objects_are_held_to_the_same() -> None:
    bare = DataRef("bare", "jsonl", FIXTURES / "data/agreement.jsonl")
    fed = replace(bare, feeds=(("prompt", o.Column("base")),))
    assert o.codes(o.Expect(o.LD, o.do((o.HEAD, Mean(o.HEAD, on=bare))))) == ["CQ305"]
    assert o.codes(o.Expect(o.LD, o.do((o.HEAD, Mean(o.HEAD, on=fed))))) == []
    gone = replace(bare, path=FIXTURES / "data/gone.jsonl")
    assert o.codes(o.Expect(o.LD, o.do((o.HEAD, Mean(o.HEAD, on=gone))))) == ["CQ401"]
