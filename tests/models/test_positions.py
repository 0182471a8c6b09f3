"""Positions of one row."""

from __future__ import annotations

from typing import Any

import pytest

from causalcircuit.models import NEW, Ground, LoadedModel, RowError, resolve, tokenize
from causalcircuit.models.positions import occurrences
from causalcircuit.query import ALL, FIRST, LAST, Position, Word
from tests.truth.say import index, masked, patch, span, together, token, within

TEXT = "John met Mary; John, not Johnny, smiled at Bartholomew"
ROW = {
    "john": "John",
    "spaced": " Mary",
    "rare": "Bartholomew",
    "part": "art",
    "none": "Zoe",
    "empty": "",
    "null": None,
}


@pytest.fixture
def ground(gpt2: LoadedModel) -> Ground:
    prompt = tokenize(gpt2, TEXT)
    return Ground(gpt2.sites.readout_tower, len(prompt.ids), prompt, "clean", ROW.__getitem__)


def letters(gpt2: LoadedModel, ground: Ground, places: tuple[int, ...]) -> list[str]:
    assert ground.prompt is not None
    return [TEXT[slice(*ground.prompt.offsets[p])].strip() for p in places]


def test_plain_places(ground: Ground) -> None:
    n = ground.length
    assert resolve(LAST, ground) == (n - 1,)
    assert resolve(FIRST, ground) == (0,)
    assert resolve(index(3), ground) == (3,)
    assert resolve(index(-2), ground) == (n - 2,)
    assert resolve(ALL, ground) == tuple(range(n))
    assert resolve(together(LAST, index(0), LAST), ground) == (n - 1, 0)


def test_words(gpt2: LoadedModel, ground: Ground) -> None:
    whole = resolve(span("rare"), ground)
    assert len(whole) > 1, "a word of several tokens"
    assert "".join(letters(gpt2, ground, whole)) == "Bartholomew"
    assert resolve(token("rare"), ground) == whole[-1:]
    assert "".join(letters(gpt2, ground, resolve(span("spaced"), ground))) == "Mary"


def test_occurrences_are_counted(gpt2: LoadedModel, ground: Ground) -> None:
    first, second = (resolve(token("john", number=n), ground) for n in (1, 2))
    assert first < second
    assert resolve(token("john", number=2, offset=1), ground) == (second[0] + 1,)


@pytest.mark.parametrize(
    ("position", "code"),
    [
        (index(200), "CQ509"),
        (index(-200), "CQ509"),
        (token("rare", offset=50), "CQ509"),
        (token("john"), "CQ522"),
        (token("john", number=3), "CQ521"),
        (token("none"), "CQ521"),
        (token("part"), "CQ521"),
        (token("empty"), "CQ521"),
        (token("null"), "CQ521"),
        (token(within("john", "corrupt")), "CQ523"),
        (patch(0), "CQ516"),
        (masked("inside", "mask"), "CQ516"),
        (Position("each"), "CQ517"),
    ],
)
def test_problems(ground: Ground, position: Position, code: str) -> None:
    with pytest.raises(RowError) as caught:
        resolve(position, ground)
    assert caught.value.code == code
    assert caught.value.help


def test_generated_positions_are_known_by_their_sign(ground: Ground) -> None:
    assert resolve(Position("new"), ground) == (NEW,)
    assert resolve(Position("list", parts=(Position("last"), Position("new"))), ground) == (ground.length - 1, NEW)


def test_alternatives_follow_the_fed_column(gpt2: LoadedModel) -> None:
    words = (within("john", "clean"), within("rare", "other"))
    prompt = tokenize(gpt2, "Bartholomew met John")
    for fed, word in (("clean", "john"), ("other", "rare")):
        ground = Ground(gpt2.sites.readout_tower, len(prompt.ids), prompt, fed, ROW.__getitem__)
        assert resolve(token(*words), ground) == resolve(token(word), ground)


def test_a_literal_word(gpt2: LoadedModel, ground: Ground) -> None:
    literal = Position("span", words=(Word(None, literal="met"),))
    assert "".join(letters(gpt2, ground, resolve(literal, ground))) == "met"


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("man", "a woman and a man", [14]),
        ("man", "man, man", [0, 5]),
        ("don't", "I don't know", [2]),
        ("U.S.", "the U.S. and U.S.A.", [4, 13]),
        ("é", "é été", [0]),
        ("x", "", []),
    ],
)
def test_whole_words(word: str, text: str, found: list[int]) -> None:
    assert [start for start, _ in occurrences(word, text)] == found


def test_a_prefix_stands_behind_the_start_token(captioner: LoadedModel) -> None:
    prompt = tokenize(captioner, "Mary gave")
    assert prompt.ids[0] == captioner.hf.config.decoder_start_token_id
    ground = Ground(captioner.sites.readout_tower, len(prompt.ids), prompt, None, {"w": "Mary"}.__getitem__)
    alone = len(captioner.tokenizer("Mary").input_ids)
    assert resolve(token("w"), ground) == (alone,)
    assert tokenize(captioner, "").ids == prompt.ids[:1]


def test_patches(captioner: LoadedModel) -> None:
    tower = captioner.sites.tower("encoder")
    inside = tuple(i in (3, 5) for i in range(16))

    def given(mask: Any) -> tuple[bool | None, ...]:
        return {"m": inside, "black": (False,) * 16, "padded": (*inside[:-1], None)}[mask]

    ground = Ground(tower, 17, None, None, ROW.__getitem__, lambda: tuple(range(1, 17)), given)
    assert resolve(masked("inside", "m"), ground) == (4, 6)
    assert resolve(masked("outside", "m"), ground) == tuple(i for i in range(1, 17) if i not in (4, 6))
    assert resolve(masked("outside", "padded"), ground) == tuple(i for i in range(1, 16) if i not in (4, 6))
    assert resolve(patch(0), ground) == (1,)
    assert resolve(patch(-1), ground) == (16,)
    assert resolve(ALL, ground) == tuple(range(17))
    for position, code in (
        (masked("inside", "black"), "CQ525"),
        (patch(16), "CQ509"),
        (token("john"), "CQ516"),
    ):
        with pytest.raises(RowError) as caught:
            resolve(position, ground)
        assert caught.value.code == code


@pytest.mark.parametrize(("text", "code"), [("", "CQ528"), ("Mary " * 60, "CQ528")])
def test_texts_that_cannot_be_read(gpt2: LoadedModel, text: str, code: str) -> None:
    with pytest.raises(RowError) as caught:
        tokenize(gpt2, text)
    assert caught.value.code == code
