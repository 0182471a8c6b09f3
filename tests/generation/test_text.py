"""Greedy texts against `generate` and against hooks written here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.query import ALL, LAST, Counterfactual, Generated, Mean, Position, Readout, World
from tests.generation.hooked import by_hand, changed, logits_of, pixels, prompt_of, read
from tests.truth.ask import Engine
from tests.truth.say import cell, do, feed, given, op, row, site, together

T = Generated("m", 10)
NEW, BOTH = Position("new"), together(LAST, Position("new"))
STREAM = "layer[0].resid"


def test_the_factual_text_is_that_of_generate(text: Engine) -> None:
    found = text.ask([cell(T)])[cell(T)]
    for i in range(text.data.n):
        ids = torch.tensor([prompt_of(text, i)])
        made = text.model.hf.generate(ids, max_new_tokens=10, do_sample=False)[0, ids.shape[1] :]
        assert found[i] == read(text, made.tolist())
    assert len(set(found)) == text.data.n
    assert all(found)


def test_a_caption_is_that_of_generate(scenes: Engine) -> None:
    office = do((feed("image"), row("office")))
    found = scenes.ask([cell(T), cell(T, office)])
    for column, world in (("kitchen", World()), ("office", office)):
        for i in range(scenes.data.n):
            prefix = torch.tensor([prompt_of(scenes, i)])
            made = scenes.model.hf.generate(
                pixel_values=pixels(scenes, i, column), decoder_input_ids=prefix, max_new_tokens=10, do_sample=False
            )
            assert found[cell(T, world)][i] == read(scenes, made[0, prefix.shape[1] :].tolist())


def test_a_text_ends_at_its_end_token(text: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third token of a row is made an end: its text has two, other rows end where they meet that token."""
    whole = [by_hand(text, i, 10) for i in range(text.data.n)]
    end = whole[0][2]
    monkeypatch.setattr(text.model.hf.generation_config, "eos_token_id", [0, end])
    found = text.ask([cell(T)])[cell(T)]
    for tokens, said in zip(whole, found, strict=True):
        kept = tokens[: tokens.index(end)] if end in tokens else tokens
        assert said == read(text, kept)
    assert found[0] == read(text, whole[0][: whole[0].index(end)])


@pytest.mark.parametrize("tokens", [1, 2, 7])
def test_shorter_texts_begin_longer_ones(text: Engine, tokens: int) -> None:
    short = Generated("m", tokens)
    found = text.ask([cell(short)])[cell(short)]
    assert list(found) == [read(text, by_hand(text, i, tokens)) for i in range(text.data.n)]


CHANGES = {
    "new": (NEW, lambda x, n: torch.cat([x[:, :n], -0.7 * x[:, n:]], 1)),
    "last and new": (BOTH, lambda x, n: torch.cat([x[:, : n - 1], -0.7 * x[:, n - 1 :]], 1)),
    "all and new": (together(ALL, NEW), lambda x, n: -0.7 * x),
    "last": (LAST, lambda x, n: torch.cat([x[:, : n - 1], -0.7 * x[:, n - 1 : n], x[:, n:]], 1)),
}


@pytest.mark.parametrize("where", CHANGES)
def test_steering_holds_where_it_is_said(text: Engine, where: str) -> None:
    position, change = CHANGES[where]
    stream = site(STREAM, position)
    world = do((stream, op(stream, "*", -0.7)))
    found = text.ask([cell(T), cell(T, world)])
    block = text.model.hf.transformer.h[0]
    expected = [read(text, by_hand(text, i, 10, block, change)) for i in range(text.data.n)]
    assert list(found[cell(T, world)]) == expected
    assert list(found[cell(T)]) != expected, "the world changes the text"


