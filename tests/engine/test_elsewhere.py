"""References over other data: run before the plan that uses them, on rows of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.engine.prepared import Prepared
from causalcircuit.models import LoadedModel
from causalcircuit.query import ALL, FIRST, LAST, Cell, Column, Compare, DataRef, Expr, Mean, Position, Text, World
from causalcircuit.rows import load
from tests.truth import tiny
from tests.truth.ask import Engine
from tests.truth.say import call, cell, do, feed, given, index, masked, mean, op, read, row, site, token

LOGIT = read("logit", row("answer"))
HEAD, STREAM = site("layer[1].head[2].out", LAST), site("layer[0].resid", ALL)
NEURON = site("layer[1].mlp.neuron[5]", LAST)
MORE = [
    {"text": "Tom and Anna walked. Anna gave it to", "stranger": "Tom", "w": 1.0},
    {"text": "Mary met John and John gave a long letter to", "stranger": "Mary", "w": 3.0},
    {"text": "Anna thanked", "stranger": "Anna", "w": 0.5},
]


@pytest.fixture(scope="module")
def more(folder: Path) -> DataRef:
    """Three other prompts, of different length, with weights."""
    path = tiny.write_lines(folder / "more.jsonl", MORE)
    return DataRef("more", "jsonl", path, weight=Column("w"))


def prepared(made: Engine, *cells: Cell) -> Prepared:
    return prepare(make_plan(cells, made.data), {"m": made.model}, made.data)


def answers(made: Engine, *cells: Cell) -> list[np.ndarray]:
    return list(execute(prepared(made, *cells)).cells.values())


def codes(made: Engine, *cells: Cell) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        prepared(made, *cells)
    assert all(d.help for d in caught.value.diagnostics)
    return sorted(d.code for d in caught.value.diagnostics)


class ByHand:
    """Head 1.2 at the last token with plain hooks, one unpadded row at a time."""

    def __init__(self, folder: Path) -> None:
        self.model = GPT2LMHeadModel.from_pretrained(folder / "gpt2", dtype=torch.float64).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder / "gpt2")
        width = self.model.config.n_embd // self.model.config.n_head
        self.head = slice(2 * width, 3 * width)

    def forward(self, text: str, value: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """The last logits, and what the head wrote; with `value`, that is written instead."""
        seen: list[torch.Tensor] = []

        def hook(module: Any, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            x = args[0].clone()
            seen.append(x[0, -1, self.head].clone())
            if value is not None:
                x[0, -1, self.head] = value
            return (x,)

        handle = self.model.transformer.h[1].attn.c_proj.register_forward_pre_hook(hook)
        with torch.no_grad():
            logits = self.model(**self.tokenizer(text, return_tensors="pt")).logits[0, -1]
        handle.remove()
        return logits, seen[0]

    def logit(self, row: dict[str, Any], value: torch.Tensor) -> float:
        (token,) = self.tokenizer(row["answer"]).input_ids
        return float(self.forward(row["clean"], value)[0][token])


def test_as_by_hand(text: Engine, folder: Path, more: DataRef) -> None:
    hand = ByHand(folder)
    weights = torch.tensor([r["w"] for r in MORE], dtype=torch.float64)
    written = torch.stack([hand.forward(r["text"])[1] for r in MORE])
    reference = (weights[:, None] * written).sum(0) / weights.sum()
    expected = [hand.logit(r, reference) for r in tiny.PROMPTS]
    there, here, own = answers(
        text,
        cell(LOGIT, do((HEAD, Mean(HEAD, on=more)))),
        cell(LOGIT, do((HEAD, mean(HEAD)))),
        cell(LOGIT, do((HEAD, Mean(HEAD, on=text.data.ref)))),
    )
    np.testing.assert_allclose(there, expected, rtol=0, atol=1e-9)
    assert np.abs(there - here).min() > 1e-6
    assert np.array_equal(own, here), "the question's own data are no other data"


def test_as_a_run_on_the_other_data(text: Engine, more: DataRef) -> None:
    """What stands inside is read on the other rows, references too: a run there gives the same number."""
    smooth = do((STREAM, mean(STREAM, pooled=True)))
    (there,) = answers(text, cell(LOGIT, do((NEURON, Mean(given(NEURON, smooth), on=more)))))
    (seen,) = answers(Engine(text.model, load(more)), cell(call("avg", NEURON), smooth))
    (here,) = answers(text, cell(LOGIT, do((NEURON, float(np.average(seen, weights=[r["w"] for r in MORE]))))))
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-9)


def test_other_data_of_other_data(text: Engine, more: DataRef) -> None:
    """`on` inside a reference over `more` names the question's own data again."""
    back = do((STREAM, Mean(STREAM, pooled=True, on=text.data.ref)))
    plan = make_plan([cell(LOGIT, do((NEURON, Mean(given(NEURON, back), on=more))))], text.data)
    assert [p.data for p in plan.elsewhere] == [more]
    assert [p.data for p in plan.elsewhere[0].elsewhere] == [text.data.ref]
    assert plan.others == {more: 3, text.data.ref: 4}
    (there,) = execute(prepare(plan, {"m": text.model}, text.data)).cells.values()
    other = Engine(text.model, load(more))
    (seen,) = answers(other, cell(call("avg", NEURON), back))
    (here,) = answers(text, cell(LOGIT, do((NEURON, float(np.average(seen, weights=[r["w"] for r in MORE]))))))
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-9)


