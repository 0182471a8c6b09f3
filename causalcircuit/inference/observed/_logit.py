"""Logistic regression by Newton's method, and what each unit contributes to it."""

from __future__ import annotations

import numpy as np

from causalcircuit.inference.observed._table import Floats

_ROUNDS, _FAR = 60, 25.0


def logit(design: Floats, target: Floats, weight: Floats) -> Floats | None:
    """[p] coefficients of a logistic regression; None where none are finite (rows are separated)."""
    gamma = np.zeros(design.shape[1])
    heavy = weight / weight.sum()

    def loss(at: Floats) -> float:
        line = design @ at
        return float((heavy * (np.logaddexp(0.0, line) - target * line)).sum())

    now = loss(gamma)
    for _ in range(_ROUNDS):
        share = shares(design, gamma)
        score = design.T @ (heavy * (target - share))
        curve = design.T @ ((heavy * share * (1 - share))[:, None] * design)
        try:
            step = np.linalg.solve(curve, score)
        except np.linalg.LinAlgError:
            return None
        size = 1.0
        while (new := loss(gamma + size * step)) > now + 1e-15 and size > 1e-8:
            size /= 2
        gamma, now = gamma + size * step, new
        if np.abs(design @ gamma).max() > _FAR:
            return None
        if float(score @ step) < 1e-20:
            return gamma
    return gamma if float(np.abs(score).max()) < 1e-7 else None


def shares(design: Floats, gamma: Floats) -> Floats:
    """[n] the fitted probabilities."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * (design @ gamma))))
