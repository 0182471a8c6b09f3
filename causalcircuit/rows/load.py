"""From a declaration to rows: `where`, `sample`, `split` (whole clusters), in this order."""

from __future__ import annotations

import os
import random
from functools import lru_cache
from pathlib import Path
from typing import Any

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import DataRef
from causalcircuit.rows.conditions import holds
from causalcircuit.rows.dataset import Dataset
from causalcircuit.rows.files import checked, read_columns
from causalcircuit.rows.folders import image_columns, tree
from causalcircuit.rows.saved import saved_columns


def peek(ref: DataRef) -> Dataset:
    """All rows of the declared file, before any selection."""
    columns = _cached(_bare(ref), _stamp(ref.path)) if os.path.exists(ref.path) else None
    if columns is None:
        columns = _read(ref)
    n = len(next(iter(columns.values())))
    return Dataset(ref, columns, tuple(range(n)))


def load(ref: DataRef) -> Dataset:
    """The rows that the declaration leaves.

    Raises:
        DiagnosticError: the file is missing or unreadable, a column is missing, or nothing is left (CQ405).
    """
    data = peek(ref)
    if ref.where is not None:
        data = data.take([i for i in range(data.n) if holds(ref.where, data, i)])
        _some(data, "`where` leaves no rows")
    if ref.sample is not None:
        count, seed = ref.sample
        if count > data.n:
            raise error(
                "CQ408",
                f"`sample {count}` asks for more than the {data.n} rows there are",
                ref.span,
                help=f"ask for {data.n} at most, or leave `sample` out",
            )
        data = data.take(sorted(random.Random(seed).sample(range(data.n), count)))  # noqa: S311 - a sample, no secret
    if ref.split is not None and ref.split.part is not None:
        data = data.take(_part(data, ref))
        _some(data, f"the part `{ref.label}` of the split holds no rows")
    return data if ref.order is None else data.take(_shuffled(data, ref.order))


def clusters(data: Dataset) -> list[Any] | None:
    """The sampling unit of each row, or `None` where rows are independent."""
    if data.ref.cluster is None:
        return None
    values = data.column(data.ref.cluster.name, data.ref.cluster.span or data.ref.span)
    bad = [i for i, v in enumerate(values) if v is None]
    if bad:
        raise error(
            "CQ404",
            f"the cluster column `{data.ref.cluster.name}` has no value in {len(bad)} of {data.n} rows",
            data.ref.cluster.span or data.ref.span,
            where=data.place(bad[0]),
            help="every row belongs to a cluster",
        )
    labels = [tuple(v) if isinstance(v, list) else v for v in values]
    odd = next((i for i, v in enumerate(labels) if not _hashes(v)), None)
    if odd is not None:
        raise error(
            "CQ404",
            f"the cluster column `{data.ref.cluster.name}` holds {values[odd]!r:.60}, which names no cluster",
            data.ref.cluster.span or data.ref.span,
            where=data.place(odd),
            help="a cluster is named by a text or a number",
        )
    return labels


def _hashes(label: Any) -> bool:
    try:
        hash(label)
    except TypeError:
        return False
    return True


def _part(data: Dataset, ref: DataRef) -> list[int]:
    """The rows of one part of a split: whole clusters, shuffled under the split's own seed.

    The order of units is that of their labels, so that neither the order of rows nor added columns move a unit.
    """
    split = ref.split
    if split is None:
        return list(range(data.n))
    labels = clusters(data) or list(data.rows)
    units = sorted(set(labels), key=repr)
    random.Random(split.seed).shuffle(units)  # noqa: S311 - a split, no secret
    cut = round(split.train * len(units))
    chosen = set(units[:cut] if split.part == "train" else units[cut:])
    return [i for i, label in enumerate(labels) if label in chosen]


def _shuffled(data: Dataset, seed: int) -> list[int]:
    """All rows, whole clusters in random order; like a split, it is one of labels, not of places in the file."""
    labels = clusters(data) or list(data.rows)
    units = sorted(set(labels), key=repr)
    random.Random(f"order {seed}").shuffle(units)  # noqa: S311 - an order, no secret
    place = {label: i for i, label in enumerate(units)}
    return sorted(range(data.n), key=lambda i: place[labels[i]])


def _some(data: Dataset, message: str) -> None:
    if data.n == 0:
        raise error(
            "CQ405",
            f"{message} of `{data.ref.source}`",
            data.ref.span,
            "empty",
            help="widen the selection, or look at the column's values",
        )


def _bare(ref: DataRef) -> DataRef:
    """What is read, whatever is then chosen of it."""
    return DataRef("", ref.format, ref.path, arguments=ref.arguments)


def _read(ref: DataRef) -> dict[str, list[Any]]:
    match ref.format:
        case "images":
            return image_columns(ref.path, ref.span)
        case "datasets":
            columns = saved_columns(ref.path, dict(ref.arguments).get("split"), ref.source, ref.span)
            return checked(columns, ref.source, ref.span)
        case text:
            return read_columns(ref.path, text, ref.span)


def _stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    """When a file, or each file of a folder, was written, and how long it is."""
    files = tree(path) if os.path.isdir(path) else [path]
    return tuple((str(p), (status := p.lstat()).st_mtime_ns, status.st_size) for p in files)


@lru_cache(maxsize=16)
def _cached(ref: DataRef, stamp: tuple[tuple[str, int, int], ...]) -> dict[str, list[Any]] | None:
    """Columns of data that were read before and have not changed; `None` where that fails (the caller says why)."""
    try:
        return _read(ref)
    except DiagnosticError:
        return None
