"""Families pinned before they are tested: `cq.freeze(heads, "march.lock", on=pilot)`, then `cq.test(…, under=…)`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import causalcircuit.runs as rooms
from causalcircuit.api.families import Family, Named
from causalcircuit.api.quantities import merge
from causalcircuit.api.rows import Data
from causalcircuit.check.freezing import frozen
from causalcircuit.query import Options, Program
from causalcircuit.query.families import Correction
from causalcircuit.query.locks import Locked


def freeze(
    of: Family | Named,
    to: str | Path,
    *,
    on: Data,
    seen: Sequence[Data] = (),
    method: str = "default",
    resamples: int | None = None,
    seed: int | None = None,
    rows: int | None = None,
) -> Locked:
    """Pin a family before it is tested by `cq.test(of, on=fresh, under=to)`: what `freeze` does in the language.

    Args:
        of: a family, or a hypothesis. to: the file; its key is written beside it.
        on: data declared as those of the test will be; their rows count as seen. seen: others that were looked at.
        method, resamples, seed: of the test. rows: how many it will have, where that is decided.

    Raises:
        DiagnosticError: CQ931 to CQ933, the file is there and says something else; CQ938 it cannot be pinned; CQ939.
    """
    members = of.claims if isinstance(of, Family) else (of,)
    name = of.name if isinstance(of, Family) else of.claim.name
    correct: Correction = of.correct if isinstance(of, Family) else "none"
    alpha = of.alpha if isinstance(of, Family) else 0.05
    options = Options(method, resamples, seed=seed)
    made = frozen(name, [c.claim for c in members], correct, alpha, options, on.ref)
    known = dict.fromkeys([on.ref, *(d.ref for d in seen)])
    asked = replace(made, path=Path(to).resolve(), rows=rows, seen=tuple(known))
    models = merge(*(c.models for c in members))
    return rooms.run_program(Program(models, freezes=(asked,))).locks[0]
