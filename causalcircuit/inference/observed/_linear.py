"""Least squares as a function of sums over units; columns that say nothing new are refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from causalcircuit.diagnostics import error
from causalcircuit.inference.observed._resampling import Sums
from causalcircuit.inference.observed._table import Column, Data, Floats, Numbers

_COLLINEAR = 1e-9
"""A column whose rest after the others is below this share of its length says nothing new."""


def features(columns: Sequence[Column]) -> tuple[Floats, tuple[str, ...]]:
    """[n, p] numbers as they are, text as indicators of all labels but the first."""
    parts: list[Floats] = []
    names: list[str] = []
    for column in columns:
        if column.labels is None:
            parts.append(column.values)
            names.append(column.name)
            continue
        for number in column.levels[1:]:
            parts.append((column.values == number).astype(np.float64))
            names.append(f"{column.name} = {column.shown(number)}")
    n = len(columns[0].values) if columns else 0
    return (np.stack(parts, axis=1) if parts else np.zeros((n, 0))), tuple(names)


def standardised(values: Floats, weight: Floats) -> Floats:
    """[n, p] columns of weighted mean 0 and deviation 1; constant ones of 0."""
    if not values.shape[1]:
        return values
    mean = np.average(values, axis=0, weights=weight)
    spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight))
    flat = spread <= 1e-13 * np.maximum(np.abs(mean), 1e-300)
    out: Floats = np.where(flat, 0.0, (values - mean) / np.where(flat, 1.0, spread))
    return out


def varied(column: Column) -> None:
    """Demand that a column is not constant.

    Raises:
        DiagnosticError: CQ852.
    """
    if len(column.levels) < 2:
        raise error(
            "CQ852",
            f"`{column.name}` is constant: every row has {column.shown(float(column.values[0]))}",
            help="a column that does not vary carries no information: leave it out, or collect rows in which it varies",
        )


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """A weighted regression of several targets on one design.

    Attributes:
        q: [n, p] the design in orthonormal columns. back: [p, p] from their coefficients to those of the design.
        targets: [n, k].
    """

    q: Floats
    back: Floats
    targets: Floats
    weight: Floats

    @classmethod
    def of(
        cls, data: Data, design: Floats, names: Sequence[str], targets: Floats, weight: Floats | None = None
    ) -> Regression:
        """Fit `targets` on `design`.

        Raises:
            DiagnosticError: CQ852 a constant or collinear column, CQ853 fewer units than coefficients.
        """
        heavy = data.weight if weight is None else weight
        p = design.shape[1]
        if data.units < p or len(design) < p:
            raise error(
                "CQ853",
                f"{min(data.units, len(design))} {data.word} for {p} coefficients",
                help="collect more rows, or adjust for fewer columns",
            )
        root = np.sqrt(heavy / heavy.sum())[:, None]
        scaled = design * root
        length = np.sqrt((scaled**2).sum(axis=0))
        length = np.where(length > 0, length, 1.0)
        upper = np.linalg.qr(scaled / length, mode="r")
        for j in np.flatnonzero(np.abs(np.diag(upper)) < _COLLINEAR).tolist():
            lone = np.ptp(design[:, j]) == 0
            raise error(
                "CQ852",
                f"`{names[j]}` is {'constant' if lone else 'a linear combination of ' + _others(names[:j])}",
                help="leave it out: it carries no information beside the others",
            )
        back = np.linalg.inv(upper) / length[:, None]
        return cls(design @ back, back, targets, heavy / heavy.sum())

    @property
    def p(self) -> int:
        """How many coefficients."""
        return int(self.q.shape[1])

    def fitted(self) -> Floats:
        """[n, k]."""
        return np.asarray(self.q @ (self.q.T @ (self.weight[:, None] * self.targets)))

    def sums(self, data: Data, extra: Floats | None = None) -> Sums:
        """Second moments, and sums of `extra` [n, m] as weighted."""
        both = np.hstack([self.q, self.targets - self.fitted()])  # residuals: small numbers round little
        p = self.p
        more = np.zeros((len(both), 0)) if extra is None else extra

        def rows(of: Numbers) -> Floats:
            own, heavy = both[of], self.weight[of][:, None]
            products = own[:, :p, None] * own[:, None, :]
            return np.hstack([heavy * products.reshape(len(own), -1), heavy * more[of]])

        return Sums.of(data, rows, p * both.shape[1] + more.shape[1])

    def coefficients(self, sums: Floats) -> Floats:
        """[B, p, k] of the design's columns, from sums [B, m]; NaN where there is no unique fit."""
        p, k = self.p, self.targets.shape[1]
        moments = sums[:, : p * (p + k)].reshape(-1, p, p + k)
        own, cross = moments[:, :, :p], moments[:, :, p:]
        whole = self.q.T @ (self.weight[:, None] * self.targets)
        spectrum = np.linalg.eigvalsh(own)
        sound = (spectrum[:, 0] > 1e-9 * spectrum[:, -1]) & np.isfinite(spectrum).all(axis=1)
        safe = np.where(sound[:, None, None], own, np.eye(p))
        found = self.back @ (whole + np.linalg.solve(safe, cross))
        return np.where(sound[:, None, None], found, np.nan)

    def beside(self, sums: Floats) -> Floats:
        """[B, m] the sums of `extra`."""
        return sums[:, self.p * (self.p + self.targets.shape[1]) :]


def _others(names: Sequence[str]) -> str:
    shown = [f"`{name}`" for name in names if name != "1"]
    return ", ".join(shown) if shown else "a constant"
