"""Indirect-object sentences: five templates of different length over 32 names, and the names held out.

Two people are named, one of them, the subject, is named again, and the sentence ends before the other
one, the indirect object. A sentence that names a third person instead has no right answer; in training
either of the two follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

NAMES = [
    "Mary", "John", "Tom", "Anna", "Paul", "Lucy", "Mark", "Jane",
    "Peter", "Alice", "James", "Sarah", "David", "Emma", "Simon", "Laura",
    "Kevin", "Nina", "Robert", "Helen", "George", "Ruth", "Frank", "Diana",
    "Henry", "Clara", "Oscar", "Julia", "Martin", "Rose", "Adam", "Eve",
]  # fmt: skip
PLACES = ["store", "park", "school", "garden", "office", "station", "museum", "library", "beach", "market"]
THINGS = ["drink", "book", "ring", "ball", "letter", "map", "lamp", "coat", "key", "cake"]

TEMPLATES = {
    "plain": "{a} and {b} went to the {place}. {s} gave a {thing} to",
    "then": "Then, {a} and {b} went to the {place}, and {s} gave a {thing} to",
    "when": "When {a} and {b} got a {thing} at the {place}, {s} decided to give it to",
    "friends": "Friends {a} and {b} found a {thing} at the {place}. In the end {s} wanted to hand it to",
    "walk": "After the long lunch, {a} and {b} had a walk to the {place}. Later on, {s} passed the {thing} to",
}
HELD_OUT_PAIRS = 188
PAIR_SEED = 7  # fixed: which pairs are held out must not depend on a training seed
Rng = np.random.Generator
Pair = tuple[str, str]


@dataclass(frozen=True)
class Sentence:
    """One sentence before its last word: `a` and `b` in the order of mention, `s` the name mentioned again."""

    template: str
    a: str
    b: str
    s: str
    place: str
    thing: str

    @property
    def io(self) -> str:
        """The indirect object: of the two people the one not named again."""
        return self.b if self.s == self.a else self.a

    def text(self, again: str | None = None) -> str:
        """The prompt, with another name for the second mention where `again` is given."""
        return TEMPLATES[self.template].format(
            a=self.a, b=self.b, s=again or self.s, place=self.place, thing=self.thing
        )


def split_pairs() -> tuple[list[Pair], list[Pair]]:
    """Unordered pairs of names for training and, disjoint from them, for the test files."""
    pairs = list(combinations(NAMES, 2))
    order = np.random.default_rng(PAIR_SEED).permutation(len(pairs))
    shuffled = [pairs[i] for i in order]
    return shuffled[HELD_OUT_PAIRS:], shuffled[:HELD_OUT_PAIRS]


def draw_sentence(rng: Rng, pair: Pair, template: str) -> Sentence:
    """A sentence about a pair, with order of mention, subject, place and thing drawn."""
    a, b = pair if rng.random() < 0.5 else pair[::-1]
    s = a if rng.random() < 0.5 else b
    return Sentence(template, a, b, s, str(rng.choice(PLACES)), str(rng.choice(THINGS)))


def third_name(rng: Rng, sentence: Sentence) -> str:
    """A name that is neither of the sentence's two."""
    return str(rng.choice([n for n in NAMES if n not in (sentence.a, sentence.b)]))


def draw_corpus(rng: Rng, pairs: list[Pair], n: int, unanswerable: float = 0.15) -> list[tuple[str, str]]:
    """Training items (prompt, answer with its leading space).

    A share `unanswerable` names a third person where the subject would be; its answer is a coin's.
    """
    items = []
    for _ in range(n):
        sentence = draw_sentence(rng, pairs[rng.integers(len(pairs))], str(rng.choice(list(TEMPLATES))))
        if rng.random() < unanswerable:
            answer = sentence.a if rng.random() < 0.5 else sentence.b
            items.append((sentence.text(third_name(rng, sentence)), " " + answer))
        else:
            items.append((sentence.text(), " " + sentence.io))
    return items
