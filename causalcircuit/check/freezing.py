"""`freeze heads on pilot to "./march.lock"`: a family is pinned before it is tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.options import on_data, only_data, read
from causalcircuit.check.regimes import only_intervention
from causalcircuit.check.values import Family, kind_of
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import Claim, DataRef, Options, walk
from causalcircuit.query.circuits.formulas import asked_in
from causalcircuit.query.expr import Wires
from causalcircuit.query.families import Correction, drawn_together
from causalcircuit.query.locks import Freezing
from causalcircuit.query.trials import CircuitClaim
from causalcircuit.syntax.trees import inner, text_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker
    from causalcircuit.check.expressions import Lowering

_OPTIONS = ("on", "to", "with_method", "seed", "until", "at_most", "planned")


def freeze(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """Keep what is to be pinned, and where.

    Raises:
        DiagnosticError: CQ205 what is frozen is no family, CQ217 no data, CQ938 it cannot be pinned, or not there.
    """
    what, *options = inner(tree)
    given = read(options, low, _OPTIONS)
    only_intervention(given, "`freeze`")
    value, place = low.value(what), low.span(what)
    if not isinstance(value, Family | Claim | CircuitClaim):
        way = "`freeze` takes a family, or a hypothesis"
        raise error("CQ205", f"`{place.text}` is {kind_of(value)}, not a family", place, help=way)
    if given.path is None:
        name = text_of(what, low.statement).rpartition(".")[2]
        way = f'write `freeze {place.text} to "./{name}.lock"`'
        raise error("CQ938", "this says not where the lock is to lie", low.statement, help=way)
    data = given.data or only_data(low)
    if data is None or (given.data is None and data.split is not None):
        way = on_data(low) if data is None else f"add `on {data.name}.train`, where the other part is for the test"
        more = "data that are declared as those of the test will be; their rows count as seen"
        raise error("CQ217", "this says not of which data the family is", low.statement, help=(way, more))
    claims = value.claims if isinstance(value, Family) else (value,)
    correction: Correction = value.correction if isinstance(value, Family) else "none"
    alpha = value.alpha if isinstance(value, Family) else 0.05
    if given.planned is not None and given.planned < 2:
        way = "write how many rows the test will have: `sample 200`"
        raise error("CQ938", "a test of fewer than two rows decides nothing", given.seen["planned"], help=way)
    made = frozen(value.name, claims, correction, alpha, given.options, data, place)
    if checker.asks:
        checker.freezes.append(replace(made, path=given.path, rows=given.planned, span=low.statement))


def frozen(
    name: str,
    claims: Sequence[Claim | CircuitClaim],
    correction: Correction,
    alpha: float,
    options: Options,
    data: DataRef,
    place: Span | None = None,
) -> Freezing:
    """What is to be pinned, whether a text or Python says it.

    Raises:
        DiagnosticError: CQ925 a correction that draws has no seed; CQ938, claims that rest on more than can be pinned.
    """
    plain = [c for c in claims if isinstance(c, Claim)]
    if len(plain) < len(claims):
        raise _unpinned("claims about circuits are held against circuits that are drawn when they are tested", place)
    for claim in plain:
        for wires in (e for e in walk(claim.query.expr) if isinstance(e, Wires)):
            if next(iter(asked_in(wires.circuit)), None) is not None:
                raise _unpinned(f"`{claim.name}` assigns wires of a circuit that every run attributes anew", place)
    if drawn_together(correction) and options.seed is None:
        message = "`max_t` draws how the estimates vary together, and has no seed"
        raise error("CQ925", message, place, help="add `seed 7`")
    return Freezing(name, tuple(plain), correction, alpha, options, data, Path())


def _unpinned(why: str, place: Span | None) -> DiagnosticError:
    way = "save the circuit, `save C to`, and freeze claims of estimands about the one that is loaded"
    return error("CQ938", f"{why}: that cannot be pinned", place, help=way)
