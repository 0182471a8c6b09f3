"""What a wire demands of the rows: its ends meet, and what is read of it ends with the prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from causalcircuit.engine.feeds import Places
from causalcircuit.engine.prepared import Setup
from causalcircuit.engine.problems import Problems
from causalcircuit.models import RowError
from causalcircuit.query import Site, SiteTable, Wire, render
from causalcircuit.query.plan import Ending, Run
from causalcircuit.query.wiring import end_of, read_info

Look = Callable[[Run, Site | Wire], Places | None]


def check_endings(endings: Iterable[Ending], setups: Iterable[Setup], look: Look, problems: Problems) -> None:
    """Hold wires against the rows: CQ315 ends that do not meet, CQ576 what goes on behind the prompt.

    Args:
        endings: of the plan. setups: its worlds. look: the places of a wire's source, or of its end. problems: to
            which what is wrong is added.
    """
    by_world = {(e.model, e.world): e for e in endings}
    for setup in setups:
        ending = by_world.get((setup.run.model, setup.run.world))
        if ending is None:
            continue
        if ending.brief:
            _ends_with_prompt(setup, ending, problems)
        for wire in ending.wires:
            _meet(wire, setup, look, problems)


def _ends_with_prompt(setup: Setup, ending: Ending, problems: Problems) -> None:
    longer = [i for i in range(len(setup.continuations)) if any(setup.continuations[i])]
    if not longer and setup.run.said is None:
        return
    wire = ending.wires[0]
    what = "a text is written" if setup.run.said is not None else "an answer of several tokens is read"
    problems.all_rows(
        RowError(
            "CQ576",
            f"{what} where the wire `{render(wire)}` ends, and that wire is known at the prompt only",
            "",
            "use answers of one token, or a wire into `q`, `kv[j].k`, `kv[j].v` or `mlp`, which lasts",
        ),
        wire.span,
    )


def _meet(wire: Wire, setup: Setup, look: Look, problems: Problems) -> None:
    starts, stops = look(setup.run, wire.source) if isinstance(wire.source, Site) else None, look(setup.run, wire)
    if starts is None or stops is None:
        return
    for i, (a, b) in enumerate(zip(starts, stops, strict=True)):
        if a is not None and b is not None and not set(a) & set(b):
            past = min(a, default=0) > max(b, default=0)
            kind = "an earlier position" if past else "another position"
            problems.row(
                RowError(
                    "CQ315",
                    f"the wire `{render(wire)}` leads to {kind}: a read takes the stream where it stands",
                    f"from {_shown(a)} to {_shown(b)}",
                    "name one position at both ends; what is written elsewhere arrives through `head[j].k` and `.v`",
                ),
                i,
                wire.span,
            )


def _shown(places: tuple[int, ...]) -> str:
    return (
        "position " + ", ".join(map(str, places[:3])) + (" …" if len(places) > 3 else "") if places else "no position"
    )


def stands(table: SiteTable, wire: Wire) -> bool:
    """Whether both ends of a wire stand on the same positions."""
    if not isinstance(wire.source, Site):
        return False
    end = end_of(table, wire.target)
    stand = table.readout_tower.name if end.site is None else end.site.stand
    return end.position is not None and read_info(table, wire.source.address)[0].stand == stand
