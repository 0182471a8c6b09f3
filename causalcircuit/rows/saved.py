"""Hugging Face `datasets` on this machine as columns: saved by `save_to_disk`, or in the local cache.

Both are Arrow files beside a `dataset_info.json`, which pyarrow reads by itself: the library `datasets` imports pandas,
and a check of a program loads nothing that heavy.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from causalcircuit.diagnostics import DiagnosticError, Span, error, instead_of, nearest
from causalcircuit.query.private import hugging_face
from causalcircuit.rows.pictures import keep_image

_SHARD = re.compile(r"(?P<name>.+?)-(?P<split>\w+(\.\w+)*)(-\d{5}-of-\d{5})?\.arrow")
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


def cached_folder(name: str, config: str | None = None, span: Span | None = None) -> Path:
    """Where the local cache of `datasets` keeps a data set of the hub; nothing is downloaded.

    Raises:
        DiagnosticError: CQ461, it is not there; CQ462, it has several configurations, or not this one.
    """
    if not _NAME.fullmatch(name):
        help = 'a name of the hub reads `owner/name`; a folder starts with `.` or `/`: `datasets("./saved")`'
        raise error("CQ461", f"`{name}` is no name of a data set", span, "this name", help=help)
    *owner, last = name.split("/")
    root = _cache() / "___".join([*owner, _snake(last)])
    # root/configuration/version/hash; the newest is the one that `datasets` itself would take.
    found = sorted(root.glob("*/*/*/dataset_info.json"), key=lambda p: p.stat().st_mtime_ns)
    configs = sorted({p.parents[2].name for p in found})
    if not found:
        raise error(
            "CQ461",
            f"the data set `{name}` is not in the local cache of `datasets`",
            span,
            "a name on the hub",
            help=(
                "load it once with the library `datasets`, where there is a network: nothing is downloaded here",
                'or save it there with `save_to_disk`, and name the folder: `datasets("./saved")`',
            ),
        )
    if config is None and len(configs) > 1:
        raise _choose("configuration", "config", name, configs, span)
    if config is not None and config not in configs:
        raise _lacking("configuration", config, name, configs, span)
    return next(p.parent for p in reversed(found) if config in (None, p.parents[2].name))


def saved_columns(folder: Path, split: str | None, name: str, span: Span | None = None) -> dict[str, list[Any]]:
    """All rows of a split as columns.

    A class label is its name, an image the path of a file (what lies in the data is written once to a cache, by its
    content); columns of other bytes are left out.

    Raises:
        DiagnosticError: CQ401 no such folder, CQ403 no rows, CQ406 no saved data set, CQ462 a split to be named.
    """
    if not os.path.isdir(folder):
        beside = (p.name for p in folder.parent.iterdir() if p.is_dir()) if os.path.isdir(folder.parent) else ()
        raise error(
            "CQ401",
            f"the folder of data `{name}` {'is a file' if os.path.exists(folder) else 'does not exist'}",
            span,
            "this folder",
            help=(instead_of(folder.name, beside), f"looked for {folder}"),
        )
    inside, files = _files(folder, split, name, span)
    try:
        features = json.loads((inside / "dataset_info.json").read_text(encoding="utf-8")).get("features") or {}
        columns = _columns(files, features)
    except (OSError, ValueError, AttributeError) as problem:  # pyarrow's own errors are of these
        raise _torn(name, problem, span) from None
    if not columns or not next(iter(columns.values())):
        raise error("CQ403", f"the data set `{name}` holds no rows", span, "empty", help="an effect needs rows")
    return columns


def _files(folder: Path, split: str | None, name: str, span: Span | None) -> tuple[Path, list[Path]]:
    """The folder of a split, and its Arrow files in order."""
    try:
        if (folder / "dataset_dict.json").is_file():
            splits = _strings(json.loads((folder / "dataset_dict.json").read_text(encoding="utf-8"))["splits"])
            folder = folder / _chosen(split, splits, name, span)
            split = None
        if (folder / "state.json").is_file():
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if split is not None and split != state.get("_split"):
                raise _lacking("split", split, name, [s for s in [state.get("_split")] if s], span)
            return folder, [folder / n for n in _strings(f["filename"] for f in state["_data_files"])]
        shards: dict[str, list[Path]] = {}
        for path in sorted(folder.glob("*.arrow")):
            match = _SHARD.fullmatch(path.name)
            if match is not None:
                shards.setdefault(match["split"], []).append(path)
        if not shards or not (folder / "dataset_info.json").is_file():
            raise ValueError("there is no dataset_dict.json, state.json or dataset_info.json in it")
        return folder, shards[_chosen(split, list(shards), name, span)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise _torn(name, problem, span) from None


def _strings(names: Iterable[Any]) -> list[str]:
    """Names of files and folders inside a folder: one that leads out of it is none."""
    found = [str(n) for n in names]
    if any(n in ("", ".", "..") or "/" in n or "\\" in n for n in found):
        raise ValueError("it names files outside its folder")
    return found


def _chosen(split: str | None, splits: list[str], name: str, span: Span | None) -> str:
    if split is None:
        if len(splits) > 1:
            raise _choose("split", "split", name, splits, span)
        return splits[0]
    if split not in splits:
        raise _lacking("split", split, name, splits, span)
    return split


def _columns(files: list[Path], features: Mapping[str, Any]) -> dict[str, list[Any]]:
    import pyarrow as pa

    tables = []
    for path in files:
        with pa.memory_map(str(path)) as source:
            tables.append(pa.ipc.open_stream(source).read_all())
    table = pa.concat_tables(tables)
    table.validate(full=True)
    columns: dict[str, list[Any]] = {}
    for name in table.column_names:
        if _holds_bytes(table.schema.field(name).type) and not _is_of_images(features.get(name)):
            continue
        spec = features.get(name)
        # Batch by batch, so that the bytes of few images are in memory at a time.
        columns[name] = [
            _plain(value, spec)
            for batch in table.select([name]).to_batches(64)
            for value in batch.column(0).to_pylist()
        ]
    return columns


def _holds_bytes(kind: Any) -> bool:
    import pyarrow as pa

    kind = getattr(kind, "storage_type", kind)
    inner = [kind.field(i).type for i in range(kind.num_fields)]
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind)) or any(map(_holds_bytes, inner))


def _is_of_images(spec: Any) -> bool:
    match spec:
        case {"_type": "Image"}:
            return True
        case {"_type": "List" | "LargeList" | "Sequence", "feature": inner} | [inner]:
            return _is_of_images(inner)
        case _:
            return False


def _plain(value: Any, spec: Any) -> Any:
    """A cell as the language knows it."""
    match spec:
        case _ if value is None:
            return None
        case {"_type": "ClassLabel", "names": [*names]}:
            return names[value] if 0 <= value < len(names) else None
        case {"_type": "Image"}:
            return value["path"] if value["bytes"] is None else keep_image(value["bytes"])
        case {"_type": "List" | "LargeList" | "Sequence", "feature": inner} | [inner] if isinstance(value, list):
            return [_plain(v, inner) for v in value]
        case _:
            return value


def _choose(what: str, word: str, name: str, known: list[str], span: Span | None) -> DiagnosticError:
    help = f'write `{word} = "{known[0]}"`; it has {", ".join(known)}'
    return error("CQ462", f"the data set `{name}` has several {what}s, and one is meant", span, "which one?", help=help)


def _lacking(what: str, said: str, name: str, known: list[str], span: Span | None) -> DiagnosticError:
    near = nearest(said, known)
    help = (
        f"did you mean `{near}`?" if near else "",
        f"it has {', '.join(known)}" if known else f"it has no {what}s: leave the argument out",
        "rows are chosen by the options `where`, `sample` and `split`" if "[" in said else "",
    )
    return error("CQ462", f"the data set `{name}` has no {what} `{said}`", span, "this data set", help=help)


def _torn(name: str, problem: Exception, span: Span | None) -> DiagnosticError:
    return error(
        "CQ406",
        f"`{name}` cannot be read as a saved data set: {problem}",
        span,
        "this folder",
        help="it is what `save_to_disk` of the library `datasets` writes: Arrow files, state.json, dataset_info.json",
    )


def _cache() -> Path:
    """Where the library `datasets` keeps what it loaded, by the variables that it reads."""
    if "HF_DATASETS_CACHE" in os.environ:
        return Path(os.environ["HF_DATASETS_CACHE"])
    return hugging_face() / "datasets"


def _snake(name: str) -> str:
    """`SST2` -> `sst2`, `MyData` -> `my_data`: how the library names folders.

    >>> _snake("TriviaQA-2"), _snake("glue")
    ('trivia_qa-2', 'glue')
    """
    split = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z\d])([A-Z])", r"\1_\2", split).lower()
