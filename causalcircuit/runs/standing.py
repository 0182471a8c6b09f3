"""What an answer counts for: pinned before it was tested, on a part that was held out, or found while exploring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal

from causalcircuit.query import DataRef, Program, Result, Testing
from causalcircuit.query.circuits.formulas import asked_in
from causalcircuit.query.locks import Locked
from causalcircuit.runs.keeping import Keeping


def held(program: Program, keeping: Callable[[], Keeping]) -> list[Locked]:
    """Write the locks of a program and hold its tests against theirs, before anything else is done."""
    if not program.freezes and not any(isinstance(c, Testing) and c.under is not None for c in program.commands):
        return []
    from causalcircuit.runs.locking import hold  # most programs have none

    return hold(program, keeping().contents)


def stand(result: Result, program: Program, locked: Sequence[Locked], keeping: Keeping | None) -> Result:
    """A result whose answers say what they count for.

    Families that were changed since they were tested are told of, where runs are kept.

    In a run with a test under a lock all else is exploratory. A test on one part of a split, where the program explores
    on the other part and on no row of this one, is held out.
    """
    result = _standing(replace(result, locks=tuple(locked)), program)
    if keeping is None or not result.hypotheses:
        return result
    from causalcircuit.runs.reruns import with_reruns

    return with_reruns(result, program, keeping.ledger)


def _standing(result: Result, program: Program) -> Result:
    if any(isinstance(c, Testing) and c.under is not None for c in program.commands):
        return replace(
            result,
            estimates=tuple(replace(e, standing="exploratory") for e in result.estimates),
            hypotheses=tuple(h if h.standing else replace(h, standing="exploratory") for h in result.hypotheses),
            shown=tuple(replace(s, standing="exploratory") for s in result.shown),
        )
    apart = {ref.label for ref in held_out(program)}
    if not apart:
        return result
    tested = (replace(h, standing="held out") if h.data in apart else h for h in result.hypotheses)
    return replace(result, hypotheses=tuple(tested))


def held_out(program: Program) -> list[DataRef]:
    """Data of tests that are one part of a split, of which the other part was explored, and no row of this one."""
    tests = [c.data for c in (*program.commands, *program.trials) if not _explores(c)]
    explored = [c.data for c in (*program.commands, *program.maps) if _explores(c)]
    explored += [a.data for c in program.circuits.values() for a in asked_in(c.formula)]
    return [ref for ref in dict.fromkeys(tests) if _other_part(ref, explored) and not _shares_rows(ref, explored)]


def _explores(asked: object) -> bool:
    from causalcircuit.query.trials import Trial

    return not isinstance(asked, Testing | Trial)


def _other_part(ref: DataRef, others: Iterable[DataRef]) -> bool:
    """Whether the other part of the same split is among `others`."""
    if ref.split is None or ref.split.part is None:
        return False
    part: Literal["train", "test"] = "train" if ref.split.part == "test" else "test"
    other = replace(ref, split=replace(ref.split, part=part))
    return other in list(others)


def _shares_rows(ref: DataRef, others: Iterable[DataRef]) -> bool:
    """Whether rows of `ref` may be in others: those of one file that are not the two parts of one split."""
    return any(o.path == ref.path and o.arguments == ref.arguments and not _other_part(ref, [o]) for o in others)
