"""Models and the package by their content: what an outcome rests on besides the question and the row. No torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import causalcircuit
from causalcircuit.check import locate
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import ModelRef
from causalcircuit.query.dictionary import Dictionary
from causalcircuit.store import Files, checksum

_LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "pillow", "accelerate")
_ROOMS = ("engine", "models", "query")
# What a model is called, where it comes from, and what is only asked of loading it.
_NAMES = ("name", "source", "folder", "revision", "memory", "dictionaries", "net", "span")


class Unkeepable(Exception):  # noqa: N818 - a limit, no fault
    """What an outcome rests on cannot be named, so that it is not kept."""


@dataclass(slots=True)
class Contents:
    """Digests of models and dictionaries, each taken once: a loaded model stays what it was when it was loaded."""

    files: Files
    _models: dict[ModelRef, str | None] = field(default_factory=dict)

    def weights(self, ref: ModelRef) -> str | None:
        """The digest of a model's folder; `None` where its files do not say what it computes."""
        if ref not in self._models:
            self._models[ref] = self._digest(ref)
        return self._models[ref]

    def model(self, ref: ModelRef) -> bytes:
        """A model with its settings, whatever it is called.

        Raises:
            Unkeepable: its files do not say what it computes.
        """
        found = self.weights(ref)
        if found is None:
            raise Unkeepable(f"`{ref.name}` is not made of files alone")
        settings = [(f.name, repr(getattr(ref, f.name))) for f in fields(ref) if f.name not in _NAMES]
        return checksum(found.encode(), json.dumps(sorted(settings)).encode())

    def dictionary(self, of: Dictionary) -> bytes:
        """A dictionary by its file and what it is declared to be.

        Raises:
            Unkeepable: its file cannot be read.
        """
        found = self.files.digest(of.path)
        if found is None:
            raise Unkeepable(f"the file of `{of.name}` is gone")
        said = (of.kind, of.reads, of.writes, of.features, of.activation, of.centred, of.weights)
        return checksum(found, repr(said).encode())

    def unchanged(self, ref: ModelRef) -> bool:
        """Whether a model's files are what they were; if not, they are looked at anew from here on."""
        before = self._models.get(ref)
        if before is None or self._digest(ref) == before:
            return True
        del self._models[ref]
        return False

    def _digest(self, ref: ModelRef) -> str | None:
        if ref.net is not None:  # weights do not say what the code of a network does
            return None
        try:
            folder = locate(ref)
            if (folder / "adapter_config.json").exists() or _borrows_code(folder / "config.json"):
                return None
            return self.files.folder(folder)
        except (OSError, DiagnosticError):
            return None


def _borrows_code(config: Path) -> bool:
    """Whether a model's code lies in another repository: `"auto_map": {"AutoModel": "owner/other--file.Class"}`."""
    try:
        said = json.loads(config.read_bytes()).get("auto_map") or {}
        return any("--" in str(value) for value in said.values())
    except (ValueError, AttributeError):
        return True


@cache
def versions() -> dict[str, str]:
    """The package, and the libraries that numbers come from, with their versions."""
    found = {"causalcircuit": causalcircuit.__version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def code(*more: str) -> str:
    """A digest of the code that numbers come from: a change of it makes older outcomes worthless, released or not.

    Args:
        more: rooms besides those that all numbers come from.
    """
    root = Path(causalcircuit.__file__).parent
    said = hashlib.sha256()
    for path in sorted(p for room in (*_ROOMS, *more) for p in (root / room).rglob("*.py")):
        said.update(checksum(path.relative_to(root).as_posix().encode(), path.read_bytes()))
    return said.hexdigest()
