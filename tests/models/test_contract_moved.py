"""How far items are from the first one, all at once, is what comparing them one by one says."""

from __future__ import annotations

import pytest
import torch

from causalcircuit.models.contract.close import gap
from causalcircuit.models.contract.moved import moved


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(4,), (3, 5), ()])
def test_it_is_the_gap_of_each_item(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    places = torch.randperm(40, generator=generator)[:30].reshape(5, 6)
    value = torch.randn(40, *shape, generator=generator).to(dtype)
    value[places[2]] = value[places[0]]
    found = moved(value, places)
    for item in range(5):
        one, other = value[places[0]], value[places[item]]
        assert found.gap(item) == gap(one, other)
        for before in range(8):
            assert found.gap(item, before) == gap(one[:before], other[:before])
    assert found.gap(2) == 0


def test_silence_is_no_distance() -> None:
    assert moved(torch.zeros(6, 3), torch.arange(6).reshape(2, 3)).gap(1) == 0
    assert moved(torch.zeros(6, 0), torch.arange(6).reshape(2, 3)).gap(1) == 0
    assert moved(torch.zeros(6, 3), torch.zeros(2, 0, dtype=torch.long)).gap(1) == 0


def test_no_number_is_no_agreement() -> None:
    value = torch.ones(4, 2)
    value[3, 1] = torch.nan
    found = moved(value, torch.arange(4).reshape(2, 2))
    assert found.gap(1, 1) == 0
    assert not found.gap(1) <= 1