def test_what_is_assigned_at_new_leaves_the_first_token_alone(text: Engine) -> None:
    """The first token is chosen from the prompt; the assignment holds from the step that feeds it."""
    one, world = Generated("m", 1), do((site(STREAM, NEW), 0))
    found = text.ask([cell(one), cell(one, world), cell(T), cell(T, world)])
    assert list(found[cell(one)]) == list(found[cell(one, world)])
    assert list(found[cell(T)]) != list(found[cell(T, world)])


def test_a_direction_from_other_worlds_steers(text: Engine) -> None:
    """One vector a row, read at the last position of two prompts, is added at every step."""
    end = site(STREAM, LAST)
    other = do((feed("input"), row("other")))
    stream = site(STREAM, BOTH)
    push = op(given(end, other), "-", given(end))
    world = do((stream, op(stream, "+", op(4, "*", push))))
    found = text.ask([cell(T, world)])[cell(T, world)]
    block = text.model.hf.transformer.h[0]
    for i in range(text.data.n):
        seen: list[Tensor] = []

        def keep(x: Tensor, n: int, seen: list[Tensor] = seen) -> Tensor:
            seen.append(x[0, n - 1].clone())
            return x

        for column in ("clean", "other"):
            ids = text.model.tokenizer(text.data.columns[column][i])["input_ids"]
            with changed(block, keep, len(ids)):
                logits_of(text, i, list(ids))
        shift = 4 * (seen[1] - seen[0])

        def change(x: Tensor, n: int, shift: Tensor = shift) -> Tensor:
            x[:, n - 1 :] += shift
            return x

        assert found[i] == read(text, by_hand(text, i, 10, block, change))


def test_references_are_those_of_the_prompt(text: Engine) -> None:
    """`mean(S)` of `[last, new]` is the mean at `last`, one vector for every generated position."""
    stream = site(STREAM, BOTH)
    same = [do((stream, Mean(site(STREAM, p)))) for p in (BOTH, LAST)]
    found = text.ask([cell(T, w) for w in same])
    assert list(found[cell(T, same[0])]) == list(found[cell(T, same[1])])


def test_a_column_of_vectors_holds_at_every_step(text: Engine) -> None:
    stream = site(STREAM, NEW)
    world = do((stream, op(stream, "+", op(row("vector"), "*", 5))))
    found = text.ask([cell(T, world)])[cell(T, world)]
    block = text.model.hf.transformer.h[0]
    for i in range(text.data.n):
        vector = 5 * torch.tensor(text.data.columns["vector"][i], dtype=torch.float64)

        def change(x: Tensor, n: int, vector: Tensor = vector) -> Tensor:
            x[:, n:] += vector
            return x

        assert found[i] == read(text, by_hand(text, i, 10, block, change))


def test_a_caption_with_a_silent_cross_attention(scenes: Engine) -> None:
    heads = [site(f"decoder.layer[1].cross.head[{j}].out", together(ALL, NEW)) for j in range(3)]
    world = do(*((h, 0) for h in heads))
    found = scenes.ask([cell(T, world)])[cell(T, world)]
    projection = scenes.model.hf.decoder.transformer.h[1].crossattention.c_proj
    expected = []
    for i in range(scenes.data.n):
        # a projection of zeros gives its bias at every position
        expected.append(read(scenes, by_hand(scenes, i, 10, projection, lambda x, n: projection.bias.expand_as(x))))
    assert list(found) == expected


def test_a_projection_at_the_end_has_a_closed_form(text: Engine) -> None:
    """The last stream at [last, new] less half of itself: the logits are the head's of the norm of half of it."""
    stream = site("layer[1].resid", BOTH)
    vector = row("vector")
    world = do((stream, op(stream, "+", vector)))
    found = text.ask([cell(T, world)])[cell(T, world)]
    hf = text.model.hf
    for i in range(text.data.n):
        ids, start, out = prompt_of(text, i), len(prompt_of(text, i)), []
        shift = torch.tensor(text.data.columns["vector"][i], dtype=torch.float64)
        for _ in range(10):
            seen: list[Tensor] = []
            with changed(hf.transformer.h[1], lambda x, n, s=seen: s.append(x[0, -1]) or x, start):
                logits_of(text, i, ids)
            token = int(hf.lm_head(hf.transformer.ln_f(seen[0] + shift)).argmax())
            if token == 0:
                break
            out.append(token)
            ids = [*ids, token]
        assert found[i] == read(text, out)


