"""An unobserved common cause, simulated as strong as what was measured, and adjusted for.

DoWhy's simulation changes the rows: it adds a multiple of w to the treatment and leaves the outcome as if nothing had
been done to the treatment, so that the effect shrinks even where w does not touch the outcome; a binary treatment it
flips both ways, so that a balanced one does not come to depend on w at all.

Here the rows stay as they are, and w is drawn so that it *could* have been left out: among the rows at hand it
explains given shares of what the covariates leave of treatment and outcome (partial R²), in the direction that makes
the estimate too large. Adjusting for it besides shows what the estimate would have been. For a linear regression that
is the bias of Cinelli and Hazlett (2020, "Making sense of sensitivity", JRSS B 82); any estimator that adjusts may be
asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from causalcircuit.query.refutation import Refutation, Verdict
from causalcircuit.scm.refutation import Change, Floats, Subject

TIMES = (0.5, 1.0, 2.0)
"""As many times as strong as the strongest covariate."""
UNTOLD = 0.1
"""The partial R² with treatment and with outcome where there is no covariate to go by."""
DRAWS = 20
_MOST = 0.98


def confounder(
    subject: Subject,
    outcome: Floats,
    covariates: Mapping[str, Floats],
    weight: Floats,
    seed: int,
    draws: int = DRAWS,
) -> Refutation:
    """What the estimate would be had a common cause been left out, as strong as the strongest covariate.

    Args:
        subject: an estimate that adjusts for covariates. outcome: [n].
        covariates: by name [n, p] numbers, one column or indicators. weight: [n]. seed: of w. draws: of w, averaged.
    """
    x, y = subject.treatment[:, 0], outcome
    root = np.sqrt(weight / weight.sum())
    base = _design([*covariates.values()], len(y))
    strongest, r2_x, r2_y = _strongest(x, y, covariates, root)
    state = np.random.default_rng(seed)
    side = _against(subject, x, y, base, root, (min(r2_x, _MOST), min(r2_y, _MOST)), seed)
    means: list[tuple[float, float]] = []
    once: list[float] = []
    for times in TIMES:
        shares = min(times * r2_x, _MOST), min(times * r2_y, _MOST)
        values = [
            subject.refit(Change(np.arange(subject.n), cause=drawn(x, y, base, root, shares, side, state)))
            for _ in range(draws)
        ]
        kept = [v for v in values if math.isfinite(v)]
        means.append((times, float(np.mean(kept)) if kept else math.nan))
        if times == 1:
            once = kept
    verdict, said = _judged(subject.value, means, strongest)
    low, high = np.quantile(once, (0.025, 0.975)) if once else (math.nan, math.nan)
    size = f"{100 * r2_x:.2g}% of what is left of the treatment, {100 * r2_y:.2g}% of the outcome"
    like = f"as strong as `{strongest}`" if strongest else "of a strength that is set, as nothing is adjusted for"
    return Refutation(
        "confounder",
        f"a common cause that was left out, {like}: it explains {size}",
        "the same sign",
        subject.value, dict(means)[1.0], (float(low), float(high)), draws, draws - len(once),
        verdict, said, tuple(means),
    )  # fmt: skip


def drawn(
    x: Floats,
    y: Floats,
    base: Floats,
    root: Floats,
    shares: tuple[float, float],
    side: float,
    state: np.random.Generator,
) -> Floats:
    """[n] a column that explains `shares` of the rests of treatment and outcome.

    Args:
        x, y: [n] treatment and outcome. base: [n, p] the covariates with a constant. root: [n] roots of weights.
        shares: partial R² with x given the covariates, and with y given x and the covariates.
        side: positive where it raises both, so that leaving it out makes the slope too large.
    """
    rest_x = _unit(_rest(x, base, root), root)
    both = np.column_stack([base, x])
    rest_y = _unit(_rest(y, both, root), root)
    noise = _unit(_rest(state.normal(size=len(x)), np.column_stack([both, y]), root), root)
    a = math.sqrt(shares[0])
    b = math.sqrt(shares[1] * (1 - shares[0]))
    return np.asarray(a * rest_x + math.copysign(b, side) * rest_y + math.sqrt(max(1 - a**2 - b**2, 0.0)) * noise)


def _against(
    subject: Subject, x: Floats, y: Floats, base: Floats, root: Floats, shares: tuple[float, float], seed: int
) -> float:
    """1 or -1: which of the two directions brings the estimate towards 0 and past it, whatever it contrasts."""
    every = np.arange(subject.n)
    both = [
        subject.refit(Change(every, cause=drawn(x, y, base, root, shares, side, np.random.default_rng(seed))))
        for side in (1.0, -1.0)
    ]
    toward = [v * math.copysign(1.0, subject.value) for v in both]
    return -1.0 if toward[1] < toward[0] else 1.0


def _strongest(x: Floats, y: Floats, covariates: Mapping[str, Floats], root: Floats) -> tuple[str, float, float]:
    """The covariate that matters most for both, with its partial R² with each, the others given."""
    found = ("", UNTOLD, UNTOLD)
    top = -1.0
    for name, own in covariates.items():
        others = _design([v for k, v in covariates.items() if k != name], len(x))
        r2_x = _partial(x, own, others, root)
        r2_y = _partial(y, own, np.column_stack([others, x]), root)
        if r2_x * r2_y > top:
            top, found = r2_x * r2_y, (name, r2_x, r2_y)
    return found


def _partial(target: Floats, own: Floats, others: Floats, root: Floats) -> float:
    before = _rest(target, others, root)
    after = _rest(target, np.column_stack([others, own]), root)
    whole = float(((root * before) ** 2).sum())
    return 1 - float(((root * after) ** 2).sum()) / whole if whole > 0 else 0.0


def _design(parts: Sequence[Floats], n: int) -> Floats:
    return np.column_stack([np.ones(n), *parts])


def _rest(target: Floats, design: Floats, root: Floats) -> Floats:
    """What a weighted regression leaves."""
    beta = np.linalg.lstsq(design * root[:, None], target * root, rcond=None)[0]
    return np.asarray(target - design @ beta)


def _unit(values: Floats, root: Floats) -> Floats:
    size = math.sqrt(float(((root * values) ** 2).sum()))
    return values / size if size > 0 else values


def _judged(value: float, means: Sequence[tuple[float, float]], strongest: str) -> tuple[Verdict, str]:
    like = f"as strong as `{strongest}`" if strongest else "of that strength"
    shown = ", ".join(f"{v:.3g} at {times:g}×" if math.isfinite(v) else f"none at {times:g}×" for times, v in means)
    turned = [times for times, v in means if math.isfinite(v) and math.copysign(1.0, v) != math.copysign(1.0, value)]
    if turned and min(turned) < 1:
        return "fragile", f"one {min(turned):g} times as strong already turns the sign: {shown}"
    if not math.isfinite(dict(means)[1.0]):
        return "undecided", f"adjusting for one {like} gave no estimate: {shown}"
    if turned and min(turned) == 1:
        return "fragile", f"one {like} turns the sign: {shown}"
    if turned:
        return "held", f"one {like} does not turn the sign, one {min(turned):g} times as strong does: {shown}"
    return "held", f"the sign stays, where there is an estimate: {shown}"
