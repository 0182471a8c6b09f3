"""The contract's clauses about gradients: a gradient that is cut or scaled is refused, in whichever layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from causalcircuit.models import LoadedModel
from causalcircuit.models.contract.prove import prove
from tests.models.planted import bent, detached, steeper

Family = Callable[..., LoadedModel]


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("gpt2", "layer[1].mlp.out"),
        ("llama", "layer[2].z"),
        ("mixtral", "layer[1].expert[1]"),
        ("bert", "layer[0].resid_mid"),
        ("gemma2", "layer[1].pattern"),
        ("granite", "layer[0].v"),
        ("falcon", "layer[1].attn.out"),
        ("whisper", "decoder.layer[1].cross.k"),
    ],
)
def test_a_gradient_that_is_scaled_or_cut(family: Family, name: str, tensor: str) -> None:
    """The numbers are right, so every other clause holds: the gradient alone is wrong, and of this tensor alone."""
    model = family(name)
    for fault in (steeper, detached):
        proof = prove(bent(model, tensor, fault), model.probe)
        assert proof.refused.keys() | proof.sloped.keys() == {tensor}
        said = {**proof.sloped, **proof.refused}[tensor]
        assert "disagrees with a central difference" in said or "something reads it" in said


def test_a_gradient_in_a_layer_that_stands_for_none(deep: LoadedModel) -> None:
    for layer in range(6):
        tensor = f"layer[{layer}].q"
        assert set(prove(bent(deep, tensor, steeper), deep.probe).sloped) == {tensor}
