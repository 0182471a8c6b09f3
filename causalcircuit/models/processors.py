"""A folder's processor of text and images, on machines that have no video tools.

Videos are not fed to any model here, but `transformers` makes a processor with all of its parts or not at all: video
parts need torchvision, and SmolVLM's needs `num2words` to say how many frames a video has.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers
from transformers.utils import is_torchvision_available

_BACKEND = {"backend": "pil"}
"""Pictures are resized by PIL whether torchvision is there or not: the numbers must not depend on that."""


def read_processor(folder: Path, wants: frozenset[str], trust: Mapping[str, Any]) -> Any:
    """What makes images or sounds, and for some models the text with them, into inputs.

    Args:
        folder: of the model. wants: see `Signature.wants`. trust: further arguments of `from_pretrained`.

    Raises:
        Exception: whatever `transformers` raises.
    """
    if "audio" in wants:
        return transformers.AutoFeatureExtractor.from_pretrained(folder, **trust)
    if "both" not in wants:
        return transformers.AutoImageProcessor.from_pretrained(folder, **_BACKEND, **trust)
    config, _ = transformers.ProcessorMixin.get_processor_dict(folder, **trust)
    cls = getattr(transformers, str(config.get("processor_class", "")), None)
    if cls is None or is_torchvision_available() or "video_processor" not in cls.get_attributes():
        with _spelled(cls):
            return transformers.AutoProcessor.from_pretrained(folder, **_BACKEND, **trust)
    images = transformers.AutoImageProcessor.from_pretrained(folder, **_BACKEND, **trust)
    words = transformers.AutoTokenizer.from_pretrained(folder, **trust)
    with _spelled(cls):
        return _without_video(cls).from_args_and_dict([images, words, None], config)


def _without_video(cls: Any) -> Any:
    """The class of a processor that has no video part."""

    def check(self: Any, name: str, tool: Any) -> Any:
        if name == "video_processor" and tool is None:
            return None
        return cls.check_argument_for_proper_class(self, name, tool)

    return type(cls.__name__, (cls,), {"check_argument_for_proper_class": check, "__module__": cls.__module__})


@contextmanager
def _spelled(cls: Any) -> Iterator[None]:
    """Let a processor be made that asks for the package `num2words`, which only its videos use."""
    module = sys.modules.get(getattr(cls, "__module__", ""))
    if module is None or getattr(module, "num2words", True) is not None:
        yield
        return
    module.num2words = _wordless  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.num2words = None  # type: ignore[attr-defined]


def _wordless(number: int) -> str:
    raise ImportError(f"the package num2words is needed to write {number} as a word")
