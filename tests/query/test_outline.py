"""A config alone tells the sites: the tables of `test_sites`, from the words of `config.json`."""

from __future__ import annotations

import pytest

from causalcircuit.query import site_table
from causalcircuit.query.outline import OutlineError
from tests.query.test_sites import CAPTIONER, GPT2

TEXT = {"model_type": "gpt2", "n_layer": 2, "n_head": 2, "n_embd": 8, "n_inner": 16, "n_positions": 32}
PICTURE = {
    "model_type": "vit",
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "hidden_size": 6,
    "intermediate_size": 12,
    "image_size": 32,
    "patch_size": 8,
}


def test_gpt2() -> None:
    assert site_table(TEXT) == GPT2


def test_captioner() -> None:
    decoder = {**TEXT, "n_layer": 1, "add_cross_attention": True}
    assert site_table({"model_type": "vision-encoder-decoder", "encoder": PICTURE, "decoder": decoder}) == CAPTIONER


def test_an_mlp_of_unsaid_width_has_four_times_the_stream() -> None:
    assert site_table({**TEXT, "n_inner": None}).towers[0].mlp == 32


def test_heads_may_be_wider_than_their_share() -> None:
    assert site_table({**TEXT, "head_dim": 16}).towers[0].head_dim == 16


@pytest.mark.parametrize("said", [("n_layer",), ("n_head",), ("n_embd",)])
def test_a_config_that_says_too_little_is_refused(said: tuple[str]) -> None:
    with pytest.raises(OutlineError, match=said[0]):
        site_table({name: x for name, x in TEXT.items() if name not in said})


@pytest.mark.parametrize(
    "config",
    [[], None, 3, {"encoder": 3, "decoder": TEXT}, {"encoder": PICTURE, "decoder": []}]
    + [{**TEXT, name: n} for name in ("n_layer", "n_head", "n_embd") for n in (0, -1)],
)
def test_a_config_that_is_none_is_refused(config: object) -> None:
    with pytest.raises(OutlineError):
        site_table(config)  # type: ignore[arg-type]
