"""The tokenizer and the image processor of a folder: offline, its files within bounds, no code of theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import transformers

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.models.offline import offline
from causalcircuit.models.processors import read_processor
from causalcircuit.models.refusals import first_line
from causalcircuit.query import ModelRef
from causalcircuit.query.config import ConfigError, check_numbers, numbers, read_json

_VOCABULARY = ("tokenizer.json", "vocab.*", "merges.txt", "*.model", "*.tiktoken")
_TEXTS = (*_VOCABULARY, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.*")
_PICTURES = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
_MOST = 256 * 2**20  # the largest published vocabularies have 40 MB
_EDGE, _PIXELS = 16_384, 2**28
_REGEX = re.compile(rb'"Regex"\s*:\s*"((?:[^"\\]|\\.)*)"')


def read_tools(ref: ModelRef, folder: Path, wants: frozenset[str]) -> tuple[Any, Any]:
    """The tokenizer and the image processor that the model's inputs need, `None` where it needs none.

    Raises:
        DiagnosticError: CQ534.
    """
    tokenizer = processor = None
    trust: dict[str, Any] = {"local_files_only": True, "trust_remote_code": ref.trust_remote_code}
    with offline():
        if "text" in wants:
            _check_files(ref, "tokenizer", folder, _TEXTS)
            if not any(path for pattern in _VOCABULARY for path in folder.glob(pattern)):
                # Without files, transformers would make up a tokenizer that knows no word.
                raise toolless(ref, "tokenizer", "the folder holds no vocabulary")
            tokenizer = _tool(ref, "tokenizer", lambda: transformers.AutoTokenizer.from_pretrained(folder, **trust))
            if not tokenizer.is_fast:
                raise toolless(ref, "tokenizer", "it cannot say where in the text its tokens stand (it is a slow one)")
            _try(ref, folder, tokenizer)
        if wants & {"image", "audio"}:
            _check_files(ref, "image processor", folder, _PICTURES)
            processor = _tool(ref, "image processor", lambda: read_processor(folder, wants, trust))
    return tokenizer, processor


def _check_files(ref: ModelRef, what: str, folder: Path, patterns: tuple[str, ...]) -> None:
    """Plain files of sensible size and, where they are settings, with sensible numbers."""
    # Unlike `glob`, a list of names has links that lead nowhere too.
    for path in sorted(p for p in folder.iterdir() if any(p.match(pattern) for pattern in patterns)):
        if not path.is_file():
            raise toolless(ref, what, f"{path.name} is no file")  # a link to nowhere, a device, a pipe
        if path.stat().st_size > _MOST:
            raise toolless(ref, what, f"{path.name} has {path.stat().st_size} bytes, and {_MOST} are the most")
        if path.name.endswith("_config.json"):
            try:
                said = read_json(path, _MOST)
                if patterns is _PICTURES:
                    _check_edges(said)
            except ConfigError as problem:
                raise toolless(ref, what, f"{path.name} cannot be believed: {problem}") from None


def _check_edges(said: Mapping[str, Any]) -> None:
    """Pictures are scaled to what fits a memory.

    Raises:
        ConfigError: an edge that no picture has.
    """
    check_numbers(said)
    # Some families call the least and the largest number of pixels their edges.
    pixels = any(key in said for key in ("merge_size", "min_pixels", "max_pixels"))
    for key, value in numbers(said):
        edge = key in ("height", "width", "size", "crop_size", "max_height", "max_width")
        if (edge or key.endswith("_edge")) and value > (_PIXELS if pixels and not edge else _EDGE):
            raise ConfigError(f"it says {key} = {value}, and {_EDGE} is the most that is believed")


def _try(ref: ModelRef, folder: Path, tokenizer: Any) -> None:
    """Patterns that explode show on a text of one repeated character, so every one that they name is tried.

    The matcher gives up by itself after some million steps, which is a panic, and stops the process where nobody
    expects it.
    """
    path = folder / "tokenizer.json"
    patterns = _REGEX.findall(path.read_bytes()) if path.is_file() else []
    for text in _probes(patterns):
        _tool(ref, "tokenizer", partial(tokenizer, text, return_offsets_mapping=True, verbose=False))


def _probes(patterns: list[bytes]) -> Iterator[str]:
    named = sorted({c for p in patterns for c in p.decode("utf-8", "replace") if c.isalnum()})
    for character in [*named[:64], " ", "\n", "."] if patterns else []:
        yield character * 40 + "\x01"


def _tool(ref: ModelRef, what: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as problem:  # a panic of the Rust below is no `Exception`
        raise toolless(ref, what, first_line(problem)) from None


def toolless(ref: ModelRef, what: str, why: str) -> DiagnosticError:
    """CQ534: a tokenizer or processor that is missing, or not to be used."""
    return error(
        "CQ534",
        f"the {what} of `{ref.source}` does not load: {why}",
        ref.span,
        "this model",
        help=f"save the model's own {what} into the same folder with `save_pretrained`",
    )
