"""Adjusted p-values of a family, and the errors that its printed intervals may have.

Holm (1979, Scand. J. Statist. 6); Hochberg (1988, Biometrika 75); Benjamini & Hochberg (1995, JRSS B 57); Benjamini &
Yekutieli (2001, Ann. Statist. 29); intervals after selection, of false coverage rate: Benjamini & Yekutieli (2005,
JASA 100). A claim without a p counts in the family as one that is never rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from causalcircuit.inference._numpy import Floats, np
from causalcircuit.query.families import Correction, fewest, harmonic

Ps = Sequence[float | None]


def holm(ps: Ps) -> list[float | None]:
    """Step-down: the family-wise error whatever the dependence."""
    return _stepped(ps, lambda p: np.maximum.accumulate(p * np.arange(len(p), 0, -1)))


def hochberg(ps: Ps) -> list[float | None]:
    """Step-up: the family-wise error where p-values are independent or positively dependent."""
    return _stepped(ps, lambda p: _from_largest(p * np.arange(len(p), 0, -1)))


def benjamini_hochberg(ps: Ps) -> list[float | None]:
    """The false discovery rate where p-values are independent or positively dependent."""
    return _stepped(ps, lambda p: _from_largest(p * len(p) / np.arange(1, len(p) + 1)))


def benjamini_yekutieli(ps: Ps) -> list[float | None]:
    """The false discovery rate whatever the dependence."""
    return _stepped(ps, lambda p: _from_largest(p * len(p) * harmonic(len(p)) / np.arange(1, len(p) + 1)))


_ADJUST: dict[Correction, Callable[[Ps], list[float | None]]] = {
    "none": list,
    "holm": holm,
    "hochberg": hochberg,
    "bh": benjamini_hochberg,
    "by": benjamini_yekutieli,
}


def adjusted(ps: Ps, correction: Correction) -> list[float | None]:
    """[m] the smallest alpha of the family at which each claim holds; `max_t` has a file of its own."""
    return _ADJUST[correction](ps)


def errors(support: Ps, refute: Ps, correction: Correction, alpha: float) -> list[float]:
    """[m] the error of each printed interval, from the adjusted p of the claims and of their refutations.

    Bonferroni, but for `bh` and `by`: there the claims that are decided are selected, and their intervals have an
    error of alpha · (number selected) / m (Benjamini & Yekutieli 2005), by which an interval lies inside its region
    exactly where its claim is supported. That of a claim that is not decided is the wider one.
    """
    m = len(support)
    if correction not in ("bh", "by"):
        return [alpha / fewest(m, correction)] * m
    each = alpha / fewest(m, correction)
    yes, no = (np.array([p is not None and p <= alpha for p in ps], dtype=bool) for ps in (support, refute))
    selected = [max(1, int(yes.sum())), max(1, int(no.sum()))]
    shares = np.where(yes, selected[0], np.where(no, selected[1], min(selected)))
    return [each * int(k) for k in shares]


def _from_largest(p: Floats) -> Floats:
    """The running minimum from the last to the first."""
    return np.asarray(np.minimum.accumulate(p[::-1])[::-1])


def _stepped(ps: Ps, along: Callable[[Floats], Floats]) -> list[float | None]:
    """Adjust p-values in ascending order by `along`, and put them back in their places."""
    p = np.array([1.0 if x is None else x for x in ps])
    order = np.argsort(p, kind="stable")
    out = np.empty_like(p)
    out[order] = np.minimum(along(p[order]), 1.0)
    return [None if x is None else float(y) for x, y in zip(ps, out, strict=True)]
