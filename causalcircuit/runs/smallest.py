"""The bridge to the search for the smallest circuit that is faithful enough."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from causalcircuit.diagnostics import error
from causalcircuit.query.circuit import Circuit, Trust
from causalcircuit.query.circuits.formulas import Attributed, Smallest
from causalcircuit.query.counted import Counted
from causalcircuit.rows import Dataset

if TYPE_CHECKING:
    from causalcircuit.attribution.lasting import Choices
    from causalcircuit.models import LoadedModel
    from causalcircuit.runs.progress import Progress

_MORE_THAN_WHOLE = 1.1


def smallest_of(
    asked: Smallest,
    effect: Attributed,
    circuit: Circuit,
    model: LoadedModel,
    data: Dataset,
    progress: Progress | None = None,
    limit: int | None = None,
    lasting: Choices | None = None,
) -> Circuit:
    """As few wires of a circuit as a search finds to be so faithful.

    Args:
        asked: what was asked. effect: says the readout and both worlds. circuit: among whose wires the search goes.
        model: loaded. data: the rows. progress: hears how many choices were measured.
        limit: bytes that passes may take. lasting: choices that were measured before.

    Raises:
        DiagnosticError: CQ796, all its wires together, or what the search left, are not so faithful; CQ264, wires that
            cannot be kept.
    """
    from causalcircuit.attribution import Question
    from causalcircuit.attribution.choices import UnknownWireError
    from causalcircuit.attribution.search import smallest

    name = circuit.name or "this circuit"
    if not circuit.edges:
        raise error("CQ796", f"`{name}` has no wires to search among", help="use a method that scores wires")

    def heard(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, Counted(f"{asked.search} on {data.ref.label}", "choices"))

    question = Question(effect.model, effect.readout, effect.start, effect.end)
    try:
        found = smallest(
            circuit, model, data, question, asked.search.name, asked.search.arguments, asked.faithful, heard,
            limit, lasting,
        )  # fmt: skip
    except UnknownWireError as problem:
        said = f"wires of `{name}` cannot be kept: {problem}"
        raise error("CQ264", said, help="draw and attribute whole parts, `@ all`") from None
    if found.curve is None:
        raise error(
            "CQ796",
            f"how faithful `{name}` is on these {data.n} rows is undefined: "
            "the effect of all wires cannot be told from none",
            help=("use more rows", "let `from` and `to` differ by more"),
        )
    point = found.curve[1]
    if not point.faithful > asked.faithful:
        _refuse(asked, name, found.whole, point.faithful, len(found.edges), data)
    between = "" if point.interval is None else f" [{point.interval.low:.2f}, {point.interval.high:.2f}]"
    notes = [
        f"smallest by {asked.search}: {len(found.edges)} of {len(circuit.edges)} wires are "
        f"{point.faithful:.2f}{between} faithful, where more than {asked.faithful:g} was asked",
        f"chosen and measured on the same {data.n} rows of {data.ref.label}: on others it is less faithful",
        f"the search measured {found.count} choices, in {found.passes:,} passes of single rows",
    ]
    if point.faithful > _MORE_THAN_WHOLE:
        notes.append("these wires bring about more than all do: some that were left out work against the effect")
    edges = tuple(circuit.edges[i] for i in sorted(found.edges))
    return replace(circuit, edges=edges, nodes=(), trust=Trust(curve=found.curve, notes=tuple(notes)))


def _refuse(asked: Smallest, name: str, whole: float, left: float, count: int, data: Dataset) -> None:
    rows = f"on these {data.n} rows of {data.ref.label}"
    if not whole > asked.faithful:
        raise error(
            "CQ796",
            f"all wires of `{name}` together are {whole:.2f} faithful {rows}, not more than {asked.faithful:g}",
            help=("start from a circuit with more wires", f"ask for less than {whole:.2f}" if whole > 0 else ""),
        )
    raise error(
        "CQ796",
        f"`{asked.search}` left {count} wires that are {left:.2f} faithful {rows}, not more than {asked.faithful:g}",
        help=("a smaller threshold leaves more", "`search = greedy` keeps to the bound"),
    )
