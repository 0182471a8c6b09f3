"""Drawn texts: frequencies against the softmax, noise that belongs to the row and to nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest

from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models.decoding import choose, gumbel
from causalcircuit.query import LAST, Generated, Position
from causalcircuit.rows import Dataset
from tests.generation.hooked import logits_of, prompt_of, read
from tests.truth.ask import Engine
from tests.truth.say import cell, do, feed, op, row, site, together

D = Generated("m", 6, 0.9, 5)


def test_the_noise_is_gumbel() -> None:
    noise = np.concatenate([gumbel(3, r, s, 500) for r in range(20) for s in range(2)])
    assert kstest(noise, lambda x: np.exp(-np.exp(-x))).pvalue > 1e-3
    # neighbours in row, step and token are unrelated: |r| < 4 / √n
    table = np.stack([gumbel(3, r, 0, 2000) for r in range(6)] + [gumbel(3, 0, s, 2000) for s in range(1, 6)])
    off = np.corrcoef(table) - np.eye(len(table))
    assert np.abs(off).max() < 4 / np.sqrt(2000)
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 4 / np.sqrt(noise.size)


def test_the_noise_is_a_function_of_seed_row_step_and_token() -> None:
    known = gumbel(3, 7, 2, 50)
    assert np.array_equal(known, gumbel(3, 7, 2, 50))
    assert np.array_equal(known, gumbel(3, 7, 2, 90)[:50]), "a token's noise does not depend on the vocabulary"
    for other in ((4, 7, 2), (3, 8, 2), (3, 7, 3)):
        assert not np.isclose(known, gumbel(*other, 50)).any()


def test_large_seeds_and_rows() -> None:
    assert np.isfinite(gumbel(2**63 - 1, 2**40, 100_000, 10)).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_are_of_the_softmax(temperature: float) -> None:
    """20,000 rows of one distribution, by χ² at 0.1%: a correct sampler fails at one seed in a thousand."""
    logits = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, -3.0], dtype=torch.float64)
    n = 20_000
    drawn = choose(logits.expand(n, -1), temperature, 11, range(n), 0)
    counts = np.bincount(drawn, minlength=6)
    expected = (logits / temperature).softmax(0).numpy() * n
    assert chisquare(counts, expected).pvalue > 1e-3


def test_greedy_takes_the_first_of_equals_and_refuses_no_numbers() -> None:
    assert choose(torch.tensor([[0.0, 2.0, 2.0], [5.0, 1.0, -torch.inf]]), None, None, [0, 1], 0) == [1, 0]
    assert choose(torch.tensor([[0.0, torch.nan]]), None, None, [0], 0) is None
    assert choose(torch.tensor([[torch.inf, 0.0]]), 1.0, 1, [0], 0) is None
    assert choose(torch.tensor([[-torch.inf, -torch.inf]]), 1.0, 1, [0], 0) is None


def test_texts_are_drawn_as_is_said(text: Engine) -> None:
    """Every step's token is that of the largest `logits / temperature` plus the row's noise."""
    found = text.ask([cell(D)])[cell(D)]
    for i in range(text.data.n):
        ids, out = prompt_of(text, i), []
        for step in range(6):
            scores = logits_of(text, i, ids)[-1].numpy() / 0.9 + gumbel(5, text.data.rows[i], step, 320)[: len_of(text)]
            token = int(scores.argmax())
            if token == 0:
                break
            out.append(token)
            ids = [*ids, token]
        assert found[i] == read(text, out)


def len_of(made: Engine) -> int:
    return int(made.model.hf.config.vocab_size)


def test_the_first_tokens_of_many_seeds_have_the_probabilities_of_the_model(text: Engine) -> None:
    """600 seeds, row 0: tokens that are expected at least 5 times, and the rest, by χ² at 0.1%."""
    one = text.data.take([0])
    cells = [cell(Generated("m", 1, 1.0, seed)) for seed in range(600)]
    found = execute(prepare(make_plan(cells, one), {"m": text.model}, one)).cells
    p = logits_of(text, 0, prompt_of(text, 0))[-1].softmax(-1).numpy()
    said: Counter[str] = Counter(found[c][0] for c in cells)
    chances: Counter[str] = Counter()
    for token, chance in enumerate(p):
        chances[read(text, [token]) if token else ""] += chance
    common = [w for w, chance in chances.items() if chance * 600 >= 5]
    counts = [said[w] for w in common] + [600 - sum(said[w] for w in common)]
    expected = [chances[w] * 600 for w in common]
    expected.append(600 - sum(expected))
    assert len(common) > 10
    assert chisquare(counts, expected).pvalue > 1e-3


def test_the_same_row_has_the_same_noise_wherever_it_stands(text: Engine) -> None:
    """Other batches, other orders, fewer rows: each row draws its own text, bit for bit the same choice."""
    cells = [cell(D)]

    def ask(data: Dataset, limit: int = 2048) -> dict[int, str]:
        table = execute(prepare(make_plan(cells, data), {"m": text.model}, data), max_tokens=limit)
        return dict(zip(table.rows.tolist(), table.cells[cells[0]], strict=True))

    whole = ask(text.data)
    assert ask(text.data, 1) == whole
    assert ask(text.data.take([3, 1, 0, 2]), 60) == whole
    assert ask(text.data.take([2])) == {2: whole[2]}


def test_worlds_share_the_noise(text: Engine) -> None:
    """An assignment that changes nothing changes no text; a small one few; another seed nearly all."""
    stream = site("layer[0].resid", together(LAST, Position("new")))
    still, little = do((stream, op(stream, "*", 1))), do((stream, op(stream, "*", 1.0000001)))
    long = [Generated("m", 10, 1.0, seed) for seed in (1, 2)]
    found = text.ask([cell(long[0]), cell(long[0], still), cell(long[0], little), cell(long[1])])
    assert list(found[cell(long[0])]) == list(found[cell(long[0], still)]) == list(found[cell(long[0], little)])
    assert not set(found[cell(long[0])]) & set(found[cell(long[1])])


def test_rows_of_one_prompt_draw_different_texts(text: Engine, tmp_path: Path) -> None:
    other = do((feed("input"), "Mary and John"))
    found = text.ask([cell(D, other), cell(Generated("m", 6), other)])
    assert len(set(found[cell(D, other)])) == text.data.n
    assert len(set(found[cell(Generated("m", 6), other)])) == 1
    assert row("clean").name in text.data.columns
