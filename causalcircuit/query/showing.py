"""`show`: what is asked for as a table or a heat map, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query.families import Correction
from causalcircuit.query.program import Estimation

if TYPE_CHECKING:
    from causalcircuit.query.estimate import Estimate

Form = Literal["table", "heatmap", "overlay"]


@dataclass(frozen=True, slots=True)
class Showing(Estimation):
    """`show q, … on d for H in … as heatmap`: estimates whose intervals hold together.

    `names` are the heads as written; each is shown by itself. `left_out` names the members without a path. The
    intervals hold together by Bonferroni, or as the estimates vary together (`max_t`, which draws).
    """

    form: Form = "table"
    left_out: tuple[str, ...] = ()
    correction: Correction = "holm"


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of a heat map: what goes along it (`layer`, `head`, `position`), and the label of each line."""

    title: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One heat map: `cells[row][column]` is the place of an estimate, `None` where there is none.

    `title` tells it from the others of its kind: `position = last`, `row.gender = woman`; empty for the only one.
    """

    title: str
    rows: Axis
    columns: Axis
    cells: tuple[tuple[int | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """What `show` found: estimates of one family.

    Attributes:
        name: the estimand as written. data: the label of its data.
        form: how it is to be shown. panels: its heat maps, empty for a table.
        estimates: each with an interval that holds together with all others, at `level`.
        p: of each, two-sided, that it is 0; empty where 0 means nothing. p_adjusted: in the family (Holm).
        family: how many estimates hold together. correction: by Bonferroni and Holm (`holm`), or by `max_t`.
        left_out: members of the sweep that have no path to what is read, so that assigning them changes nothing.
    """

    name: str
    data: str
    form: Form
    estimates: tuple[Estimate, ...]
    panels: tuple[Panel, ...] = ()
    p: tuple[float | None, ...] = ()
    p_adjusted: tuple[float | None, ...] = ()
    level: float = 0.95
    family: int = 1
    left_out: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict, compare=False)
    standing: Literal["", "exploratory"] = ""
    correction: Correction = "holm"

    @property
    def unit(self) -> str:
        """The measure of its estimates."""
        return self.estimates[0].unit if self.estimates else ""

    def order(self) -> list[int]:
        """The places of the estimates, the largest absolute value first; undefined ones last."""
        values = [e.value for e in self.estimates]
        return sorted(range(len(values)), key=lambda i: (values[i] is None, -abs(values[i] or 0.0), i))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        estimates = []
        for i, e in enumerate(self.estimates):
            item = e.to_json()
            if self.p:
                item |= {"p": self.p[i], "p_adjusted": self.p_adjusted[i]}
            estimates.append(item)
        out: dict[str, Any] = {
            "name": self.name,
            "data": self.data,
            "form": self.form,
            "level": self.level,
            "family": self.family,
            "correction": self.correction,
            "estimates": estimates,
        }
        if self.panels:
            out["panels"] = [
                {
                    "title": p.title,
                    "rows": {"title": p.rows.title, "labels": list(p.rows.labels)},
                    "columns": {"title": p.columns.title, "labels": list(p.columns.labels)},
                    "cells": [list(line) for line in p.cells],
                }
                for p in self.panels
            ]
        if self.standing:
            out["standing"] = self.standing
        if self.left_out:
            out["left_out"] = list(self.left_out)
        return out


def simultaneous(level: float, family: int) -> float:
    """The level of each of so many intervals that hold together at `level` (Bonferroni)."""
    return 1 - (1 - level) / max(family, 1)
