"""The shipped data: columns, clusters, masks, equal lengths, and a generator that repeats itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ioi_data import write_ioi
from jsonl import read_jsonl
from PIL import Image
from scene_data import write_scenes
from sentences import TEMPLATES, draw_corpus, split_pairs
from transformers import AutoTokenizer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DATA = EXAMPLES / "data"
SCENE = ["kitchen", "office", "street", "figure", "gender", "cue", "figure_mask", "background_mask"]
COLUMNS = {
    "ioi.jsonl": ["clean", "corrupt", "io", "subj", "names", "template"],
    "ioi_pairs.jsonl": ["base", "source", "subject", "other", "good", "bad", "names", "template"],
    "scenes.jsonl": SCENE,
    "scenes_fresh.jsonl": SCENE,
    "captions_val.jsonl": ["image", "caption", "figure"],
    "scenes_long.jsonl": ["photo", "is_kitchen", "kitchen", "office", "figure", "gender"],
    "scenes_tied.jsonl": ["photo", "is_kitchen", "kitchen", "office", "figure", "gender"],
}


def pixels(file: str) -> np.ndarray:
    with Image.open(DATA / file) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(EXAMPLES / "models" / "ioi")


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_and_pictures_are_there(name: str):
    rows = read_jsonl(DATA / name)
    assert all(list(row) == COLUMNS[name] for row in rows)
    pictures = [v for row in rows for v in row.values() if isinstance(v, str) and v.endswith(".png")]
    assert all((DATA / file).is_file() for file in pictures)


def test_there_are_rows_and_clusters_enough():
    for name, cluster, clusters in (("ioi.jsonl", "names", 60), ("scenes.jsonl", "figure", 60)):
        rows = read_jsonl(DATA / name)
        assert 200 <= len(rows) <= 350
        assert len({row[cluster] for row in rows}) >= clusters


def test_examples_stay_small():
    files = [f for f in EXAMPLES.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    assert sum(f.stat().st_size for f in files) < 10_000_000


def test_clean_and_corrupt_differ_in_one_token_of_equal_length(tokenizer):
    lengths = set()
    for row in read_jsonl(DATA / "ioi.jsonl"):
        clean, corrupt = (tokenizer(row[c])["input_ids"] for c in ("clean", "corrupt"))
        assert len(clean) == len(corrupt)
        assert sum(a != b for a, b in zip(clean, corrupt, strict=True)) == 1
        assert len(tokenizer(row["io"])["input_ids"]) == len(tokenizer(row["subj"])["input_ids"]) == 1
        lengths.add((row["template"], len(clean)))
    assert len(lengths) == len(TEMPLATES) == len({n for _, n in lengths})


def test_base_and_source_differ_in_the_second_mention(tokenizer):
    lengths = set()
    for row in read_jsonl(DATA / "ioi_pairs.jsonl"):
        words, others = row["base"].split(), row["source"].split()
        changed = [(a, b) for a, b in zip(words, others, strict=True) if a != b]
        assert changed == [(row["subject"], row["other"])]
        assert (row["good"], row["bad"]) == (f" {row['other']}", f" {row['subject']}")
        base, source = (tokenizer(row[c])["input_ids"] for c in ("base", "source"))
        assert len(base) == len(source)
        lengths.add(len(base))
    assert len(lengths) > 1


def test_names_mentioned_agree_with_the_cluster():
    for row in read_jsonl(DATA / "ioi.jsonl"):
        assert {row["io"].strip(), row["subj"].strip()} == set(row["names"].split("+"))
        words = row["clean"].replace(",", " ").replace(".", " ").split()
        assert (words.count(row["subj"].strip()), words.count(row["io"].strip())) == (2, 1)


def test_pairs_of_names_are_held_out():
    train, held_out = split_pairs()
    used = [{row["names"] for row in read_jsonl(DATA / n)} for n in ("ioi.jsonl", "ioi_pairs.jsonl")]
    assert not set(train) & set(held_out)
    assert not used[0] & used[1]
    assert used[0] | used[1] == {"+".join(pair) for pair in held_out}
    trained = {frozenset(pair) for pair in train}
    for prompt, _ in draw_corpus(np.random.default_rng(0), train, 200, unanswerable=0.0):
        words = set(prompt.replace(",", " ").replace(".", " ").split())
        assert sum(pair <= words for pair in trained) == 1


@pytest.mark.parametrize("name", ["scenes.jsonl", "scenes_fresh.jsonl"])
def test_masks_partition_the_picture_and_the_figure_is_the_same_before_each_background(name: str):
    for row in read_jsonl(DATA / name):
        figure, ground = pixels(row["figure_mask"]), pixels(row["background_mask"])
        assert set(np.unique(figure)) == {0, 255}
        np.testing.assert_array_equal(figure + ground, 255)
        kitchen, office, street = (pixels(row[k]) for k in ("kitchen", "office", "street"))
        assert kitchen.shape == (32, 32, 3)
        for other in (office, street):
            np.testing.assert_array_equal(kitchen[figure == 255], other[figure == 255])
            assert (kitchen[ground == 255] != other[ground == 255]).any(-1).mean() > 0.9


def test_figures_keep_their_gender_and_belong_to_one_file():
    sets = {n: read_jsonl(DATA / n) for n in ("scenes.jsonl", "scenes_fresh.jsonl", "captions_val.jsonl")}
    figures = {n: {row["figure"] for row in rows} for n, rows in sets.items()}
    assert sum(map(len, figures.values())) == len(set.union(*figures.values()))
    for name in ("scenes.jsonl", "scenes_fresh.jsonl"):
        people = {(row["figure"], row["gender"], row["cue"]) for row in sets[name]}
        assert len(people) == len(figures[name])
        share = Counter(gender for _, gender, _ in people)
        assert share["woman"] == share["man"]
        assert all(0.0 <= row["cue"] <= 1.0 for row in sets[name])


def test_long_form_shows_what_the_coin_says():
    rows = read_jsonl(DATA / "scenes_long.jsonl")
    for row in rows:
        assert row["is_kitchen"] in (0, 1)
        assert row["photo"] == row["kitchen" if row["is_kitchen"] else "office"]
    assert 0.4 < np.mean([row["is_kitchen"] for row in rows]) < 0.6
    assert [row["figure"] for row in rows] == [row["figure"] for row in read_jsonl(DATA / "scenes.jsonl")]


def _written(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_generator_repeats_itself(tmp_path: Path):
    for name in ("once", "again"):
        write_ioi(tmp_path / name, limit=4)
        write_scenes(tmp_path / name, limit=4)
    once, again = _written(tmp_path / "once"), _written(tmp_path / "again")
    assert len(once) > 30
    assert once == again


def test_shipped_sentences_are_the_generators(tmp_path: Path):
    write_ioi(tmp_path)
    for name in ("ioi.jsonl", "ioi_pairs.jsonl"):
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()


def test_shipped_scenes_are_the_generators(tmp_path: Path):
    """Pixels are compared, not files: another zlib may pack the same picture differently."""
    write_scenes(tmp_path)
    for name in ("scenes.jsonl", "scenes_fresh.jsonl", "captions_val.jsonl", "scenes_long.jsonl", "scenes_tied.jsonl"):
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()
    for file in sorted(tmp_path.rglob("*.png"))[::7]:
        with Image.open(file) as new:
            np.testing.assert_array_equal(np.asarray(new), pixels(str(file.relative_to(tmp_path))))
