"""What an estimator is, and the register of them: `@estimator("name")` above a function is all it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from causalcircuit.inference._arithmetic import terms_in
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._sample import Sample
from causalcircuit.inference._units import Units
from causalcircuit.query import Expr, Options
from causalcircuit.query.methods import offered

Bounds = Callable[[float], tuple[Floats, Floats]]

FEW_CLUSTERS, MANY_CLUSTERS = 20, 30
"""Under the first no bootstrap is used, under the second a warning is given (Cameron, Gelbach & Miller 2008)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a problem before anything is run.

    Attributes:
        combine: the arithmetic over terms.
        events: whether each term is a probability.
        clustered, weighted: whether rows come in clusters, or carry weights.
    """

    combine: Expr
    events: tuple[bool, ...]
    clustered: bool = False
    weighted: bool = False

    @property
    def k(self) -> int:
        """Number of terms."""
        return len(self.events)


@dataclass(frozen=True, slots=True)
class Problem:
    """An estimand over sampling units: a `Shape` with numbers; `sample` is what these were collected from."""

    shape: Shape
    units: Units
    sample: Sample | None = None

    def about(self, part: Expr) -> Problem:
        """The same units, asked for a part of the estimand."""
        return replace(self, shape=replace(self.shape, combine=part))

    @property
    def df(self) -> Floats:
        """[...] degrees of freedom: units of the scarcest term, less one.

        With two separate groups this is the conservative bound of Welch's (smaller group less one).
        """
        return np.asarray(self.units.counts[..., terms_in(self.shape.combine)].min(axis=-1) - 1)


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted estimand.

    Attributes:
        value: [...] the estimate.
        bounds: of one-sided error `a` in (0, 1), [...] lower and upper confidence bound. The lower never falls and
            the upper never rises with `a`: intervals are nested, so that a claim's p is found by inversion.
            −∞ and ∞ where the data bound nothing.
        method: in words. df: degrees of freedom, where there are any.
        reason: why there is no interval at the one-sided error `a`; empty where there is one.
        tails: of a test of 0, its p for the claims that the estimand is above and below 0.
    """

    value: Floats
    bounds: Bounds
    method: str
    df: Floats | None = None
    reason: Callable[[float], str] = lambda a: ""
    tails: tuple[float, float] | None = None


Fitter = Callable[[Problem, Options], Fit]
Refusal = Callable[[Shape], str]


@dataclass(frozen=True, slots=True)
class Estimator:
    """A way from a problem to a fit.

    Attributes:
        name: as `with NAME` says.
        fit: does it. refuse: why it cannot do a problem of this shape; empty where it can.
        random: whether it needs resamples and a seed.
        anytime: whether its intervals hold at every look, so that a run may stop when they say so.
        tests_zero: whether it tests 0 and no other number, exactly for few units too, and gives no interval.
    """

    name: str
    fit: Fitter
    refuse: Refusal
    random: bool
    tests_zero: bool = False
    anytime: bool = False


class _Register(dict[str, Estimator]):
    """Estimators by name; one that is not here is looked for among those that installed packages offer."""

    def __missing__(self, name: str) -> Estimator:
        if name in offered():
            offered()[name].load()  # its decorator registers it
        if name not in self:
            raise KeyError(name)
        return self[name]


ESTIMATORS: dict[str, Estimator] = _Register()


def is_estimator(name: str) -> bool:
    """Whether there is an estimator of that name, here or in an installed package."""
    try:
        return ESTIMATORS[name].name == name
    except KeyError:
        return False


def estimator(
    *names: str,
    random: bool = False,
    refuse: Refusal = lambda shape: "",
    tests_zero: bool = False,
    anytime: bool = False,
) -> Callable[[Fitter], Fitter]:
    """Register a function as the estimator of these names."""

    def register(fit: Fitter) -> Fitter:
        for name in names:
            ESTIMATORS[name] = Estimator(name, fit, refuse, random, tests_zero, anytime)
        return fit

    return register
