"""Answers as tokens: the exact string, and the other spelling."""

from __future__ import annotations

from collections.abc import Sequence

from causalcircuit.models.model import LoadedModel
from causalcircuit.models.problem import RowError
from causalcircuit.models.prompt import shown

Tokens = tuple[int, ...]


def encode_answer(model: LoadedModel, text: str) -> Tokens:
    """The tokens of an answer, exactly as it is spelled.

    Raises:
        RowError: CQ510 empty, CQ513 letters that the tokenizer does not know.
    """
    if not text:
        raise RowError("CQ510", "an answer is empty", "", "write the word that is asked about")
    ids = tuple(model.tokenizer(text, add_special_tokens=False)["input_ids"])
    unknown = model.tokenizer.unk_token_id
    if not ids or (unknown in ids and text != model.tokenizer.unk_token):
        raise RowError(
            "CQ513",
            f"the vocabulary of `{model.ref.name}` does not spell an answer",
            f'"{text}"',
            "use a word that its tokenizer knows",
        )
    return ids


def respelled(text: str) -> str:
    """The other spelling: one leading space dropped or added.

    >>> respelled(" Mary"), respelled("Mary")
    ('Mary', ' Mary')
    """
    return text[1:] if text.startswith(" ") else f" {text}"


def other_spelling(model: LoadedModel, text: str) -> int | None:
    """The single token of the other spelling, or `None` where it is none or several."""
    other = respelled(text)
    if not other.strip():
        return None
    ids = model.tokenizer(other, add_special_tokens=False)["input_ids"]
    return ids[0] if len(ids) == 1 and ids[0] != model.tokenizer.unk_token_id else None


def check_answers(
    model: LoadedModel, kind: str, texts: Sequence[str], answers: Sequence[Tokens], at_last: bool
) -> None:
    """The rules of one row's answers.

    Raises:
        RowError: CQ511 several tokens where one is needed, CQ512 one of a set begins another.
    """
    for text, ids in zip(texts, answers, strict=True):
        if len(ids) > 1 and (kind == "logit" or not at_last):
            lone = "`logit` takes answers of one token"
            where = lone if kind == "logit" else "away from `@ last` an answer is one token"
            way = "`logprob` and `prob` take several tokens `@ last`" if kind == "logit" else "read it `@ last`"
            near = f'; `"{respelled(text)}"` is one token' if other_spelling(model, text) is not None else ""
            raise RowError("CQ511", where, f'"{text}" is {shown(model, ids)}', way + near)
    for i, a in enumerate(answers):
        for j, b in enumerate(answers):
            if i != j and b[: len(a)] == a:
                raise RowError(
                    "CQ512",
                    "one answer of a set begins another, so their events overlap",
                    f'"{texts[i]}" and "{texts[j]}"',
                    "drop the longer one: the shorter holds it",
                )
