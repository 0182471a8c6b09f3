"""Refutation of an estimate from observed rows: DoWhy's refuters, run on this package's own estimators.

DoWhy (0.14) shuffles the treatment, adds a random common cause and draws subsets; what is estimated anew is whatever
gave the estimate, handed to it as an estimator. What of it is not taken as it is:

- treatments of floats are replaced by Gaussian noise unless they are permuted: they are permuted here, always;
- rows are shuffled and drawn one by one, whatever was sampled: here its table has a row for each sampling unit;
- a seed that is a number gives every subset the same rows: here it is a generator;
- its p of a subset or of a random cause cannot be small: the estimates themselves are taken, and held against the
  interval of the estimate;
- its simulated confounder weakens the effect even where it does not touch the outcome, and flips a balanced treatment
  both ways, which confounds nothing: that one is `simulated.py`;
- warnings and logs of pandas and of its own, by the thousand.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from causalcircuit.query.refutation import Refutation, Verdict

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]

REPEATS = 200
SHARE = 0.8
"""Of the sampling units, in a subset."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Rows as they are to be estimated from anew.

    Attributes:
        rows: [m] the numbers of the rows that are kept. donors: [n] the rows whose treatment each row takes, or None.
        cause: [n] a further common cause, to be adjusted for, or None.
    """

    rows: Numbers
    donors: Numbers | None = None
    cause: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """An estimate that can be made anew.

    Attributes:
        value: the estimate. interval: its interval, or None.
        unit: [n] the number of each row's sampling unit, from 0. clustered: whether units may have several rows.
        treatment: [n, t] what is set. refit: the estimate from changed rows; NaN where they give none.
    """

    value: float
    interval: tuple[float, float] | None
    unit: Numbers
    clustered: bool
    treatment: Floats
    refit: Callable[[Change], float]

    @property
    def n(self) -> int:
        """How many rows."""
        return len(self.unit)

    @property
    def units(self) -> int:
        """How many sampling units."""
        return int(self.unit.max()) + 1

    @property
    def word(self) -> str:
        """What a sampling unit is called."""
        return "clusters" if self.clustered else "rows"

    @property
    def first(self) -> Numbers:
        """[units] the first row of each unit."""
        return np.unique(self.unit, return_index=True)[1].astype(np.intp)

    @property
    def assigned_by_unit(self) -> bool:
        """Whether all rows of a unit have the same treatment."""
        return bool((self.treatment == self.treatment[self.first[self.unit]]).all())


def placebo(subject: Subject, seed: int, repeats: int = REPEATS) -> Refutation:
    """The treatment is shuffled: what is left is no effect."""
    by_unit = subject.assigned_by_unit
    made = _drawn(subject, "placebo", seed, repeats, by_unit)
    low, high, mean, kept = _central(made)
    as_large = int((np.abs(kept) >= abs(subject.value)).sum())
    share = (1 + as_large) / (len(kept) + 1)
    chance = f"{as_large} of {len(kept)} shuffles give one as large as the estimate"
    where = f"in {low:.3g} to {high:.3g}"
    verdict: Verdict
    if len(kept) < 0.9 * repeats:
        verdict, said = "undecided", "too many shuffles gave no estimate"
    elif low <= 0 <= high:
        verdict = "held"
        said = f"a shuffled treatment has none, {where}; {chance}"
        said += ": the rows cannot tell it from none" if share > 0.05 else ""
    else:
        verdict, said = "failed", f"an effect is found where there is none, {where}: the estimator is biased here"
    return Refutation(
        "placebo",
        f"the treatment shuffled over {'clusters' if by_unit and subject.clustered else 'rows'}",
        "no effect",
        subject.value, mean, (low, high), repeats, repeats - len(kept), verdict, said,
    )  # fmt: skip


def common_cause(subject: Subject, seed: int, repeats: int = REPEATS) -> Refutation:
    """A random column is adjusted for besides: nothing depends on it, so that the estimate stays."""
    made = _drawn(subject, "common_cause", seed, repeats, True)
    return _stays(
        subject, made, repeats, "common_cause",
        f"a random column, one number for each of the {subject.word}, adjusted for besides",
        "it moves with what says nothing: too few rows for what is adjusted for",
    )  # fmt: skip


def subset(subject: Subject, seed: int, repeats: int = REPEATS) -> Refutation:
    """A share of the sampling units is drawn: the estimate stays within its interval."""
    made = _drawn(subject, "subset", seed, repeats, True)
    return _stays(
        subject, made, repeats, "subset",
        f"{100 * SHARE:g}% of the {subject.word} drawn at random",
        f"it hangs on which {subject.word} are in: a few of them decide",
    )  # fmt: skip


def _stays(subject: Subject, made: Floats, repeats: int, refuter: str, what: str, otherwise: str) -> Refutation:
    low, high, mean, kept = _central(made)
    where = f"in {low:.3g} to {high:.3g}"
    verdict: Verdict
    if subject.interval is None or len(kept) < 0.9 * repeats:
        why = "the estimate has no interval to be held against" if subject.interval is None else ""
        verdict, said = "undecided", why or f"{repeats - len(kept)} of {repeats} changed tables gave no estimate"
    elif subject.interval[0] <= low and high <= subject.interval[1]:
        verdict, said = "held", f"the estimate stays within its interval, {where}"
    else:
        verdict, said = "failed", f"the estimate leaves its interval, {where}: {otherwise}"
    return Refutation(
        refuter, what, "the same estimate", subject.value, mean, (low, high),
        repeats, repeats - len(kept), verdict, said,
    )  # fmt: skip


def _central(made: Floats) -> tuple[float, float, float, Floats]:
    """The central 95% and the mean of what is finite, and that itself."""
    kept = made[np.isfinite(made)]
    if not len(kept):
        return math.nan, math.nan, math.nan, kept
    low, high = np.quantile(kept, (0.025, 0.975))
    return float(low), float(high), float(kept.mean()), kept


# ---- DoWhy


@dataclass(slots=True)
class _Estimator:
    """What DoWhy's refuters ask of an estimator; each fit is an estimate from changed rows, which is kept.

    Attributes:
        spread: whether a row of DoWhy's table stands for a sampling unit, not for a row.
    """

    subject: Subject
    spread: bool
    made: list[float]
    value: float = math.nan
    _effect_modifier_names: tuple[str, ...] = ()
    _target_units: str = "ate"

    def get_new_estimator_object(self, _: object, **__: object) -> _Estimator:
        return self

    def fit(self, data: Any, **_: object) -> _Estimator:
        """Estimate from DoWhy's table: `unit` says which units are in, `placebo` whose treatment they take."""
        known = self.subject
        units = data["unit"].to_numpy()
        of = known.unit if self.spread else np.arange(known.n)
        rows = np.flatnonzero(np.isin(of, units)) if len(units) <= int(of.max()) else np.arange(known.n)
        donors = cause = None
        if "placebo" in data:
            taken = data["placebo"].to_numpy()[of]  # the units stand in order: none is left out
            donors = known.first[taken] if self.spread else taken
        if "w_random" in data:
            cause = data["w_random"].to_numpy()[of]
        self.value = known.refit(Change(rows, donors, cause))
        self.made.append(self.value)
        return self

    def estimate_effect(self, *_: object, **__: object) -> _Estimator:
        return self


