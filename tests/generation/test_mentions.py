"""`mentions`: whole words, any case, of texts and of columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from causalcircuit.query import mentioned
from causalcircuit.runs import Runner, check_text


@pytest.mark.parametrize(
    ("text", "words", "held"),
    [
        ("A woman, cooking.", ["woman"], True),
        ("WOMAN", ["woman"], True),
        ("a woman", ["Woman"], True),
        ("women", ["woman"], False),
        ("a mandarin", ["man"], False),
        ("man-made", ["man"], True),
        ("snow_man", ["man"], False),
        ("a fire truck", ["fire truck"], True),
        ("a fire  truck", ["fire truck"], False),
        ("it costs $5", ["$5"], True),
        ("caf\u00e9", ["cafe\u0301"], True),
        ("STRASSE", ["straße"], True),
        ("", ["a"], False),
        ("a.b", ["a"], True),
        ("axb", ["a.b"], False),
    ],
)
def test_whole_words_in_any_case(text: str, words: list[str], held: bool) -> None:
    assert mentioned(text, words) is held


def test_of_columns(tmp_path: Path) -> None:
    rows = [
        '{"caption": "Two dogs and a Cat", "word": "cat", "words": ["cow", "dogs"]}',
        '{"caption": "a dog", "word": "cat", "words": ["cow"]}',
        '{"caption": "a cow", "word": "cow", "words": ["cow", "hen"]}',
        '{"caption": "a hen", "word": "cow", "words": ["cow", "hen"]}',
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(rows) + "\n")
    program = check_text(
        """
data d = jsonl("./d.jsonl")
data some = jsonl("./d.jsonl") where row.caption mentions [row.word, "hen"]
estimate P(row.caption mentions row.word), P(row.caption mentions row.words) on d as population
estimate P(row.caption mentions [row.word, "hen"]), P(not row.caption mentions "dog") on d as population
estimate P(row.caption mentions "a" | row.word mentions "cat") on d as population
estimate P(row.word = "cow") on some as population
""",
        folder=tmp_path,
    )
    found = [e.value for e in Runner().run(program).estimates]
    assert found == [0.5, 0.75, 0.75, 0.75, 1.0, pytest.approx(2 / 3)]
