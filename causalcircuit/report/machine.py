"""A result as JSON, for machines: `schema` 1."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import Result


def to_json(result: Result | None, diagnostics: Iterable[Diagnostic] = (), *, interrupted: bool = False) -> str:
    """The machine's view of a result and of further diagnostics, in ASCII, so valid in every encoding.

    Args:
        result: `None` where there is none.
        diagnostics: what went wrong besides what the result says itself.
        interrupted: mark it as cut short even if the result is not.
    """
    shown = result or Result()
    every = (*shown.diagnostics, *(d for d in dict.fromkeys(diagnostics) if d not in shown.remarks))
    cut = shown.interrupted or interrupted
    whole = replace(shown, diagnostics=every, interrupted=cut)
    return json.dumps(_plain(whole.to_json()), indent=2, allow_nan=False)


def _plain(x: Any) -> Any:
    """JSON knows no NaN and no infinity: they become null."""
    if isinstance(x, dict):
        return {k: _plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [_plain(v) for v in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x