def _drawn(subject: Subject, refuter: str, seed: int, repeats: int, by_unit: bool) -> Floats:
    """[repeats] the estimates from DoWhy's changed tables."""
    with _quiet():
        import pandas as pd
        from dowhy.causal_estimator import CausalEstimate
        from dowhy.causal_identifier.identified_estimand import IdentifiedEstimand
        from dowhy.causal_refuters.data_subset_refuter import refute_data_subset
        from dowhy.causal_refuters.placebo_treatment_refuter import PlaceboType, refute_placebo_treatment
        from dowhy.causal_refuters.random_common_cause import refute_random_common_cause

        size = subject.units if by_unit else subject.n
        table = pd.DataFrame({"unit": np.arange(size), "treatment": np.arange(size), "outcome": np.zeros(size)})
        estimand = IdentifiedEstimand(
            None, ["treatment"], ["outcome"],
            backdoor_variables={"backdoor": []}, default_backdoor_id="backdoor", identifier_method="backdoor",
        )  # fmt: skip
        estimator = _Estimator(subject, by_unit, [])
        estimate = CausalEstimate(table, ["treatment"], ["outcome"], subject.value, estimand, None, 0, 1)
        estimate.add_estimator(estimator)
        state = np.random.RandomState(seed)  # a number would give every subset the same rows
        match refuter:
            case "placebo":
                permuted = PlaceboType.PERMUTE
                refute_placebo_treatment(
                    table, estimand, estimate, ["treatment"], repeats, permuted, random_state=state
                )
            case "common_cause":
                refute_random_common_cause(table, estimand, estimate, repeats, random_state=state)
            case _:
                refute_data_subset(table, estimand, estimate, SHARE, repeats, random_state=state)
    return np.asarray(estimator.made, np.float64)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of pandas and the logs of DoWhy."""
    log = logging.getLogger("dowhy")
    level = log.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            log.setLevel(level)
