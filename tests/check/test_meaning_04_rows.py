"""Meaning 4: columns belong to the row, and the data enter once, at `on`; clusters and splits stand on the data."""

from __future__ import annotations

import pytest

from causalcircuit.query import Column, DataRef, Estimation
from tests.check.programs import DATA, IOI, MODEL, NODES, checked, errors, said

HELD_OUT = 'data fresh = jsonl("./data/ioi.jsonl") with prompt = row.corrupt where row.template = "t1"\n'


def test_a_query_says_nothing_of_the_data_that_it_is_asked_of() -> None:
    program = checked(
        IOI + HELD_OUT + "let ate = E[LD | do(NM = 0)] - E[LD]\nestimate ate on ioi\nestimate ate on fresh\n"
    )
    first, second = program.commands
    assert isinstance(first, Estimation)
    assert isinstance(second, Estimation)
    assert first.queries == second.queries
    assert (first.data.name, second.data.name) == ("ioi", "fresh")


def test_a_column_is_looked_for_in_the_data_of_the_question() -> None:
    csv = 'data few = csv("./data/ioi.csv") with prompt = row.clean\n'
    assert errors(IOI + csv + "estimate E[LD | row.cue > 0.1] on few\n") == []
    assert errors(IOI + csv + "estimate E[LD | row.cue > 0.1] on ioi\n") == ["CQ402"]


@pytest.mark.parametrize(
    "question",
    [
        "estimate E[gpt2.logit[row.none] @ last] on ioi",
        "estimate E[LD | row.none = 1] on ioi",
        "estimate E[LD] on ioi per row.none",
        "estimate E[LD | do(gpt2.input = row.none)] on ioi",
        "estimate E[LD | do(gpt2.layer[0].resid @ token(row.none) = 0)] on ioi",
        "estimate E[LD | do(gpt2.layer[0].resid @ token(row.io in row.none) = 0)] on ioi",
        'data d = jsonl("./data/ioi.jsonl") with prompt = row.none',
        'data d = jsonl("./data/ioi.jsonl") cluster row.none',
        'data d = jsonl("./data/ioi.jsonl") weight row.none',
        'data d = jsonl("./data/ioi.jsonl") where row.none = 1',
    ],
)
def test_a_missing_column_is_told_with_those_that_there_are(question: str) -> None:
    (found,) = said(IOI + question + "\n")
    assert found.code == "CQ402"
    assert "columns of ioi.jsonl: clean, corrupt, io, subj" in found.help[-1]


def test_clusters_and_splits_stand_on_the_data_and_hold_for_every_question() -> None:
    data = DATA.replace("\n", " split 50/50 seed 7\n")
    program = checked(
        MODEL + data + NODES + "estimate E[LD] on ioi.train\nestimate E[LD] on ioi.test\nestimate E[LD] on ioi\n"
    )
    datas = [c.data for c in program.commands]
    assert [d.label for d in datas] == ["ioi.train", "ioi.test", "ioi"]
    assert all(d.cluster == Column("names") for d in datas)
    assert [d.split.part if d.split else "" for d in datas] == ["train", "test", None]


@pytest.mark.parametrize("part", ["train", "test"])
def test_only_split_data_have_parts(part: str) -> None:
    assert errors(f"{IOI}estimate E[LD] on ioi.{part}\n") == ["CQ206"]


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ("split 70/30 seed 7", ""),
        ("split 70/30", "CQ410"),
        ("sample 5 seed 1", ""),
        ("sample 5", "CQ410"),
        ("sample 5 seed 1.5", "CQ219"),
        ("split 1/0 seed 7", "CQ219"),
        ("sample 500 seed 1", "CQ408"),
        ('where row.template = "t9"', "CQ405"),
        ("where row.template > 3", "CQ409"),
        ("where row.length", "CQ314"),
        ("where row.easy", ""),
        ("where not row.easy and row.length + 1 > 5", ""),
        ("where E[row.length] > 3", "CQ314"),
        ('where gpt2.logit["a"] @ last > 0', "CQ314"),
        ("cluster row.names cluster row.io", "CQ112"),
        ("with prompt = row.clean with image = row.io", "CQ112"),
        ("weight 3", "CQ220"),
    ],
)
def test_options_of_data(option: str, code: str) -> None:
    data = f'data d = jsonl("./data/ioi.jsonl") {option}\n'
    if "with" not in option:
        data = data.replace('jsonl") ', 'jsonl") with prompt = row.clean ')
    assert errors(f"{MODEL}{data}{NODES}estimate E[LD] on d\n") == [code] * bool(code)


def test_the_seed_is_that_of_the_split_and_no_other() -> None:
    program = checked(
        MODEL + DATA.replace("\n", " split 50/50 seed 7 sample 6 seed 3\n") + NODES + "estimate E[LD] on ioi\n"
    )
    data: DataRef = program.commands[0].data
    assert data.sample == (6, 3)
    assert data.split is not None
    assert data.split.seed == 7
