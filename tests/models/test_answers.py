"""Answers as tokens."""

from __future__ import annotations

import pytest

from causalcircuit.models import LoadedModel, RowError, check_answers, encode_answer, other_spelling, respelled


def test_an_answer_is_the_exact_string(gpt2: LoadedModel) -> None:
    spaced, bare = encode_answer(gpt2, " Mary"), encode_answer(gpt2, "Mary")
    assert spaced != bare
    assert gpt2.tokenizer.decode(spaced) == " Mary"


def test_a_captioners_answer_has_no_start_token(captioner: LoadedModel) -> None:
    assert captioner.tokenizer.decode(encode_answer(captioner, " Mary")) == " Mary"


def test_the_other_spelling(gpt2: LoadedModel) -> None:
    assert respelled(" Mary") == "Mary"
    assert respelled("Mary") == " Mary"
    assert other_spelling(gpt2, "Tom") == encode_answer(gpt2, " Tom")[0]
    assert other_spelling(gpt2, "Bartholomew") is None
    assert other_spelling(gpt2, " ") is None


@pytest.mark.parametrize(
    ("kind", "texts", "at_last", "code"),
    [
        ("logit", ["Bartholomew"], True, "CQ511"),
        ("logprob", ["Bartholomew"], False, "CQ511"),
        ("prob", [" gave", " gave a"], True, "CQ512"),
        ("prob", [" Mary", " Mary"], True, "CQ512"),
    ],
)
def test_refused(gpt2: LoadedModel, kind: str, texts: list[str], at_last: bool, code: str) -> None:
    answers = [encode_answer(gpt2, t) for t in texts]
    with pytest.raises(RowError) as caught:
        check_answers(gpt2, kind, texts, answers, at_last)
    assert caught.value.code == code


def test_several_tokens_are_shown(gpt2: LoadedModel) -> None:
    with pytest.raises(RowError) as caught:
        check_answers(gpt2, "logit", ["Bartholomew"], [encode_answer(gpt2, "Bartholomew")], True)
    shown = caught.value.detail.split(" is ", 1)[1].replace('"', "").replace(" + ", "")
    assert shown == "Bartholomew"


def test_an_empty_answer(gpt2: LoadedModel) -> None:
    with pytest.raises(RowError) as caught:
        encode_answer(gpt2, "")
    assert caught.value.code == "CQ510"


def test_a_word_that_the_vocabulary_lacks(gpt2: LoadedModel) -> None:
    from dataclasses import replace

    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<unk>": 0, "woman": 1}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    made = replace(gpt2, tokenizer=PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>"))
    assert encode_answer(made, "woman") == (1,)
    with pytest.raises(RowError) as caught:
        encode_answer(made, "womn")
    assert caught.value.code == "CQ513"
