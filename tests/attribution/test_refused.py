"""Questions that have no scores: each is refused with the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from causalcircuit.attribution import Question, scores
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import (
    ALL,
    FACTUAL,
    FIRST,
    LAST,
    Counterfactual,
    DataRef,
    Expr,
    Generated,
    Input,
    ModelRef,
    World,
)
from causalcircuit.rows import Dataset, load
from tests.truth import tiny
from tests.truth.say import M, do, op, read, row, site

torch.set_num_threads(1)
READOUT = read("logit", " Mary", position=LAST)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedModel, Dataset]:
    root = tmp_path_factory.mktemp("refused")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_lines(root / "prompts.jsonl", tiny.PROMPTS)
    data = load(DataRef("d", "jsonl", root / "prompts.jsonl", (("prompt", row("clean")),))).take([0, 3])
    return load_model(ModelRef(M, "./gpt2", root / "gpt2", dtype="float64")), data


def refused(pair: tuple[LoadedModel, Dataset], end: World, readout: Expr = READOUT, start: World = FACTUAL) -> str:
    with pytest.raises(DiagnosticError) as found:
        scores(*pair, Question(M, readout, start, end), "eap")
    (only,) = found.value.diagnostics
    return f"{only.code} {only.message}"


def test_a_readout_that_nothing_moves(pair: tuple[LoadedModel, Dataset]) -> None:
    last = site("final_norm", ALL)
    said = refused(pair, do((site("embed", ALL), op(site("embed", ALL), "*", 2))), start=do((last, 0.5)))
    assert said.startswith("CQ785 every wire")
    assert "the gradient of the readout is zero" in said


def test_worlds_that_write_the_same(pair: tuple[LoadedModel, Dataset]) -> None:
    said = refused(pair, do((site("embed", ALL), op(site("embed", ALL), "*", 1))))
    assert said.startswith("CQ785")
    assert "nothing that is written differs" in said


def test_a_readout_that_what_differs_does_not_reach(pair: tuple[LoadedModel, Dataset]) -> None:
    late = site("embed", LAST)
    said = refused(pair, do((late, op(late, "*", 2))), read("logit", " Mary", position=FIRST))
    assert said.startswith("CQ785")
    assert "the readout does not depend on what differs" in said


def test_prompts_of_other_lengths_are_named_by_row(pair: tuple[LoadedModel, Dataset]) -> None:
    model, data = pair
    longer = replace(data, columns={**data.columns, "longer": [data.columns["clean"][0], data.columns["clean"][0]]})
    said = refused((model, longer), do((Input(M, "input"), row("longer"))))
    assert said.startswith("CQ786")
    assert "positions do not match" in said


def test_scores_that_are_no_numbers(pair: tuple[LoadedModel, Dataset]) -> None:
    model, data = pair
    block = model.stacks[0].blocks[1].module
    norm = next(m for m in block.modules() if isinstance(m, nn.LayerNorm))
    weight = norm.weight.data.clone()
    end = do((site("embed", ALL), op(site("embed", ALL), "*", 2)))
    try:
        norm.weight.data.fill_(1e308)
        with pytest.raises(DiagnosticError) as found:
            scores(model, data, Question(M, READOUT, FACTUAL, end), "eap")
        assert found.value.diagnostics[0].code == "CQ787"
        assert "layer 1 is not finite in `from`" in found.value.diagnostics[0].message
    finally:
        norm.weight.data.copy_(weight)


@pytest.mark.parametrize("held", ["layer[0].resid", "layer[1].mlp.in", "layer[1].attn.in", "layer[0].attn.out"])
def test_a_world_that_holds_the_stream(held: str, pair: tuple[LoadedModel, Dataset]) -> None:
    end = do((site("embed", ALL), op(site("embed", ALL), "*", 2)))
    assert refused(pair, end, start=do((site(held, ALL), 0.5))).startswith("CQ788")


def test_a_world_that_takes_a_value_of_its_own(pair: tuple[LoadedModel, Dataset]) -> None:
    end = do((site("embed", ALL), op(site("embed", ALL), "*", 2)))
    start = do((site("layer[1].head[0].out", ALL), site("layer[0].head[1].out", ALL)))
    assert refused(pair, end, start=start).startswith("CQ788")


def test_a_world_with_a_generated_text(pair: tuple[LoadedModel, Dataset]) -> None:
    written = Counterfactual(Generated(M, 3), do((site("embed", ALL), op(site("embed", ALL), "*", 2))))
    assert refused(pair, do((Input(M, "input"), written))).startswith("CQ788")
