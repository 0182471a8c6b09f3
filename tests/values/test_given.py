"""Noise and vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given as some
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from causalcircuit.engine.vectors import noise, project_out, unit
from causalcircuit.query import ALL, LAST, Noise, Number, Site, Vector
from tests.truth.ask import truth
from tests.truth.say import call, cell, do, feed, given, op, read, row, site
from tests.values.conftest import Both

HEAD, STREAM, SPAN = site("layer[1].head[2].out", LAST), site("layer[0].resid", LAST), site("layer[0].resid", ALL)
LOGIT = read("logit", row("answer"))
KNOWN = Noise(1.0, 3, SPAN)
VECTOR = Vector("f.safetensors", "v", "0", tuple(np.random.default_rng(0).normal(size=24).tolist()))


def test_noise_is_standard_normal_and_independent() -> None:
    drawn = noise(KNOWN, 7, range(500), [range(4)] * 500).reshape(500, 4, 7)
    assert stats.kstest(drawn.flatten(), "norm").pvalue > 0.01
    flat = drawn.reshape(500, -1)
    correlations = np.corrcoef(flat.T) - np.eye(28)
    assert np.abs(correlations).max() < 4.5 / 500**0.5  # of 378 pairs
    assert noise(Noise(0.25, 3, SPAN), 7, [0], [[0]]) == pytest.approx(drawn[0, :1] * 0.25)


def test_noise_belongs_to_seed_row_address_position_and_component() -> None:
    one = noise(KNOWN, 24, [5], [[2]])
    assert (noise(KNOWN, 24, [4, 5], [[0, 1], [9, 2]])[3] == one[0]).all()
    other = [
        noise(Noise(1.0, 4, SPAN), 24, [5], [[2]]),
        noise(Noise(1.0, 3, site("layer[1].resid")), 24, [5], [[2]]),
        noise(KNOWN, 24, [6], [[2]]),
        noise(KNOWN, 24, [5], [[3]]),
    ]
    assert len({x.tobytes() for x in (one, *other)}) == 5
    renamed = Noise(1.0, 3, Site(type(SPAN.address)("old", SPAN.address.path), LAST))
    assert (noise(renamed, 24, [5], [[2]]) == one).all()


def added(made: Both, target: Site, world: tuple = ()) -> np.ndarray:
    """What noise changes of a site, by the engine."""
    before, after = do(*world), do(*world, (target, op(target, "+", Noise(0.5, 3))))
    axis = np.eye(24)
    cells = [cell(call("dot", given(target, w), _line(axis[k]))) for w in (before, after) for k in range(24)]
    table = made.table(*cells).cells
    got = np.stack([table[c] for c in cells], axis=1)
    return got[:, 24:] - got[:, :24]


def _line(x: np.ndarray) -> Vector:
    return Vector("axis", str(int(x.argmax())), "0", tuple(x.tolist()))


def test_noise_is_the_same_in_every_world(plain: Both) -> None:
    factual = added(plain, STREAM)
    smooth = added(plain, STREAM, ((site("layer[0].mlp.out"), 0),))
    assert np.abs(factual - smooth).max() < 1e-9
    lengths = [len(plain.brute.tokenizer(r["clean"]).input_ids) for r in plain.brute.rows]
    expected = noise(Noise(0.5, 3, STREAM), 24, range(6), [[n - 1] for n in lengths])
    assert np.abs(factual - expected).max() < 1e-9


def test_noise_does_not_depend_on_chunks_and_ways(plain: Both) -> None:
    asked = cell(LOGIT, do((SPAN, op(SPAN, "+", Noise(0.5, 3)))))
    one = plain.table(asked, max_tokens=1).cells[asked]
    assert np.abs(one - plain.table(asked).cells[asked]).max() < 1e-9
    assert np.abs(one - plain.table(asked, how="naive").cells[asked]).max() < 1e-9


def test_vectors_of_files(plain: Both) -> None:
    for asked in (
        cell(LOGIT, do((STREAM, VECTOR))),
        cell(LOGIT, do((SPAN, op(SPAN, "+", op(2, "*", call("unit", VECTOR)))))),
        cell(LOGIT, do((SPAN, call("project_out", SPAN, VECTOR)))),
        cell(call("dot", STREAM, VECTOR), do((feed("input"), row("other")))),
    ):
        assert np.abs(plain.table(asked).cells[asked] - truth(plain.brute, asked)).max() < 1e-9


NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda x: round(x, 6))


@settings(max_examples=80)
@some(arrays(np.float64, (3, 5), elements=NUMBERS), arrays(np.float64, (1, 5), elements=NUMBERS))
def test_what_is_left_is_orthogonal_and_stays(data: np.ndarray, along: np.ndarray) -> None:
    if np.abs(along).max() < 1e-3:
        return
    x, d = torch.tensor(data), torch.tensor(along)
    left = project_out(x, d, Number(0))
    scale = max(1.0, float(x.abs().max()))
    assert float((left * unit(d, Number(0))).sum(-1).abs().max()) <= 1e-12 * scale
    assert float((project_out(left, d, Number(0)) - left).abs().max()) <= 1e-12 * scale
    assert float((project_out(x, -3 * d, Number(0)) - left).abs().max()) <= 1e-11 * scale
    assert float((left.norm(dim=-1) - x.norm(dim=-1)).max()) <= 1e-12 * scale
