"""Every kind of tap carries a dictionary: one that says its site without error, taken to zero, is the site at zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.dictionaries.conftest import Ask, save

SITES = {
    "embed": 24,
    "layer[1].resid_in": 24,
    "layer[0].attn.in": 24,
    "layer[1].head[2].q": 8,
    "layer[1].kv[1].k": 8,
    "layer[0].kv[2].v": 8,
    "layer[1].head[0].out": 8,
    "layer[0].attn.out": 24,
    "layer[0].resid_mid": 24,
    "layer[1].mlp.in": 24,
    "layer[1].mlp.out": 24,
    "final_norm": 24,
}


@pytest.mark.parametrize("site", SITES)
def test_all_features_at_zero_are_the_site_at_zero(ask: Ask, folder: Path, site: str) -> None:
    width = SITES[site]
    q = torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(6), dtype=torch.float64))[0]
    both = torch.cat([q, -q], dim=1)
    save(folder / f"whole{width}.safetensors", metadata={"activation": "relu"}, W_enc=both, W_dec=both.T)
    features, itself, left, plain = ask(
        f"""
model s = sae("./whole{width}.safetensors", at = m.{site})
estimate E[m.logit[" Mary"] @ last | do(s.features @ all = 0)], E[m.logit[" Mary"] @ last | do(m.{site} @ all = 0)],
  E[norm(s.error @ all)], E[m.logit[" Mary"] @ last] on d
"""
    )
    np.testing.assert_allclose(features, itself, atol=1e-8)
    np.testing.assert_allclose(left, 0, atol=1e-8)
    assert np.abs(itself - plain).max() > 1e-4
