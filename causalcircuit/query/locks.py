"""What a lock pins of a family before it is tested, and what is asked of one: no files, no models."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from causalcircuit.diagnostics import Span
from causalcircuit.query.expr import Expr
from causalcircuit.query.families import Correction
from causalcircuit.query.program import Claim, DataRef, Options
from causalcircuit.query.render import render

FORMAT = 1
KIND = "causalcircuit lock"


@dataclass(frozen=True, slots=True)
class Freezing:
    """`freeze heads on pilot to "./march.lock" with bootstrap(2000) seed 7 sample 200`.

    Attributes:
        claims: of the family, with their stages. correction, alpha: how they are held together.
        options: of the test: its estimator and seed. rows: how many it will have, `None` where that is open.
        like: data declared as those of the test will be. seen: all data whose rows do not count as new.
        path: of the lock.
    """

    name: str
    claims: tuple[Claim, ...]
    correction: Correction
    alpha: float
    options: Options
    like: DataRef
    path: Path
    seen: tuple[DataRef, ...] = ()
    rows: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Locked:
    """A lock that a run wrote, or held a test against.

    Attributes:
        family: that it pins. file: its name. digest: SHA-256 of all that it says, which is to be published.
        rows: new rows that the test had; for a lock that is written, rows that count as seen.
        written, tested: whether the run wrote it, or held a test against it; with neither it was there already.
    """

    family: str
    file: str
    digest: str
    rows: int
    written: bool = False
    tested: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "family": self.family,
            "file": self.file,
            "sha256": self.digest,
            "rows": self.rows,
            "written": self.written,
            "tested": self.tested,
        }


def pinned_family(name: str, claims: Iterable[Claim], correction: Correction, alpha: float) -> dict[str, Any]:
    """A family in canonical text."""
    said = [
        {
            "name": c.name,
            "title": c.title,
            "because": c.because,
            "estimand": render(c.query.expr),
            "region": [_end(c.region.low), _end(c.region.high)],
            "outside": c.region.outside,
            "closed": c.region.closed,
            "unit": c.unit,
            "stage": c.stage + 1,
        }
        for c in claims
    ]
    return {"name": name, "claims": said, "correct": correction, "alpha": alpha}


def pinned_estimator(options: Options) -> dict[str, Any]:
    """How intervals are made."""
    pinned = {"method": options.method, "resamples": options.resamples, "seed": options.seed}
    return pinned if options.until is None else {**pinned, "until": str(options.until)}


def pinned_data(ref: DataRef) -> dict[str, Any]:
    """How rows become units: what feeds models, what is excluded, what is sampled and with which weight.

    Which file they stand in is left open: the test takes new rows.
    """
    return {
        "feeds": {channel: _text(e) for channel, e in ref.feeds},
        "cluster": None if ref.cluster is None else _text(ref.cluster),
        "weight": None if ref.weight is None else _text(ref.weight),
        "where": None if ref.where is None else _text(ref.where),
    }


def changes(before: Mapping[str, Any], now: Mapping[str, Any], at: str = "") -> list[tuple[str, Any, Any]]:
    """Where two nested mappings differ: (place, then, now), `None` where one has nothing."""
    out: list[tuple[str, Any, Any]] = []
    for key in dict.fromkeys([*before, *now]):
        a, b, place = before.get(key), now.get(key), f"{at}.{key}" if at else key
        if isinstance(a, dict) and isinstance(b, dict):
            out += changes(a, b, place)
        elif key == "claims" and isinstance(a, list) and isinstance(b, list):
            out += changes(_by_name(a), _by_name(b), place)
            orders = [[c.get("name") for c in x if isinstance(c, dict)] for x in (a, b)]
            if orders[0] != orders[1] and sorted(map(str, orders[0])) == sorted(map(str, orders[1])):
                out.append((f"{place}, their order", orders[0], orders[1]))
        elif a != b:
            out.append((place, a, b))
    return out


def canonical(content: Mapping[str, Any]) -> bytes:
    """A lock as text: keys in order, a line each; what its digest is of, without that digest."""
    said = {k: v for k, v in content.items() if k != "sha256"}
    return (json.dumps(said, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of all that a lock says."""
    return hashlib.sha256(canonical(content)).hexdigest()


def _by_name(claims: list[Any]) -> dict[str, Any]:
    return {str(c.get("name")): c for c in claims if isinstance(c, dict)}


def _end(x: float) -> float | None:
    return x if math.isfinite(x) else None


def _text(e: Any) -> str:
    return render(e) if isinstance(e, Expr) else repr(e)
