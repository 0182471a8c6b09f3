"""The indirect-object rows: `ioi.jsonl` (clean and corrupted prompts) and `ioi_pairs.jsonl` (interchange).

Both use only pairs of names that never met in training, and no pair is in both files.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from jsonl import write_jsonl
from sentences import TEMPLATES, Pair, draw_sentence, split_pairs, third_name

PAIRS, ROWS_A_PAIR = 108, 3  # of ioi.jsonl; the other held-out pairs are those of ioi_pairs.jsonl
ROWS_A_SWAP = 2


def _drawn(pairs: list[Pair], each: int) -> Iterator[tuple[Pair, str]]:
    """Each pair `each` times, the templates taking turns."""
    turns = cycle(TEMPLATES)
    return ((pair, next(turns)) for pair in pairs for _ in range(each))


def ioi_rows(rng: np.random.Generator, pairs: list[Pair]) -> list[dict[str, Any]]:
    """Rows of a clean prompt and one whose second mention of the subject is a third name.

    The corruption erases the answer and nothing else: both candidates are still named once each.
    """
    rows = []
    for pair, template in _drawn(pairs, ROWS_A_PAIR):
        sentence = draw_sentence(rng, pair, template)
        rows.append(
            {
                "clean": sentence.text(),
                "corrupt": sentence.text(third_name(rng, sentence)),
                "io": f" {sentence.io}",
                "subj": f" {sentence.s}",
                "names": "+".join(pair),
                "template": template,
            }
        )
    return rows


def interchange_rows(rng: np.random.Generator, pairs: list[Pair]) -> list[dict[str, Any]]:
    """Rows of a base and a source that differ in the second mention only, so that the answer flips."""
    rows = []
    for pair, template in _drawn(pairs, ROWS_A_SWAP):
        sentence = draw_sentence(rng, pair, template)
        rows.append(
            {
                "base": sentence.text(),
                "source": sentence.text(sentence.io),
                "subject": sentence.s,
                "other": sentence.io,
                "good": f" {sentence.io}",
                "bad": f" {sentence.s}",
                "names": "+".join(pair),
                "template": template,
            }
        )
    return rows


def write_ioi(out: Path, seed: int = 11, limit: int | None = None) -> None:
    """Write both files into `out`; `limit` keeps so many pairs of each (for a quick test)."""
    _, held_out = split_pairs()
    rng = np.random.default_rng(seed)
    write_jsonl(out / "ioi.jsonl", ioi_rows(rng, held_out[:PAIRS][:limit]))
    write_jsonl(out / "ioi_pairs.jsonl", interchange_rows(rng, held_out[PAIRS:][:limit]))
