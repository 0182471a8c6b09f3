"""The names of estimators, as `with NAME` says them: a check needs no more of them."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

ANALYTIC = ("student", "fieller", "delta", "wilson", "order", "fisher", "asymptotic", "betting", "bernstein")
RANDOM = ("bootstrap", "bca", "percentile", "basic", "studentised", "permutation")
"""Those that take a number of resamples and need a seed."""
METHODS = (*RANDOM, *ANALYTIC)

GROUP = "causalcircuit.estimators"
"""The entry points by which an installed package offers estimators: `name = "package.module"`, whose import
registers a function of that name (`causalcircuit.inference.estimator`)."""


@cache
def offered() -> dict[str, EntryPoint]:
    """What installed packages offer, by name; none takes the name of an estimator that is built in."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in METHODS}


def known(name: str) -> bool:
    """Whether an estimator has that name; packages are searched only for names that are not built in."""
    return name in METHODS or name in offered()
