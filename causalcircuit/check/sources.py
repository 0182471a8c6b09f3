"""A declared model's `config.json` and its sites, without reading a weight."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from causalcircuit.diagnostics import DiagnosticError, error, instead_of
from causalcircuit.query import Classes, ModelRef, OutlineError, SiteTable, classes_of, site_table
from causalcircuit.query.config import ConfigError, check_numbers, read_json
from causalcircuit.query.hub import Online, fetch
from causalcircuit.query.network import network_table
from causalcircuit.query.private import hugging_face
from causalcircuit.query.tables import recall_table


def sites(ref: ModelRef, online: Online = "") -> SiteTable:
    """The sites of a declared model.

    Args:
        ref: the declaration. online: what may be downloaded first.

    Raises:
        DiagnosticError: CQ501 no such folder, CQ502 no model in it, CQ503 a hub name that is not on this machine,
            CQ531 a config with numbers that no model has, CQ547 a download that fails.
    """
    if ref.net is not None:
        return network_table(ref)
    try:
        if online and ref.folder is None and not os.path.isdir(ref.source):
            fetch(ref, online)
        folder = locate(ref)
        config = folder / "config.json"
        table = _known(config)
        return replace(table, dictionaries=ref.dictionaries) if ref.dictionaries else table
    except DiagnosticError as problem:
        raise DiagnosticError(*(d.at(ref.span) for d in problem.diagnostics)) from None
    except OutlineError as problem:
        raise error(
            "CQ502",
            f"`{ref.source}` is no model whose sites are known: {problem}",
            ref.span,
            "this model",
            help=(
                "transformer models of text, images and sounds are supported",
                f"`cq sites {ref.source}` loads it; what is found then is known from there on",
            ),
        ) from None


def classes(ref: ModelRef) -> Classes | None:
    """The classes that a declared model gives scores of; `None` where it is no classifier.

    Raises:
        DiagnosticError: as `sites`.
    """
    if ref.net is not None:
        return None
    try:
        config = locate(ref) / "config.json"
        return classes_of(_config(config, config.stat().st_mtime_ns))
    except DiagnosticError as problem:
        raise DiagnosticError(*(d.at(ref.span) for d in problem.diagnostics)) from None


def locate(ref: ModelRef) -> Path:
    """The folder that holds a model's `config.json`: the one named, or the hub's local cache."""
    if ref.folder is not None:
        if not os.path.isdir(ref.folder):  # unlike `Path.is_dir`, it forgives a name that is too long
            parent = ref.folder.parent
            folders = (p.name for p in parent.iterdir() if p.is_dir()) if os.path.isdir(parent) else ()
            what = "is a file, not a folder" if os.path.exists(ref.folder) else "does not exist"
            raise error(
                "CQ501",
                f"the model folder `{ref.source}` {what}",
                label="this folder",
                help=(
                    instead_of(ref.folder.name, folders, "beside it"),
                    f"looked for {ref.folder}",
                    "paths are relative to the file that names them",
                ),
            )
        if not (ref.folder / "config.json").is_file():
            raise error(
                "CQ502",
                f"the folder `{ref.source}` holds no model: there is no config.json in it",
                label="this folder",
                help="a model folder is what `save_pretrained` writes: config.json, model.safetensors, a tokenizer",
            )
        return ref.folder
    if os.path.isdir(ref.source):
        raise error(
            "CQ503",
            f"`{ref.source}` is read as a name on the hub, and there is a folder of that name",
            label="a hub name",
            help=f'a folder starts with `.` or `/`: write `hf("./{ref.source}")`',
        )
    cached = _hub_cache() / f"models--{ref.source.replace('/', '--')}"
    revision = ref.revision or "main"
    pointer = cached / "refs" / revision
    snapshot = cached / "snapshots" / (pointer.read_text().strip() if os.path.isfile(pointer) else revision)
    if not os.path.isfile(snapshot / "config.json"):
        raise error(
            "CQ503",
            f"the model `{ref.source}` is not in the local cache of the hub",
            label="a hub name",
            help=(
                "`--online` downloads it; the `hf` tool of huggingface_hub does so beforehand",
                'a folder starts with `.` or `/`: `hf("./models/ioi")`',
            ),
        )
    return snapshot


def _hub_cache() -> Path:
    """Where the hub's client keeps its files, by the variables that it reads."""
    if "HF_HUB_CACHE" in os.environ:
        return Path(os.environ["HF_HUB_CACHE"])
    return hugging_face() / "hub"


def _known(config: Path) -> SiteTable:
    """The sites that a config tells of, or those that were found when its model was loaded.

    Raises:
        OutlineError: neither is known.
    """
    try:
        return _read(config, config.stat().st_mtime_ns)
    except OutlineError:
        found = recall_table(config)
        if found is None:
            raise
        return found


@lru_cache(maxsize=64)
def _read(config: Path, stamp: int) -> SiteTable:
    return site_table(_config(config, stamp))


@lru_cache(maxsize=64)
def _config(config: Path, stamp: int) -> dict[str, Any]:
    try:
        said = read_json(config)
    except (ConfigError, OSError) as problem:
        raise error(
            "CQ502", f"the config.json of this model cannot be read: {problem}", label="this model", help="save it anew"
        ) from None
    try:
        check_numbers(said)
    except ConfigError as problem:
        raise error(
            "CQ531",
            f"the config.json of this model is not believed: {problem}",
            label="this model",
            help="take config and weights from one `save_pretrained`",
        ) from None
    return said
