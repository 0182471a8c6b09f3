"""The module that logits come from, in every family that writes a vocabulary; divergences of a captioner's words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from causalcircuit.engine.outputs import size
from causalcircuit.models import unembedding
from causalcircuit.query import LAST, Column, DataRef, Distribution, Text
from causalcircuit.rows import load
from tests.families import Family, all_families, loading, named
from tests.multimodal.conftest import Load
from tests.truth.ask import Engine
from tests.truth.say import call, cell, do, given, index, site

WRITERS = [f for f in all_families() if f.facts.unembedding and not f.unbuildable]


@pytest.mark.parametrize("family", WRITERS, ids=lambda f: f.name)
def test_it_is_that_of_the_facts(family: Family, folder: Callable[[str], Path]) -> None:
    model = loading.load(folder(family.name), torch.float32, family.attentions[0])
    head, said = unembedding(model), model.get_submodule(family.facts.unembedding)
    if family.facts.unembedding == "classifier":
        assert head is None
    else:
        assert head is said


def test_a_divergence_of_a_captioner(rows: Path, loaded: Load) -> None:
    """BLIP leaves its words to an inner decoder; its distribution has the size of what that gives."""
    model = loaded("blip", attention=named("blip").attentions[0])
    feeds = (("image", Column("photo")), ("prefix", Text("the king gave")))
    made = Engine(model, load(DataRef("d", "jsonl", rows, feeds)))
    seen: list[torch.Tensor] = []
    head = unembedding(model.hf)
    assert head is not None
    handle = head.register_forward_hook(lambda _m, _a, out: seen.append(out.detach()))
    try:
        all_words = Distribution("m", LAST)
        world = do((site("encoder.layer[1].resid", index(3)), 0))
        kl = cell(call("kl", given(all_words, world), given(all_words)))
        found = made.ask([kl])[kl]
    finally:
        handle.remove()
    assert seen
    assert {x.shape[-1] for x in seen} == {size(model)}
    assert np.isfinite(found).all()
    assert (found > 0).all()
