"""The bridge to the room of attribution: one attribution, from what a program says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import FACTUAL, Expr, ModelRef, Site, World, render
from causalcircuit.query.circuit import Circuit, Direction, Origin
from causalcircuit.query.circuits.formulas import Attributed
from causalcircuit.query.circuits.nodes import between_nodes
from causalcircuit.query.circuits.wires import count_wires, shared_in
from causalcircuit.query.counted import Counted
from causalcircuit.query.units import unit_of
from causalcircuit.rows import Dataset, clusters

if TYPE_CHECKING:
    from causalcircuit.attribution import Means
    from causalcircuit.models import LoadedModel
    from causalcircuit.runs.progress import Progress


def attributed(
    asked: Attributed,
    ref: ModelRef,
    model: LoadedModel,
    data: Dataset,
    names: Mapping[Expr | World, str],
    progress: Progress | None = None,
    by: Means | None = None,
) -> Circuit:
    """The circuit of an attribution.

    Raises:
        DiagnosticError: CQ265, a method that is not there yet; what is wrong with the attribution.
    """
    from causalcircuit.attribution import METHODS, Means, Question, circuit, node_circuit, node_scores, scores, trusted
    from causalcircuit.attribution.attribute import considered
    from causalcircuit.attribution.node_trust import trusted_nodes
    from causalcircuit.attribution.trust_subject import Subject
    from causalcircuit.runs.contents import versions

    if asked.method.name not in METHODS:
        raise error(
            "CQ265",
            f"`{asked.method}` is not available in this version",
            help=f"methods that are: {', '.join(f'`{m}`' for m in sorted(METHODS))}",
        )
    turned = asked.baseline is not None and asked.baseline.side == "from"
    question = Question(asked.model, asked.readout, asked.start, asked.end, turned)

    each = 0 if METHODS[asked.method.name].of == "nodes" else passes_of(asked, model)
    said = f"rows of {each:,} passes" if each else "rows scored"

    def heard(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, Counted(data.ref.label, said))

    labels = clusters(data)
    origin = Origin(
        str(asked.method),
        direction_of(asked.start, asked.end),
        render(asked.readout, names),
        str(unit_of(asked.readout)),
        asked.side("from", names),
        asked.side("to", names),
        data.ref.label,
        data.n,
        None if labels is None else len(set(labels)),
        0,
        f"{model.sites.family} {ref.source}",
        "",
        str(model.dtype).removeprefix("torch."),
        str(model.device),
        asked.seed,
        versions(),
    )
    given = (model, data, question, asked.method.name, asked.method.arguments, heard, asked.over)
    how: Choice = {"over": asked.over, "above": asked.above, "seed": asked.seed}
    keep = asked.keep
    if METHODS[asked.method.name].of == "nodes":
        with aligned(asked):
            nodes = node_scores(*given, by or Means())
        origin = replace(
            origin, considered=len(nodes.sites), seconds=nodes.seconds, passes=nodes.passes, stored=nodes.stored
        )
        made = node_circuit(nodes, question, data, origin, keep=None if keep is None else keep.count, **how)
        if asked.trust.name == "none":
            return made
        limit = None if by is None else by.limit

        def asked_of(done: int, total: int) -> None:
            if progress is not None:
                progress(done, total, f"{data.ref.label}: faithfulness")

        return trusted_nodes(made, nodes, model, data, question, limit, asked_of)
    with aligned(asked):
        found = scores(*given, by or Means())
    count = len(considered(found, asked.over)[1])
    origin = replace(origin, considered=count, seconds=found.seconds, passes=found.passes, stored=found.stored)
    edges = keep.count if keep is not None and keep.of == "edges" else None
    made = circuit(found, question, data, origin, keep=edges, **how)
    if keep is not None and keep.of == "nodes":
        made = between_nodes(replace(made, shared=shared_in(model.sites)), keep.count)

    def measured(what: str, done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, Counted(f"{data.ref.label}: {what}", "steps"))

    subject = Subject(model, data, question, asked.method, asked.over, found)
    return trusted(made, subject, asked.trust, asked.seed, measured)


@contextmanager
def aligned(asked: Attributed) -> Iterator[None]:
    """Say once of all nodes that rows are of different lengths.

    Raises:
        DiagnosticError: CQ815, they are, and means were to be taken at each position.
    """
    try:
        yield
    except DiagnosticError as problem:
        found = [d for d in problem.diagnostics if d.code == "CQ527"]
        if asked.baseline is None or not found or len(found) < len(problem.diagnostics):
            raise
        said = replace(asked.baseline, pooled=True).text()
        raise error(
            "CQ815",
            f"nodes have no mean at each position:{found[0].message.rpartition(':')[2]}",
            found[0].span,
            help=(
                f"one value over rows and positions: `{asked.baseline.side} = {said}`",
                "or nodes at positions that every row has: `over = [A @ last, B @ token(row.word)]`",
            ),
        ) from None


def passes_of(asked: Attributed, model: LoadedModel) -> int:
    """Passes that a method takes of a row, where that is known before it runs; else 0."""
    from causalcircuit.attribution.layout import Write, events
    from causalcircuit.attribution.trust_subject import passes_a_row

    if asked.method.name in ("exact", "eap_ig_activations") and asked.over:
        return 0
    order = {s.tower.name: tuple(b.order for b in s.blocks) for s in model.stacks}
    tensors = sum(isinstance(e, Write) for e in events(model.sites, asked.model, order))
    return passes_a_row(asked.method, count_wires(model.sites, asked.model), tensors)


class Choice(TypedDict):
    """What of the scores a circuit is made of."""

    over: tuple[Site, ...]
    above: float | None
    seed: int | None


def direction_of(start: World, end: World) -> Direction:
    """Noising leaves the run of the factual world for values of another; denoising brings another's back."""
    if start == FACTUAL:
        return "noising"
    return "denoising" if end == FACTUAL else "between"
