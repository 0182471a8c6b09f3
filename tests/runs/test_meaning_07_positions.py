"""Meaning 7: positions are resolved once, on the prompt that the node's world feeds."""

import pytest

from causalcircuit.diagnostics import DiagnosticError
from tests.runs.asking import ask, value

SECOND = "token(row.subject in row.base, row.other in row.source, 2)"


def codes(question: str) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        ask(question)
    return [d.code for d in caught.value.diagnostics]


def test_last_is_the_last_prompt_position_of_every_row() -> None:
    zeroed = "E[LD | do(gpt2.layer[1].resid @ {} = 0)]"
    assert value(zeroed.format("last")) == value(zeroed.format("-1"))
    # all logits of a zero stream are equal up to the bias of the last norm, which every row shares
    assert value(zeroed.format("last")) != value("E[LD]")


def test_all_is_joint_and_covers_the_last() -> None:
    frozen = "E[LD | corrupt, do(gpt2.layer[0].resid @ all = (gpt2.layer[0].resid @ all | do()))]"
    assert value(frozen) == pytest.approx(value("E[LD]"), abs=1e-4)


def test_the_word_is_found_on_the_prompt_of_its_own_world() -> None:
    via = f"E[V | do(gpt2.embed @ {SECOND} = (gpt2.embed @ {SECOND} | do(gpt2.input = row.source)))]"
    # base and source differ at that word only
    assert value(via, "pairs") == pytest.approx(value("E[V | do(gpt2.input = row.source)]", "pairs"), abs=1e-4)


def test_one_leading_space_is_ignored_and_a_number_chooses() -> None:
    at = "E[LD | do(gpt2.embed @ token(row.subj, {}) = 0)]"
    assert value(at.format(1)) != value(at.format(2))


def test_a_span_holds_its_token() -> None:
    # names are one token each: the span of a word is its last sub-token
    one, other = ("E[LD | do(gpt2.embed @ " + k + "(row.subj, 2) = 0)]" for k in ("token", "span"))
    assert value(one) == value(other)


def test_an_offset_moves() -> None:
    assert value("E[LD | do(gpt2.embed @ (token(row.subj, 2) + 1) = 0)]") != value("E[LD]")
    assert value("E[LD | do(gpt2.embed @ (first + 2) = 0)]") == value("E[LD | do(gpt2.embed @ 2 = 0)]")


@pytest.mark.parametrize(
    ("code", "question"),
    [
        ("CQ522", "estimate E[LD | do(gpt2.embed @ token(row.subj) = 0)] on d"),
        ("CQ521", "estimate E[LD | do(gpt2.embed @ token(row.subj, 3) = 0)] on d"),
        ("CQ521", 'estimate E[LD | do(gpt2.embed @ token("Zebra") = 0)] on d'),
        ("CQ523", "estimate E[V | do(gpt2.embed @ token(row.other in row.source, 2) = 0)] on pairs"),
        ("CQ509", "estimate E[LD | do(gpt2.embed @ 20 = 0)] on d"),
        ("CQ516", "estimate E[LD | do(gpt2.embed @ image[3] = 0)] on d"),
        ("CQ516", "estimate E[W | kitchen, do(cap.encoder.embed @ token(row.gender) = 0)] on s"),
        ("CQ483", "estimate E[W | kitchen, do(cap.encoder.embed @ new = 0)] on s"),
    ],
)
def test_refused_with_the_rows(code: str, question: str) -> None:
    assert codes(question) == [code]


def test_prompts_of_unequal_length_are_neither_padded_nor_cut() -> None:
    spans = "estimate E[LD | do(gpt2.embed @ all = (gpt2.embed @ all | do(gpt2.input = row.io)))] on d"  # one word long
    assert codes(spans) == ["CQ526"]
