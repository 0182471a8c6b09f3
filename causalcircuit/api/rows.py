"""Data from Python: `cq.data("scenes.jsonl", prompt=row.prompt)` and the parts of its split.

`data` builds the reference that the language builds for a `data` statement, and holds its columns against those of the
file; `Data.rows` gives the rows that the declaration leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from causalcircuit.api.quantities import Quantity, quantity
from causalcircuit.check import turn, with_pictures
from causalcircuit.diagnostics import error
from causalcircuit.query import Chat, Column, DataRef, Expr, Items, Split, Text
from causalcircuit.query.program import Format
from causalcircuit.rows import Dataset, cached_folder, load, peek

_FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}


@dataclass(frozen=True, eq=False)
class Data:
    """A declared data set; `train` and `test` are the parts of its split."""

    ref: DataRef

    @property
    def train(self) -> Data:
        """The first part of the split."""
        return self._part("train")

    @property
    def test(self) -> Data:
        """The second part of the split."""
        return self._part("test")

    def _part(self, part: Literal["train", "test"]) -> Data:
        if self.ref.split is None:
            raise error("CQ206", f"`{self.ref.name}` has no `split`", help="declare it: `split=(70, 30), seed=7`")
        return Data(replace(self.ref, split=replace(self.ref.split, part=part)))

    def rows(self) -> Dataset:
        """The rows, read."""
        return load(self.ref)


def data(
    path: str | Path,
    *,
    name: str | None = None,
    prompt: Any = None,
    image: Any = None,
    audio: Any = None,
    prefix: Any = None,
    chat: Sequence[tuple[str, Any]] | Literal["none"] | None = None,
    format: Literal["images", "datasets"] | None = None,
    part: str | None = None,
    config: str | None = None,
    cluster: Quantity | None = None,
    weight: Quantity | None = None,
    where: Quantity | None = None,
    sample: int | None = None,
    split: tuple[float, float] | None = None,
    seed: int | None = None,
) -> Data:
    """Rows from a `.jsonl`, `.csv` or `.parquet` file, a folder of images, or Hugging Face `datasets` on this machine.

    Args:
        path: the file or folder; with `format="datasets"` also a name on the hub that is in the local cache.
        name: how results call it, by default after the file.
        prompt, image, audio, prefix: what feeds a model: a column or a string.
        chat: turns for a model with a chat template, `[("user", [picture, "What is this?"])]`, or "none".
        format: what a folder is. part, config: the split of a saved data set, and the configuration of one of the hub.
        cluster: the sampling unit. weight: row weights. where: a condition on columns.
        sample: so many rows at random. split: parts in proportion, whole clusters. Both need `seed`.

    Raises:
        DiagnosticError: CQ401 to CQ410 and CQ460 to CQ466, the file, a column, a chat or a selection is not as said.
    """
    file = Path(path).resolve()
    form = format or _FORMATS.get(file.suffix)
    if form is None:
        way = "files end in .jsonl, .csv or .parquet; for a folder say format='images' or format='datasets'"
        raise error("CQ226", f"`{file.name}` is no data file", help=way)
    arguments = [(key, said) for key, said in (("split", part), ("config", config)) if said is not None]
    if format == "datasets" and isinstance(path, str) and path[:1] not in "./":
        file = cached_folder(path, config)
        arguments.append(("name", path))
    if (sample is not None or split is not None) and seed is None:
        raise error("CQ410", "`sample` and `split` are random and need a seed", help="add `seed=7`")
    feeds: list[tuple[str, Expr]] = []
    for channel, value in (("prompt", prompt), ("image", image), ("audio", audio), ("prefix", prefix)):
        if value is not None:
            expr = quantity(value).expr
            if not isinstance(expr, Column | Text):
                raise error("CQ224", f"`{channel}` is fed by a column or a string", help=f"`{channel}=row.name`")
            feeds.append((channel, expr))
    if chat is not None:
        feeds.append(("chat", chat_of(chat)))
    ref = DataRef(
        name or (Path(path).name if format == "datasets" else file.stem),
        form,
        file,
        tuple(feeds),
        column_of(cluster),
        column_of(weight),
        None if where is None else where.expr,
        None if sample is None or seed is None else (sample, seed),
        None if split is None or seed is None else Split(split[0] / sum(split), seed),
        tuple(arguments),
    )
    known = peek(ref)
    ref = with_pictures(ref, known)
    for column in (*(e for _, e in feeds), ref.cluster, ref.weight):
        if isinstance(column, Column):
            known.column(column.name)
    return Data(ref)


def chat_of(turns: Sequence[tuple[str, Any]] | Literal["none"]) -> Chat:
    """A chat from pairs of who speaks and what: a string, a column, or a list of these and `picture`."""
    if turns == "none":
        return Chat()
    pairs = [(role, quantity(said).expr) for role, said in turns]
    return Chat(tuple(turn(role, e.items if isinstance(e, Items) else (e,)) for role, e in pairs))


def column_of(q: Quantity | None) -> Column | None:
    """The column that a quantity is, where one is given."""
    if q is None:
        return None
    if not isinstance(q.expr, Column):
        raise TypeError(f"a column is needed, such as `row.figure`, not `{q!r}`")
    return q.expr