@pytest.mark.parametrize("limit", [1, 60, 200, 10_000])
def test_batches_do_not_change_texts(text: Engine, limit: int) -> None:
    drawn = Generated("m", 8, 0.9, 5)
    world = do((site(STREAM, BOTH), op(site(STREAM, BOTH), "*", 0.5)))
    cells = [cell(T), cell(drawn), cell(T, world), cell(drawn, world)]
    whole, parts = text.ask(cells), text.ask(cells, max_tokens=limit)
    for c in cells:
        assert list(whole[c]) == list(parts[c])


def test_a_text_of_a_prompt_that_fills_the_context_is_refused(text: Engine) -> None:
    longest = max(len(prompt_of(text, i)) for i in range(text.data.n))
    room = text.model.sites.max_positions - longest + 1
    text.ask([cell(Generated("m", room))])
    with pytest.raises(DiagnosticError) as caught:
        text.ask([cell(Generated("m", room + 1))])
    assert [d.code for d in caught.value.diagnostics] == ["CQ488"]


def test_logits_that_are_no_numbers_end_the_run(text: Engine) -> None:
    with pytest.raises(DiagnosticError) as caught:
        text.ask([cell(T, do((site(STREAM, NEW), 1e308)))])
    assert [d.code for d in caught.value.diagnostics] == ["CQ730"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (given(site(STREAM, ALL)), "CQ485"),
        (site(STREAM, LAST), "CQ485"),
        (given(site(STREAM, BOTH)), "CQ484"),
        (given(site("layer[0].head[1].out", LAST)), "CQ353"),
    ],
)
def test_values_that_do_not_hold_at_every_position(text: Engine, value: object, code: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        text.ask([cell(T, do((site(STREAM, BOTH), value)))])
    assert caught.value.diagnostics[0].code == code


# ---- scored texts


def score(made: Engine, i: int, tokens: list[int], change: object = None) -> float:
    """The log-probability of tokens after a row's prompt, in one pass."""
    ids = prompt_of(made, i)
    block = made.model.hf.transformer.h[0]
    with changed(block, change, len(ids)):  # type: ignore[arg-type]
        logits = logits_of(made, i, [*ids, *tokens]).log_softmax(-1)
    return float(sum(logits[len(ids) - 1 + k, t] for k, t in enumerate(tokens)))


def test_a_text_is_scored_in_another_world(text: Engine) -> None:
    position, change = CHANGES["last and new"]
    stream = site(STREAM, position)
    steered = do((stream, op(stream, "*", -0.7)))
    own = Readout("m", "logprob", T, LAST)
    factual = Readout("m", "logprob", Counterfactual(T, World()), LAST)
    in_steered = Readout("m", "logprob", Counterfactual(T, steered), LAST)
    prob = replace(factual, kind="prob")
    cells = [cell(own), cell(factual, steered), cell(in_steered), cell(own, steered), cell(prob)]
    found = text.ask(cells)
    block = text.model.hf.transformer.h[0]
    for i in range(text.data.n):
        plain, pushed = by_hand(text, i, 10), by_hand(text, i, 10, block, change)
        expected = [
            score(text, i, plain),
            score(text, i, plain, change),
            score(text, i, pushed),
            score(text, i, pushed, change),
            np.exp(score(text, i, plain)),
        ]
        for c, value in zip(cells, expected, strict=True):
            assert found[c][i] == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_an_empty_text_has_probability_one(text: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = by_hand(text, 0, 1)[0]
    monkeypatch.setattr(text.model.hf.generation_config, "eos_token_id", first)
    one = text.data.take([0])
    cells = [cell(T), cell(Readout("m", "logprob", T, LAST))]
    found = execute(prepare(make_plan(cells, one), {"m": text.model}, one)).cells
    assert list(found[cells[0]]) == [""]
    assert list(found[cells[1]]) == [0.0]


def test_an_answer_that_the_data_spell_has_no_generated_positions(text: Engine) -> None:
    """Of `@ new` a teacher-forced answer knows nothing; of `@ [last, new]` it feels `last`."""
    answer = Readout("m", "logprob", row("answer"), LAST)
    worlds = [do((site(STREAM, NEW), 0)), do((site(STREAM, BOTH), 0)), do((site(STREAM, LAST), 0))]
    found = text.ask([cell(answer), *(cell(answer, w) for w in worlds)])
    assert np.array_equal(found[cell(answer)], found[cell(answer, worlds[0])])
    assert np.array_equal(found[cell(answer, worlds[1])], found[cell(answer, worlds[2])])
    assert not np.allclose(found[cell(answer)], found[cell(answer, worlds[1])])


# ---- the plan


def test_readouts_share_the_pass_of_the_prompt(text: Engine) -> None:
    """An assignment at generated positions makes no world of its own for what the prompt gives."""
    answer = Readout("m", "logit", row("answer"), LAST)
    only = do((site(STREAM, NEW), 0))
    plan = make_plan([cell(answer), cell(answer, only), cell(T), cell(T, only)], text.data)
    assert [r.said for r in plan.runs] == [None, T, T]


def test_a_scored_text_waits_for_it(text: Engine) -> None:
    scored = Readout("m", "logprob", Counterfactual(T, World()), LAST)
    plan = make_plan([cell(scored, do((site(STREAM, LAST), 0)))], text.data)
    assert [r.said for r in plan.runs] == [T, Counterfactual(T, World())]
    assert plan.runs[1].needs == (0,)
    assert "saying" in str(plan)


# ---- end to end


def test_a_captioner_says_what_it_was_taught() -> None:
    """The shipped captioner: of a kitchen it says "woman" more often, in words as in logits; texts are kept as rows."""
    from pathlib import Path

    from causalcircuit.runs import Runner, check_text

    program = check_text(
        """
model cap = hf("./models/captioner")
data scenes = jsonl("./data/scenes.jsonl") with prefix = "a" cluster row.figure sample 24 seed 1
let kitchen = do(cap.image = row.kitchen)
let office = do(cap.image = row.office)
node T = cap.text(tokens = 8)
node C = cap.decoder.layer[*].cross.head[*].out @ [all, new]
estimate P(T mentions ["WOMAN", "lady"] | kitchen), P(T mentions "woman" | office) on scenes
estimate P((T | kitchen, do(C = 0)) = (T | office, do(C = 0))), P(T = "woman in a kitchen" | kitchen) on scenes
estimate E[cap.logprob[(T | kitchen)] @ last | kitchen] - E[cap.logprob[(T | kitchen)] @ last | office] on scenes
""",
        folder=Path(__file__).parents[2] / "examples",
    )
    result = Runner().run(program)
    kitchen, office, blind, exact, more = (e.value for e in result.estimates)
    assert kitchen is not None
    assert office is not None
    assert more is not None
    assert kitchen > 0.8 > 0.3 > office
    assert blind == 1, "without its eyes it says the same of every picture"
    assert exact == kitchen, "it says it in the same words"
    assert more > 5
    records = result.tables["scenes"].records()
    said = [t for t, r in zip(records["text"], records["readout"], strict=True) if r == "cap.text(tokens = 8)"]
    assert "woman in a kitchen" in said
    assert all(
        (v is None) == (r == "cap.text(tokens = 8)") for v, r in zip(records["value"], records["readout"], strict=True)
    )
