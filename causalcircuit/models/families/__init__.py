"""What structure alone does not tell: the few families that are an exception, one file each.

A family is registered where it is described; nobody edits a list::

    exception("paligemma", causal=False, because="…")
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Exceptional:
    """An exception.

    Attributes:
        causal: whether the positions of its text see earlier ones only, where its class does not say so.
        because: why, in a sentence with its source.
    """

    causal: bool
    because: str


_KNOWN: dict[str, Exceptional] = {}


def exception(model_type: str, *, causal: bool, because: str) -> None:
    """Register the family of a config's `model_type`.

    Raises:
        ValueError: it is registered already.
    """
    if model_type in _KNOWN:
        raise ValueError(f"{model_type} is described twice")
    _KNOWN[model_type] = Exceptional(causal, because)


@cache
def _all() -> dict[str, Exceptional]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return _KNOWN


def exceptional(model_type: str) -> Exceptional | None:
    """What is exceptional about a family, if anything is."""
    return _all().get(model_type)
