"""Code that a model brings along: run only where the file names its source as trusted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import transformers
from transformers import PreTrainedModel
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.models.refusals import broken, first_line
from causalcircuit.query import ModelRef

# By which name of `auto_map` a model is taken, where none is that of `architectures`.
_TASKS = (
    "AutoModelForCausalLM",
    "AutoModelForImageTextToText",
    "AutoModelForVision2Seq",
    "AutoModelForSeq2SeqLM",
    "AutoModelForMaskedLM",
    "AutoModelForImageClassification",
    "AutoModel",
)
_MAPS = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")


def native_class(config: Mapping[str, Any]) -> type[Any] | None:
    """The class of transformers that a config names, if it is one of models."""
    named = config.get("architectures")
    name = named[0] if isinstance(named, list) and named else None
    kind = getattr(transformers, name, None) if isinstance(name, str) else None
    return kind if isinstance(kind, type) and issubclass(kind, PreTrainedModel) else None


def brought_class(ref: ModelRef, folder: Path, config: Mapping[str, Any]) -> tuple[type[Any], type[Any] | None]:
    """The model's class and its config's class (`None`: the model class knows), from the folder's own code.

    Raises:
        DiagnosticError: CQ542 no such code, or code of another place; CQ531 code that fails.
    """
    said = config.get("auto_map")
    models = {k: v for k, v in said.items() if k.startswith("AutoModel")} if isinstance(said, Mapping) else {}
    if not models:
        raise _untrusted(ref, "config.json names no code of a model (`auto_map`)", "leave `trust_remote_code` out")
    for where, text in _named(folder):
        _own(ref, folder, where, text)
    wanted = (config.get("architectures") or [""])[0]
    key = next((k for k, v in models.items() if str(v).endswith(f".{wanted}")), None)
    key = key or next((k for k in _TASKS if k in models), next(iter(models)))
    try:
        kind = get_class_from_dynamic_module(models[key], str(folder), local_files_only=True)
        kind.register_for_auto_class(key)
        name = said.get("AutoConfig") if isinstance(said, Mapping) else None
        settings = None if name is None else get_class_from_dynamic_module(name, str(folder), local_files_only=True)
    except Exception as problem:  # the code is the folder's: it may raise anything
        raise broken(ref, f"its own code fails: {first_line(problem)}") from None
    return kind, settings


def _named(folder: Path) -> Iterator[tuple[str, str]]:
    """Every reference to code in the folder's settings, with the file that makes it."""
    for name in _MAPS:
        path = folder / name
        if path.is_file():
            try:
                said = json.loads(path.read_text(encoding="utf-8")).get("auto_map")
            except (ValueError, RecursionError, AttributeError):
                continue  # whoever reads it complains
            waiting: list[Any] = [said]
            while waiting:
                value = waiting.pop()
                if isinstance(value, Mapping | list):
                    waiting.extend(value.values() if isinstance(value, Mapping) else value)
                elif isinstance(value, str):
                    yield name, value


def _own(ref: ModelRef, folder: Path, where: str, text: str) -> None:
    """The code lies in the folder that is trusted, and nowhere else.

    Raises:
        DiagnosticError: CQ542.
    """
    if "--" in text:
        raise _untrusted(ref, f"{where} names code of another repository, `{text}`", "only the named source is trusted")
    # A snapshot of the hub is made of links into the folder of its repository.
    root = (folder if ref.folder is not None else folder.parents[1]).resolve()
    for path in folder.rglob("*.py"):
        if not path.resolve().is_relative_to(root):
            raise _untrusted(ref, f"{path.name} is a link out of the folder", "copy the file into it, if it is trusted")


def _untrusted(ref: ModelRef, why: str, help: str) -> DiagnosticError:
    return error("CQ542", f"the code of `{ref.source}` is not run: {why}", ref.span, "this model", help=help)
