"""The scenes on disk: test rows with each background, a fresh set, validation captions and the long form.

    scenes.jsonl         kitchen, office, street, figure, gender, cue, figure_mask, background_mask
    scenes_fresh.jsonl   the same columns, other figures
    captions_val.jsonl   image, caption, figure: other figures again, background independent of gender
    scenes_long.jsonl    photo, is_kitchen, kitchen, office, figure, gender: the rows of scenes.jsonl, one
                         picture each, kitchen or office by a coin
    scenes_tied.jsonl    the same columns; women are in the kitchen in 85% of their photos, men in 20%

Paths are relative to the files. Half of the figures of each file are women.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jsonl import write_jsonl
from PIL import Image
from scenes import (
    BACKGROUNDS,
    GENDERS,
    Bytes,
    Ints,
    Rng,
    Shots,
    caption,
    draw_figures,
    draw_shots,
    render,
    silhouette,
)

FIGURES = {"scenes": 120, "scenes_fresh": 60, "captions_val": 100}
SHOTS_A_FIGURE = 2


def draw_set(rng: Rng, figures: int) -> tuple[Ints, Shots]:
    """The figure [n] of each photograph, and the photographs: two of each figure, genders in equal number."""
    people = draw_figures(rng, np.arange(figures) % 2)
    index = np.repeat(np.arange(figures), SHOTS_A_FIGURE)
    return index, draw_shots(rng, people.take(index))


def _save(path: Path, pixels: Bytes) -> str:
    """Write a PNG and return its name relative to the folder of the JSONL, its grandparent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, optimize=True)
    return f"{path.parent.name}/{path.name}"


def _masks(out: Path, shots: Shots) -> Iterable[tuple[str, str]]:
    """Figure and background mask of each photograph; the files are named by the figure's place."""
    for (x, y), stands in zip(shots.place, silhouette(shots.place), strict=True):
        name = f"{x:+d}{y:+d}.png"
        figure = _save(out / "masks" / f"figure{name}", np.where(stands, 255, 0).astype(np.uint8))
        ground = _save(out / "masks" / f"background{name}", np.where(stands, 0, 255).astype(np.uint8))
        yield figure, ground


def scene_rows(out: Path, name: str, index: Ints, shots: Shots) -> list[dict[str, Any]]:
    """Write every photograph before every background, and the masks; return the rows."""
    rows: list[dict[str, Any]] = [{} for _ in index]
    for kind, background in enumerate(BACKGROUNDS):
        for i, pixels in enumerate(render(shots, np.full(len(index), kind))):
            rows[i][background] = _save(out / name / f"{i:03d}_{background}.png", pixels)
    for i, (figure_mask, background_mask) in enumerate(_masks(out, shots)):
        rows[i] |= {
            "figure": f"{name}-{index[i]:03d}",
            "gender": GENDERS[shots.figures.gender[i]],
            "cue": float(shots.figures.cue[i]),
            "figure_mask": figure_mask,
            "background_mask": background_mask,
        }
    return rows


def caption_rows(out: Path, rng: Rng, name: str, index: Ints, shots: Shots) -> list[dict[str, Any]]:
    """Write one picture of each photograph before a drawn background, and return rows with its caption."""
    kinds = rng.integers(0, len(BACKGROUNDS), len(index))
    return [
        {
            "image": _save(out / name / f"{i:03d}.png", pixels),
            "caption": caption(shots.figures.gender[i], kinds[i]),
            "figure": f"{name}-{index[i]:03d}",
        }
        for i, pixels in enumerate(render(shots, kinds))
    ]


def long_rows(rng: Rng, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a photograph: the coin, the picture that it chose, and both pictures it chose between."""
    coins = rng.integers(0, 2, len(rows))
    return [
        {"photo": row["kitchen" if coin else "office"], "is_kitchen": int(coin)}
        | {column: row[column] for column in ("kitchen", "office", "figure", "gender")}
        for row, coin in zip(rows, coins, strict=True)
    ]


def tied_rows(rng: np.random.Generator, scenes: list[dict[str, object]]) -> list[dict[str, object]]:
    """One picture a scene, its room tied to the figure's gender, as in photos that people choose to publish."""
    rows = []
    for scene in scenes:
        kitchen = bool(rng.random() < (0.85 if scene["gender"] == "woman" else 0.2))
        kept = {name: scene[name] for name in ("kitchen", "office", "figure", "gender")}
        rows.append({"photo": scene["kitchen" if kitchen else "office"], "is_kitchen": int(kitchen), **kept})
    return rows


def write_scenes(out: Path, seed: int = 12, limit: int | None = None) -> None:
    """Write the five files and their pictures into `out`; `limit` keeps so many figures of each."""
    sizes = {name: min(limit or figures, figures) for name, figures in FIGURES.items()}
    rng = np.random.default_rng(seed)
    scenes = scene_rows(out, "scenes", *draw_set(rng, sizes["scenes"]))
    write_jsonl(out / "scenes.jsonl", scenes)
    write_jsonl(out / "scenes_fresh.jsonl", scene_rows(out, "scenes_fresh", *draw_set(rng, sizes["scenes_fresh"])))
    captions = caption_rows(out, rng, "captions_val", *draw_set(rng, sizes["captions_val"]))
    write_jsonl(out / "captions_val.jsonl", captions)
    write_jsonl(out / "scenes_long.jsonl", long_rows(rng, scenes))
    write_jsonl(out / "scenes_tied.jsonl", tied_rows(np.random.default_rng([seed, 1]), scenes))
