"""Whether a declared model has a chat template, from the files beside its weights."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from causalcircuit.check.sources import locate
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import ModelRef

_LONE = ("chat_template.jinja", "chat_template.json")
_INSIDE = ("tokenizer_config.json", "processor_config.json")


def has_template(ref: ModelRef) -> bool:
    """Whether the tokenizer or the processor in the model's folder has a chat template."""
    if ref.net is not None:
        return False
    try:
        folder = locate(ref)
    except DiagnosticError:
        return False  # said elsewhere
    files = [folder / name for name in _INSIDE]
    return any((folder / name).is_file() for name in _LONE) or any(
        _names(path, path.stat().st_mtime_ns) for path in files if path.is_file()
    )


@lru_cache(maxsize=64)
def _names(path: Path, stamp: int) -> bool:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False  # said when the model is loaded
    return isinstance(said, dict) and bool(said.get("chat_template"))