def test_one_reference_serves_all_questions(text: Engine, more: DataRef) -> None:
    there = Mean(HEAD, on=more)
    other = do((feed("input"), row("other")))
    plan = make_plan(
        [cell(LOGIT, do((HEAD, there))), cell(LOGIT, do(*pairs(other), (HEAD, op(2, "*", there))))], text.data
    )
    (sub,) = plan.elsewhere
    assert [r.statistic.on for r in sub.references] == [more]
    assert plan.row_passes == 2 * 4 + 3
    assert plan.references == ()
    assert len(plan.stages) == 1
    assert "3 rows of more" in str(plan)


def pairs(world: World) -> list[tuple[Expr, Expr]]:
    return [(a.target, a.value) for a in world.assignments]


def test_progress_and_cost_count_the_other_rows(text: Engine, more: DataRef) -> None:
    heard: list[tuple[int, int]] = []
    ready = prepared(text, cell(LOGIT, do((HEAD, Mean(HEAD, on=more)))))
    table = execute(ready, progress=lambda done, total: heard.append((done, total)), max_tokens=1)
    assert heard == [(k, 7) for k in range(1, 8)]
    assert table.cost["row_passes"] == 7
    assert table.elsewhere == {more: 3}


@pytest.mark.parametrize("after", [1, 4])
def test_interrupted(text: Engine, more: DataRef, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Three passes over the other rows come first; what is kept are whole rows of the question's own."""
    passes = 0
    forward = LoadedModel.forward

    def stop(self: LoadedModel, *args: Any) -> Any:
        nonlocal passes
        passes += 1
        if passes > after:
            raise KeyboardInterrupt
        return forward(self, *args)

    monkeypatch.setattr(LoadedModel, "forward", stop)
    table = execute(prepared(text, cell(LOGIT, do((HEAD, Mean(HEAD, on=more))))), max_tokens=1)
    assert (table.complete, table.n) == (False, max(0, after - 3))
    assert table.cost["row_passes"] == after


def test_a_number_of_positions_of_its_own(text: Engine, more: DataRef) -> None:
    """Rows of one length give a value a position, which fits rows of that length only; pooled ones fit all."""
    one = replace(more, where=Compare("=", Column("stranger"), Text("Tom")))
    assert codes(text, cell(LOGIT, do((STREAM, Mean(STREAM, on=one))))) == ["CQ526"]
    assert codes(text, cell(LOGIT, do((STREAM, Mean(STREAM, on=more))))) == ["CQ527"]
    (pooled,) = answers(text, cell(LOGIT, do((STREAM, Mean(STREAM, pooled=True, on=one)))))
    both = site("layer[0].resid", Position("list", parts=(FIRST, LAST)))
    (aligned,) = answers(text, cell(LOGIT, do((both, Mean(both, on=more)))))
    assert np.isfinite(pooled).all()
    assert np.isfinite(aligned).all()


def test_the_way_out_of_ragged_rows_keeps_the_data(text: Engine, more: DataRef) -> None:
    with pytest.raises(DiagnosticError) as caught:
        prepared(text, cell(LOGIT, do((STREAM, Mean(STREAM, on=more)))))
    assert "`mean(m.layer[0].resid @ all, pooled, on = more)`" in caught.value.diagnostics[0].help[0]


def test_what_is_wrong_on_both_data_is_told_at_once(text: Engine, more: DataRef) -> None:
    lost = site("layer[0].resid", token("name"))
    wrong = Mean(given(HEAD, do((site("layer[0].resid", index(99)), 0))), on=more)
    found = codes(
        text,
        cell(LOGIT, do((HEAD, wrong))),
        cell(LOGIT, do((lost, Mean(lost, on=more)))),
        cell(read("logit", "Bartholomew")),
    )
    assert found == ["CQ402", "CQ509", "CQ511"]


def test_other_data_that_feed_nothing(text: Engine, more: DataRef, folder: Path) -> None:
    bare = DataRef("bare", "jsonl", tiny.write_lines(folder / "bare.jsonl", [{"words": "Anna thanked"}]))
    assert codes(text, cell(LOGIT, do((HEAD, Mean(HEAD, on=bare))))) == ["CQ305"]
    fed = do((feed("input"), row("words")))
    (found,) = answers(text, cell(LOGIT, do((HEAD, Mean(given(HEAD, fed), on=bare)))))
    assert np.isfinite(found).all()
    nothing = replace(more, where=Compare("=", Column("stranger"), Text("nobody")))
    with pytest.raises(DiagnosticError) as caught:
        prepared(text, cell(LOGIT, do((HEAD, Mean(HEAD, on=nothing)))))
    assert [d.code for d in caught.value.diagnostics] == ["CQ405"]


def test_masks_on_other_data_say_where(scenes: Engine) -> None:
    figure = site("encoder.layer[0].resid", masked("inside", "mask"))
    picture = do((feed("image"), row("kitchen")))
    one = replace(scenes.data.ref, name="one", sample=(1, 3))
    value = Mean(given(figure, picture), pooled=True, on=one)
    ready = prepared(scenes, cell(read("logit", " Mary"), do(*pairs(picture), (site("encoder.out"), value))))
    assert [(n.code, n.where) for n in ready.notes] == [("CQ529", "one")]
