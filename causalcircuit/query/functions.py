"""The register of functions in Python that give a number for each row."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Function = Callable[..., Any]
_KNOWN: dict[tuple[Path | None, str], Function] = {}
_LOADING: list[Path] = []


def register(name: str, function: Function) -> Path | None:
    """Keep a function under its name; a later one of that name takes its place.

    Returns:
        The file that it belongs to: the one that is being loaded; `None` in a process of its own.
    """
    file = _LOADING[-1] if _LOADING else None
    _KNOWN[file, name] = function
    return file


def registered(name: str, file: Path | None = None) -> Function | None:
    """The function of that name, of a file or of this process."""
    return _KNOWN.get((file, name))


@contextmanager
def loading(file: Path) -> Iterator[None]:
    """What is registered meanwhile belongs to `file`, and all that does; nothing where its code fails."""
    _forget(file)
    _LOADING.append(file)
    try:
        yield
    except BaseException:
        _forget(file)
        raise
    finally:
        _LOADING.pop()


def _forget(file: Path) -> None:
    for key in [key for key in _KNOWN if key[0] == file]:
        del _KNOWN[key]


def arity(function: Function) -> tuple[int, int]:
    """How many arguments a function takes, at least and at most."""
    parameters = inspect.signature(function).parameters.values()
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    most = 99 if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(plain)
    return sum(p.default is p.empty for p in plain), most
