"""What can be said of tests of circuit claims before anything runs: seeds, and draws that could never reach α."""

from __future__ import annotations

import math

from causalcircuit.diagnostics import Diagnostic, warning
from causalcircuit.inference._binomial import fewest_draws
from causalcircuit.query.trials import AGAINST, RANDOM, CircuitClaim, Trial


def check_trial(trial: Trial) -> list[Diagnostic]:
    """CQ273 too few draws, CQ274 no seed, CQ604 a seed without effect."""
    found: list[Diagnostic] = []
    for claim in trial.claims:
        place = claim.span or trial.span
        need = needed_draws(claim, trial.level)
        if claim.draws < need:
            what = "random circuits" if claim.kind in AGAINST else "permutations"
            family = "one claim" if trial.level == trial.alpha else f"{len(trial.claims)} claims"
            message = f"{claim.draws} {what} cannot reach α = {trial.alpha:g} over {family}: at least {need} are needed"
            found.append(Diagnostic("CQ273", message, place, help=(f"write `draws = {need}`, or more",)))
        if claim.kind in RANDOM and trial.seed is None:
            message = f"`{claim.kind}` draws at random and has no seed"
            found.append(Diagnostic("CQ274", message, place, help=("add `seed 7` to the test",)))
    if trial.seed is not None and not any(c.kind in RANDOM for c in trial.claims):
        idle = "nothing is drawn at random here: `seed` is without effect"
        found.append(warning("CQ604", idle, trial.span, help="leave it out"))
    return found


def needed_draws(claim: CircuitClaim, level: float) -> int:
    """The fewest draws that can show a claim at the error that it may have; 0 where nothing is drawn."""
    if claim.kind in AGAINST:
        return fewest_draws(1 - claim.bound if claim.negated else claim.bound, level)
    return math.ceil(1 / level - 1e-9) - 1 if claim.kind in RANDOM else 0
