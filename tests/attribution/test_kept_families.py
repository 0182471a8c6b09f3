"""Passes with some wires, family by family, against the engine's single wires, which know nothing of sums."""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.kept import readouts
from causalcircuit.attribution.passes import Question, Rows
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import FACTUAL, LAST, Cell
from tests.attribution.test_kept import BOUND, ask, assigned
from tests.attribution.test_wires import model_and_rows, moved
from tests.truth.say import M, read
from tests.wires.conftest import doubled

torch.set_num_threads(1)
SUMS = ("falcon", "granite", "mixtral", "vision_encoder_decoder")
MORE_SUMS = ("gpt_neox", "gptj", "bloom", "opt", "qwen3", "t5")
NO_SUMS = ("bart", "olmo2")
INSIDE = {"gptj": 1e-4, "bloom": 1e-4}
"""How near those are to single wires that cast to float32 inside."""


@pytest.mark.parametrize("name", [*SUMS, *(pytest.param(n, marks=pytest.mark.slow) for n in MORE_SUMS)])
def test_against_single_wires(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    # GPT-J and BLOOM are watched at work: a softmax of another name would not be seen. They cast to float32 inside.
    with warnings.catch_warnings(action="ignore"), nullcontext() if name in INSIDE else doubled():
        model, data, word = model_and_rows(name, tmp_path_factory)
        start, readout = moved(model), read("logit", word, position=LAST)
        bench = Bench(Rows(model, data, Question(M, readout, start, FACTUAL)))
        n = len(bench.wiring)
        draw = torch.Generator().manual_seed(3)
        some = torch.ones(n, dtype=torch.bool)
        some[torch.randperm(n, generator=draw)[:8]] = False
        masks = [torch.zeros(n, dtype=torch.bool), some, torch.ones(n, dtype=torch.bool)]
        found, _ = readouts(bench, masks)
        truth = ask(
            model,
            data,
            [
                Cell(readout, start),
                Cell(readout, assigned(bench, some, readout, start, FACTUAL)),
                Cell(readout, FACTUAL),
            ],
        )
    for mine, theirs in zip(found, truth, strict=True):
        assert np.allclose(mine.numpy(), theirs, rtol=0, atol=INSIDE.get(name, BOUND))
    assert len({round(float(f[0]), 7) for f in found}) == 3


@pytest.mark.parametrize(
    "name", ["bert", "gemma2", "llava", *(pytest.param(n, marks=pytest.mark.slow) for n in NO_SUMS)]
)
def test_streams_that_are_no_sums(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with warnings.catch_warnings(action="ignore"):
        model, data, word = model_and_rows(name, tmp_path_factory)
        bench = Bench(Rows(model, data, Question(M, read("logit", word, position=LAST), moved(model), FACTUAL)))
        with pytest.raises(DiagnosticError) as caught:
            readouts(bench, [torch.ones(len(bench.wiring), dtype=torch.bool)])
    assert caught.value.diagnostics[0].code == "CQ795"
