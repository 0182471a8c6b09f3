"""`trust = full(200)`: how much is measured of how far a circuit can be trusted."""

from __future__ import annotations

from causalcircuit.diagnostics import Span, did_you_mean, error
from causalcircuit.query.circuits.formulas import NODE_METHODS, TRUST, Method

_LEAST = 20
"""Wires that say little when they are fewer."""


def level_of(name: str, numbers: tuple[float, ...], method: Method, seed: int | None, span: Span | None) -> Method:
    """A level of trust that fits an attribution; the same for texts and for Python objects.

    Args:
        name, numbers: as written. method: of attribution. seed: of the circuit. span: where it is said.

    Raises:
        DiagnosticError: CQ794, there is no such level; CQ798, it draws and no seed is given.
    """
    if name not in TRUST:
        raise error("CQ794", f"`{name}` is no level of trust", span, help=did_you_mean(name, TRUST))
    whole = all(x == int(x) and x >= _LEAST for x in numbers)
    if len(numbers) > (name == "full") or not whole:
        what = "one whole number, of wires that are patched exactly" if name == "full" else "no number"
        raise error("CQ794", f"`{name}` takes {what}", span, help=f"`trust = full(200)`: at least {_LEAST} wires")
    if name == "full" and method.name in NODE_METHODS:
        raise error(
            "CQ794",
            f"`{method}` scores nodes, and `full` measures wires",
            span,
            help="leave `trust` out, or score wires: `method = eap_ig(5)`",
        )
    if name == "full" and seed is None:
        raise error(
            "CQ798",
            "`trust = full` draws wires, shuffles weights and resamples rows, and no seed is given",
            span,
            help="add `seed 7` behind the data",
        )
    return Method(name, numbers)


__all__ = ["level_of"]
