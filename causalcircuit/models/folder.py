"""From a declaration to a folder with a config and safetensors weights. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from causalcircuit.diagnostics import error
from causalcircuit.models.refusals import broken, pickled
from causalcircuit.query import ModelRef
from causalcircuit.query.config import ConfigError, check_numbers, read_json

_NEEDED = ["config.json", "*.safetensors", "*.safetensors.index.json"]
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def find_folder(ref: ModelRef, *, weights: bool = True) -> Path:
    """The folder of a model: the declared one, or a snapshot in the local cache. Nothing is downloaded.

    Args:
        ref: the declaration. weights: whether a snapshot must have them.

    Raises:
        DiagnosticError: CQ501 no such folder, CQ503 a hub name that is not in the cache.
    """
    if ref.folder is not None:
        if not ref.folder.is_dir():
            what = "is a file, not a folder" if ref.folder.exists() else "does not exist"
            near = sorted(p.parent.name for p in ref.folder.parent.glob("*/config.json"))
            raise error(
                "CQ501",
                f"the model folder `{ref.source}` {what}",
                ref.span,
                "this folder",
                help=(
                    f"looked for {ref.folder}",
                    "paths are relative to the file that names them",
                    f"models beside it: {', '.join(near)}" if near else "",
                ),
            )
        return ref.folder
    from huggingface_hub import snapshot_download

    try:
        # Only what a model is made of must be there: nobody needs the other files of its repository.
        found = snapshot_download(
            ref.source,
            revision=ref.revision,
            local_files_only=True,
            allow_patterns=_NEEDED if weights else _NEEDED[:1],
            ignore_patterns=["*/*"],
        )
        return Path(found)
    except (OSError, ValueError):
        revision = f" at revision {ref.revision}" if ref.revision else ""
        raise error(
            "CQ503",
            f"`{ref.source}` is not in the local cache of models{revision}",
            ref.span,
            "this model",
            help=(
                "nothing is downloaded unasked: `--online` asks for it",
                "a folder is written with a leading `./` or `/`",
            ),
        ) from None


def read_config(ref: ModelRef, folder: Path, *, weights: bool = True) -> dict[str, Any]:
    """The model's `config.json`, after checking that its weights are safetensors.

    Args:
        ref, folder: of the model. weights: whether there must be any.

    Raises:
        DiagnosticError: CQ502 no model in the folder, CQ530 weights that only unpickling could read,
            CQ531 a config with numbers that no model has.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise error(
            "CQ502",
            f"the folder `{ref.source}` holds no model: it has no config.json",
            ref.span,
            "this folder",
            help="a model folder is what `save_pretrained` writes: config.json, model.safetensors, the tokenizer",
        )
    try:
        config = read_json(path)
    except (ConfigError, OSError) as problem:
        raise error(
            "CQ502",
            f"the config.json of `{ref.source}` cannot be read",
            ref.span,
            "this folder",
            help=f"it should hold one JSON object ({problem})",
        ) from None
    try:
        check_numbers(config)
    except ConfigError as problem:
        raise broken(ref, f"config.json is not believed: {problem}") from None
    if weights and not any(folder.glob("*.safetensors")):
        pickles = [p.name for pattern in _PICKLES for p in folder.glob(pattern)]
        if pickles:
            raise pickled(ref, ", ".join(sorted(pickles)[:3]))
        raise error(
            "CQ502",
            f"the folder `{ref.source}` holds no weights (*.safetensors)",
            ref.span,
            "this folder",
            help="save the model into it with `save_pretrained`",
        )
    return config
