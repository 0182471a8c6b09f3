"""Filling the table: chunks, interruption, repeatability, weights, what can go wrong while running."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.engine.prepared import Prepared
from causalcircuit.models import LoadedModel
from causalcircuit.query import ALL, LAST, Cell, Column, Mean
from tests.truth.ask import Engine
from tests.truth.say import call, cell, do, feed, given, mean, op, read, row, site

LOGIT, LONG = read("logit", row("answer")), read("logprob", " gave a", " John")
HEAD, STREAM = site("layer[1].head[2].out", LAST), site("layer[0].resid", ALL)
OTHER = do((feed("input"), row("other")))
CELLS = [
    cell(LOGIT),
    cell(LONG),
    cell(LOGIT, OTHER),
    cell(LONG, do((HEAD, op(given(HEAD, OTHER), "-", mean(HEAD))))),
    cell(LOGIT, do((STREAM, op(STREAM, "*", row("dose"))))),
    cell(LOGIT, do((STREAM, Mean(given(STREAM, do((HEAD, mean(HEAD)))), pooled=True)))),
    cell(call("norm", STREAM), do((site("layer[0].mlp.out"), 0))),
]


def prepared(made: Engine, cells: list[Cell] = CELLS, data: Any = None) -> Prepared:
    rows = made.data if data is None else data
    return prepare(make_plan(cells, rows), {"m": made.model}, rows)


def test_chunks_do_not_change_the_numbers(text: Engine) -> None:
    whole = execute(prepared(text)).cells
    for limit in (1, 40, 100, 10_000):
        parts = execute(prepared(text), max_tokens=limit).cells
        for c in CELLS:
            np.testing.assert_allclose(parts[c], whole[c], rtol=0, atol=1e-11)


def test_runs_repeat_bit_for_bit(text: Engine, scenes: Engine) -> None:
    for made, cells in ((text, CELLS), (scenes, [cell(read("prob", " Mary"), do((feed("image"), row("kitchen"))))])):
        one, two = (execute(prepared(made, cells), max_tokens=80).cells for _ in range(2))
        assert all(np.array_equal(one[c], two[c]) for c in cells)


def test_row_order_does_not_matter(text: Engine) -> None:
    order = [2, 0, 3, 1]
    there, back = execute(prepared(text)), execute(prepared(text, data=text.data.take(order)))
    assert back.rows.tolist() == order
    for c in CELLS:
        np.testing.assert_allclose(back.cells[c], there.cells[c][order], rtol=0, atol=1e-11)


def test_the_table(text: Engine) -> None:
    ref = replace(text.data.ref, cluster=Column("twice"), weight=Column("w"))
    data = replace(text.data, ref=ref, columns={**text.data.columns, "w": [1, 2, 0.5, 1]})
    table = execute(prepared(text, data=data))
    assert table.complete
    assert table.rows.tolist() == [0, 1, 2, 3]
    assert table.cluster.tolist() == ["John", "Tom", "John", "John"]
    assert table.weight.tolist() == [1, 2, 0.5, 1]
    assert table.columns["dose"].dtype == np.float64
    assert table.columns["name"].dtype == object
    assert list(table.cells) == CELLS
    assert all(v.dtype == np.float64 and v.shape == (4,) for v in table.cells.values())
    assert table.cost["row_passes"] >= prepared(text).plan.row_passes


def test_progress_counts_rows_times_worlds(text: Engine) -> None:
    heard: list[tuple[int, int]] = []
    ready = prepared(text)
    execute(ready, progress=lambda done, total: heard.append((done, total)), max_tokens=60)
    assert len(heard) > 3
    assert {total for _, total in heard} == {ready.plan.row_passes}
    assert [d for d, _ in heard] == sorted({d for d, _ in heard})
    assert heard[-1][0] == ready.plan.row_passes


SIMPLE = [cell(LOGIT), cell(LOGIT, OTHER), cell(LOGIT, do((HEAD, given(HEAD, OTHER))))]


@pytest.mark.parametrize("after", range(1, 12))
def test_an_interrupted_run_keeps_whole_rows(text: Engine, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    whole = execute(prepared(text, SIMPLE), max_tokens=1).cells
    passes = 0
    forward = LoadedModel.forward

    def stop(self: LoadedModel, *args: Any) -> Any:
        nonlocal passes
        passes += 1
        if passes > after:
            raise KeyboardInterrupt
        return forward(self, *args)

    monkeypatch.setattr(LoadedModel, "forward", stop)
    table = execute(prepared(text, SIMPLE), max_tokens=1)
    assert not table.complete
    assert table.n == after // 3, "three passes a row"
    for c in SIMPLE:
        assert np.array_equal(table.cells[c], whole[c][: table.n])
        assert table.cells[c].shape == (table.n,)


def test_interrupted_before_a_reference_is_complete(text: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: LoadedModel, *args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(LoadedModel, "forward", stop)
    assert execute(prepared(text)).n == 0


def test_a_mean_weighs_rows(text: Engine) -> None:
    """Weights of 1, 0, 2 are a data set in which the rows stand once, never and twice."""
    cells = [cell(LOGIT, do((HEAD, mean(HEAD)))), cell(LOGIT, do((STREAM, mean(STREAM, pooled=True))))]
    ref = replace(text.data.ref, weight=Column("w"))
    weighted = replace(text.data, ref=ref, columns={**text.data.columns, "w": [1, 0, 2, 1]})
    repeated = text.data.take([0, 2, 2, 3])
    one, two = execute(prepared(text, cells, weighted)).cells, execute(prepared(text, cells, repeated)).cells
    for c in cells:
        np.testing.assert_allclose(one[c][[0, 2, 3]], two[c][[0, 1, 3]], rtol=0, atol=1e-11)


def test_dead_assignments_change_no_bit(text: Engine) -> None:
    """The factual value is the natural one, and what is behind the readout cannot move it."""
    cells = [cell(LOGIT), cell(LOGIT, do((STREAM, STREAM))), cell(LOGIT, do((STREAM, given(STREAM))))]
    a, b, c = execute(prepared(text, cells)).cells.values()
    np.testing.assert_allclose(b, a, rtol=0, atol=1e-12)
    np.testing.assert_allclose(c, a, rtol=0, atol=1e-12)


@pytest.mark.parametrize("factor", [1e200, float("inf")])
def test_outcomes_that_are_no_numbers(text: Engine, factor: float) -> None:
    wild = cell(LOGIT, do((HEAD, op(op(HEAD, "*", factor), "*", factor))))
    with pytest.raises(DiagnosticError) as caught:
        execute(prepared(text, [wild]))
    (problem,) = caught.value.diagnostics
    assert problem.code == "CQ701"
    assert "prompts.jsonl, row 0" in problem.located()


def test_no_hook_is_left(text: Engine, scenes: Engine) -> None:
    execute(prepared(text))
    with pytest.raises(DiagnosticError):
        execute(prepared(text, [cell(LOGIT, do((HEAD, op(HEAD, "/", 0))))]))
    assert not [m for m in text.model.hf.modules() if m._forward_hooks or m._forward_pre_hooks]


def test_answers_of_several_tokens_share_what_they_can(text: Engine) -> None:
    answers = read("prob", " gave a", " gave John", " Tom")
    ready = prepared(text, [cell(answers), cell(LOGIT)])
    assert {len(c) for c in ready.setups[0].continuations} == {1}, "one continuation, ` gave`, serves both"
    alone = [cell(read("prob", a)) for a in (" gave a", " gave John", " Tom")]
    table = execute(prepared(text, [cell(answers), *alone])).cells
    np.testing.assert_allclose(table[cell(answers)], sum(table[c] for c in alone), rtol=1e-12)


def test_assignments_reach_every_continuation(text: Engine) -> None:
    """Answers with different beginnings need several sequences a row; a world holds in all of them."""
    world = do((STREAM, op(STREAM, "*", 0.5)), (HEAD, given(HEAD, OTHER)))
    answers = (" gave a", " John Tom")
    together = execute(prepared(text, [cell(read("prob", *answers), world)])).cells
    alone = execute(prepared(text, [cell(read("prob", a), world) for a in answers])).cells
    np.testing.assert_allclose(*[sum(t.values()) for t in (together, alone)], rtol=1e-12)


def spelled(made: Engine, answer: str) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        execute(prepared(made, [cell(read("logprob", answer)), cell(read("logprob", answer), do((HEAD, 0)))]))
    return [d.code for d in caught.value.diagnostics]


def test_the_wrong_spelling_is_told(text: Engine) -> None:
    """A bias pushes an answer down and its other spelling up, so far that the latter is surely likelier."""
    import torch

    head = text.model.hf.lm_head
    written = text.model.tokenizer("Tom").input_ids[0]
    bias = torch.zeros(head.out_features, dtype=torch.float64)
    bias[written] = -50
    bias[text.model.tokenizer(" Tom").input_ids[0]] = 20
    head.bias = torch.nn.Parameter(bias, requires_grad=False)
    try:
        assert spelled(text, "Tom") == ["CQ702"]
        execute(prepared(text, [cell(read("logprob", " Tom"))]))
        execute(prepared(text, [cell(read("logprob", "Tom", " Tom"))]))
    finally:
        head.bias = None


def test_memory_that_is_too_small(text: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def full(self: LoadedModel, *args: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(LoadedModel, "forward", full)
    with pytest.raises(DiagnosticError) as caught:
        execute(prepared(text))
    assert [d.code for d in caught.value.diagnostics] == ["CQ703"]
