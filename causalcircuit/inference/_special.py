"""Distribution functions of scipy, imported when the first one is called: a check needs none of them."""

from __future__ import annotations

from typing import Any


def ndtr(x: Any) -> Any:
    """The standard normal distribution function."""
    from scipy.special import ndtr as function

    return function(x)


def ndtri(p: Any) -> Any:
    """The standard normal quantile."""
    from scipy.special import ndtri as function

    return function(p)


def stdtrit(df: Any, p: Any) -> Any:
    """The quantile of Student's t with `df` degrees of freedom."""
    from scipy.special import stdtrit as function

    return function(df, p)


def chdtri(df: Any, p: Any) -> Any:
    """The x with P(χ² > x) = p, of `df` degrees of freedom."""
    from scipy.special import chdtri as function

    return function(df, p)


def bdtr(k: Any, n: int, p: float) -> Any:
    """P(X ≤ k) for X binomial of `n` draws."""
    from scipy.special import bdtr as function

    return function(k, n, p)


def bdtrc(k: Any, n: int, p: float) -> Any:
    """P(X > k) for X binomial of `n` draws."""
    from scipy.special import bdtrc as function

    return function(k, n, p)


def fdtrc(above: Any, below: Any, x: Any) -> Any:
    """P(F > x) with so many degrees of freedom above and below."""
    from scipy.special import fdtrc as function

    return function(above, below, x)


def stdtr(df: Any, t: Any) -> Any:
    """The distribution function of Student's t with `df` degrees of freedom."""
    from scipy.special import stdtr as function

    return function(df, t)
