"""Named claims as Python objects, those about circuits too, and tests of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import causalcircuit.runs as rooms
from causalcircuit.api.addresses import trust_told
from causalcircuit.api.quantities import Models, merge
from causalcircuit.check.claims import examined
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import Claim, DataRef, Program, Result
from causalcircuit.query.families import Correction
from causalcircuit.query.trials import CircuitClaim, Trial
from causalcircuit.runs import Progress


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A named claim, with the models that it needs."""

    claim: Claim
    models: Models = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class Stated:
    """A claim about a circuit, with the models that it needs; `~claim` is its opposite."""

    claim: CircuitClaim
    models: Models = field(default_factory=dict, repr=False)

    def __invert__(self) -> Stated:
        return replace(self, claim=replace(self.claim, negated=not self.claim.negated))

    def called(self, name: str, title: str, because: str) -> Stated:
        """The same as a named hypothesis, which decides whether a result holds."""
        return replace(self, claim=replace(self.claim, name=name, title=title, because=because, named=True))


def tried(
    stated: Sequence[Stated],
    data: DataRef,
    correct: Correction | None,
    alpha: float,
    seed: int | None,
    name: str,
    progress: Progress | None,
) -> Result:
    """The verdicts on claims about circuits.

    Raises:
        DiagnosticError: CQ229, several claims without a correction; CQ273 to CQ275; what is wrong with their circuits.
    """
    if len(stated) > 1 and correct is None:
        raise error("CQ229", f"{len(stated)} claims are tested together without a correction", help='`correct="holm"`')
    models = merge(*(s.models for s in stated))
    trial = Trial(tuple(s.claim for s in stated), data, name, correct or "none", alpha, seed)
    found = [*trust_told(models), *examined(trial, models)]
    DiagnosticError.raise_if(found)
    made = Program(models, {data.label: data}, warnings=tuple(found), trials=(trial,))
    return rooms.run_program(rooms.check_program(made), progress=progress)
