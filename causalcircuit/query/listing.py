"""A loaded model's sites with what is proven of each, as `cq sites` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["proven", "inferred", "refused", "unread"]


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A site, or the like sites of a group: `head[0..3].q`.

    Attributes:
        address: local; ranges stand for members that are alike in all the rest.
        width: components. positions: how many, in words: `tokens`, `17 patches`.
        status: `proven` (observing, assigning, gradient); `inferred` (as proven in a layer like it; an assignment is
            proven before its first number is reported); `refused`; `unread` (nothing that the output depends on
            reads it, so that assigning it has no effect).
        reason: why it is refused. gradient: why its gradient is not to be used, empty where it may be.
    """

    address: str
    width: int
    positions: str
    status: Status
    reason: str = ""
    gradient: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under one heading: a tower, or layers that are alike."""

    title: str
    rows: tuple[SiteRow, ...] = ()
    sections: tuple[Section, ...] = ()
    absent: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """All sites of a model.

    Attributes:
        model: as it was named. family: its model type. settings: dtype, attention, padding, in words.
        inputs: what it takes, and readouts what can be asked of its output, as addresses.
        positions: which positions its towers take.
    """

    model: str
    family: str
    settings: tuple[str, ...]
    inputs: tuple[str, ...]
    readouts: tuple[str, ...]
    towers: tuple[Section, ...]
    positions: tuple[tuple[str, str], ...]
