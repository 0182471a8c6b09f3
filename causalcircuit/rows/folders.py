"""A folder of images as columns: the file, its name, the folder that it lies in, its size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from causalcircuit.diagnostics import Span, error, instead_of
from causalcircuit.rows.decoding import PictureError, picture_size

_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
COLUMNS = ("image", "name", "folder", "width", "height")


def image_columns(folder: Path, span: Span | None = None) -> dict[str, list[Any]]:
    """The images below a folder, by their path in it.

    Returns:
        `image` the path in the folder, `name` the file's name without its ending, `folder` the name of the folder that
        holds it (its class, where classes are folders), `width` and `height` in pixels as the file says.

    Raises:
        DiagnosticError: CQ401 no such folder, CQ403 no image in it, CQ460 files that are no images.
    """
    if not os.path.isdir(folder):
        what = "is a file, not a folder" if os.path.exists(folder) else "does not exist"
        beside = folder.parent.iterdir() if os.path.isdir(folder.parent) else ()
        raise error(
            "CQ401",
            f"the folder of images `{folder.name}` {what}",
            span,
            "this folder",
            help=(
                instead_of(folder.name, (p.name for p in beside if p.is_dir())),
                f"looked for {folder}",
                "paths are relative to the file that names them",
            ),
        )
    paths = [p for p in tree(folder) if p.suffix.lower() in _ENDINGS]
    if not paths:
        raise error(
            "CQ403",
            f"the folder `{folder.name}` holds no images",
            span,
            "no images",
            help=f"images end in {', '.join(sorted(_ENDINGS))}; folders in it are searched too",
        )
    sizes = {path: _size(path) for path in paths}
    torn = [(path.relative_to(folder).as_posix(), why) for path, why in sizes.items() if isinstance(why, str)]
    if torn:
        count = f"{len(torn)} of {len(paths)} files" if len(torn) > 1 else f"a file of {len(paths)}"
        raise error(
            "CQ460",
            f"{count} in the folder `{folder.name}` cannot be read as images",
            span,
            "this folder",
            where=torn[0][0],
            help=(
                *(f"{name}: {why}" for name, why in torn[:5]),
                "…" if len(torn) > 5 else "",
                "write them anew, or move them out of the folder",
            ),
        )
    return {
        "image": [p.relative_to(folder).as_posix() for p in paths],
        "name": [p.stem for p in paths],
        "folder": [p.parent.name for p in paths],
        "width": [size[0] for size in sizes.values()],
        "height": [size[1] for size in sizes.values()],
    }


def tree(folder: Path) -> list[Path]:
    """The files below a folder, by their path in it; hidden ones are left out, a link to what holds it is not gone."""
    return sorted(_files(folder, ()), key=lambda p: p.relative_to(folder).as_posix())


def _files(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        return
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files(path, (*above, real))
        else:
            yield path


def _size(path: Path) -> tuple[int, int] | str:
    """Width and height from the file's head, or why it has none."""
    try:
        return picture_size(path)
    except PictureError as problem:
        return "no image in it" if "cannot identify" in str(problem) else str(problem)
