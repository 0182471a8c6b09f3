"""What is refused before the first forward pass: all of it at once, with the rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine import make_plan, prepare
from causalcircuit.models import LoadedModel
from causalcircuit.query import ALL, FIRST, LAST, Cell, Column, Expect, Expr, Text
from causalcircuit.rows import Dataset
from tests.truth.ask import Engine
from tests.truth.say import call, cell, do, feed, given, index, masked, mean, op, patch, read, row, site, token, within

LOGIT = read("logit", row("answer"))
HEAD, HEADS = site("layer[1].head[0].out", LAST), site("layer[1].head[0].out", ALL)
STREAM = site("layer[0].resid", ALL)
OTHER = do((feed("input"), row("other")))


def codes(made: Engine, *queries: Cell | Expr, data: Dataset | None = None) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        ready(made, *queries, data=data)
    assert all(d.help for d in caught.value.diagnostics), "a way out"
    return sorted(d.code for d in caught.value.diagnostics)


def ready(made: Engine, *queries: Cell | Expr, data: Dataset | None = None):
    rows = made.data if data is None else data
    plan = make_plan(queries, rows)
    return prepare(plan, {"m": made.model}, rows)


@pytest.mark.parametrize(
    ("world", "code"),
    [
        (do((HEAD, 0), (replace(HEAD, position=index(-1)), 1)), "CQ351"),
        (do((site("layer[0].resid", LAST), 0), (site("layer[1].resid_in", LAST), 1)), "CQ351"),
        (do((site("layer[0].resid", FIRST), 0), (site("layer[0].resid", index(0)), 1)), "CQ351"),
        (do((HEAD, STREAM)), "CQ353"),
        (do((STREAM, op(STREAM, "+", HEAD))), "CQ353"),
        (do((HEAD, op(HEAD, "*", row("name")))), "CQ454"),
        (do((site("layer[7].head[0].out", LAST), 0)), "CQ504"),
        (do((site("layer[0].head[9].out", LAST), 0)), "CQ505"),
        (do((site("layer[0].mlp.neuron[99]", LAST), 0)), "CQ505"),
        (do((site("layer[0].cross.out", LAST), 0)), "CQ506"),
        (do((site("layer[0].resid", index(99)), 0)), "CQ509"),
        (do((site("layer[0].resid", patch(0)), 0)), "CQ516"),
        (do((site("layer[0].resid", token("stranger")), 0)), "CQ521"),
        (do((site("layer[0].resid", token("twice")), 0)), "CQ522"),
        (do((site("layer[0].resid", token(within("name", "other"))), 0)), "CQ523"),
        (do((STREAM, given(STREAM, OTHER))), "CQ526"),
        (do((HEAD, HEADS)), "CQ526"),
        (do((HEADS, mean(HEADS))), "CQ527"),
        (do((feed("input"), row("nothing"))), "CQ402"),
        (do((feed("input"), row("dose"))), "CQ453"),
        (do((feed("input"), "")), "CQ528"),
        (do((feed("input"), Text("Mary " * 60))), "CQ528"),
    ],
)
def test_worlds(text: Engine, world, code: str) -> None:
    assert set(codes(text, Expect(LOGIT, world))) == {code}


@pytest.mark.parametrize(
    ("readout", "code"),
    [
        (read("logit", "Bartholomew"), "CQ511"),
        (read("logprob", " gave a", position=FIRST), "CQ511"),
        (read("logit", " Mary", " John"), "CQ508"),
        (read("prob", " gave", " gave a"), "CQ512"),
        (read("logit", ""), "CQ510"),
        (read("logit", row("dose")), "CQ453"),
        (read("logit", row("nothing")), "CQ402"),
        (read("logit", " Mary", position=ALL), "CQ526"),
        (call("avg", HEAD), "CQ353"),
        (call("dot", HEAD, STREAM), "CQ526"),
        (call("norm", op(HEAD, "-", STREAM)), "CQ353"),
    ],
)
def test_readouts(text: Engine, readout: Expr, code: str) -> None:
    assert set(codes(text, cell(readout))) == {code}


def test_all_at_once(text: Engine) -> None:
    bad = do((site("layer[0].resid", token("twice")), 0), (site("layer[0].head[9].out", LAST), 0))
    found = codes(text, Expect(read("logit", "Bartholomew"), bad), Expect(LOGIT, do((HEADS, mean(HEADS)))))
    assert found == ["CQ505", "CQ511", "CQ522", "CQ527"]


def test_a_sweep_tells_its_problem_once(text: Engine) -> None:
    heads = [site(f"layer[{i}].head[{j}].out", ALL) for i in range(2) for j in range(3)]
    with pytest.raises(DiagnosticError) as caught:
        ready(text, *(Expect(LOGIT, do((h, given(h, OTHER)))) for h in heads))
    (problem,) = caught.value.diagnostics
    assert problem.code == "CQ526"
    assert problem.help[-1] == "the same holds of 5 more like it"


def test_rows_are_listed(text: Engine) -> None:
    with pytest.raises(DiagnosticError) as caught:
        ready(text, Expect(LOGIT, do((site("layer[0].resid", index(11)), 0))))
    (problem,) = caught.value.diagnostics
    assert problem.message == "`@ 11` is out of range, in one row of 4"
    assert problem.where == "prompts.jsonl, row 3"
    assert problem.help[0].startswith("row 3: 11 in ")


def test_a_world_that_nothing_feeds(scenes: Engine) -> None:
    logit = read("logit", " Mary")
    assert codes(scenes, Expect(logit)) == ["CQ305"]
    assert codes(scenes, Expect(logit, do((site("encoder.out"), mean(site("encoder.out")))))) == ["CQ305"]
    ready(scenes, Expect(logit, do((feed("image"), row("kitchen")))))


def test_default_feeds_are_columns_by_name(text: Engine, scenes: Engine) -> None:
    bare = replace(text.data, ref=replace(text.data.ref, feeds=()))
    assert codes(text, Expect(LOGIT), data=bare) == ["CQ305"]
    for name in ("prompt", "text"):
        ready(text, Expect(LOGIT), data=replace(bare, columns={**bare.columns, name: bare.columns["clean"]}))
    images = replace(
        scenes.data,
        ref=replace(scenes.data.ref, feeds=()),
        columns={**scenes.data.columns, "image": scenes.data.columns["kitchen"]},
    )
    made = ready(scenes, Expect(read("logit", " Mary")), data=images)
    assert [p.text for p in made.setups[0].prompts] == ["", "", ""], "the prefix is empty by default"


def test_images_and_masks(scenes: Engine, tmp_path: Path) -> None:
    kitchen = do((feed("image"), row("kitchen")))
    logit = read("logit", " Mary")
    region = site("encoder.layer[0].resid", masked("inside", "mask"))
    made = ready(scenes, Expect(logit, do((feed("image"), row("kitchen")), (region, 0))))
    assert [n.code for n in made.notes] == ["CQ529"]

    def swapped(name: str, value: str) -> Dataset:
        columns = dict(scenes.data.columns)
        columns[name] = [columns[name][0], value, columns[name][2]]
        return replace(scenes.data, columns=columns)

    gone = swapped("kitchen", "nowhere.png")
    assert codes(scenes, Expect(logit, kitchen), data=gone) == ["CQ451"]
    assert codes(scenes, Expect(logit, do(*pairs(kitchen), (region, 0))), data=swapped("mask", "no.png")) == ["CQ451"]
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "small.png")
    Image.new("L", (16, 16)).save(tmp_path / "black.png")
    for name, code in (("small.png", "CQ452"), ("black.png", "CQ525")):
        found = codes(
            scenes, Expect(logit, do(*pairs(kitchen), (region, 0))), data=swapped("mask", str(tmp_path / name))
        )
        assert found == [code]


def pairs(world) -> list:
    return [(a.target, a.value) for a in world.assignments]


@pytest.mark.parametrize("weights", [[1, 1, 1, -1], [0, 0, 0, 0], [1, 1, 1, None], ["a", 1, 1, 1]])
def test_weights_that_do_not_weigh(text: Engine, weights: list) -> None:
    data = replace(
        text.data, ref=replace(text.data.ref, weight=Column("w")), columns={**text.data.columns, "w": weights}
    )
    assert codes(text, Expect(LOGIT), data=data) == ["CQ454"]


def test_no_rows(text: Engine) -> None:
    assert "CQ405" in codes(text, Expect(LOGIT), data=text.data.take([]))


def test_nothing_runs_while_preparing(text: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a forward pass")

    monkeypatch.setattr(LoadedModel, "forward", never)
    ready(text, Expect(LOGIT, do((HEAD, mean(HEAD)))))
