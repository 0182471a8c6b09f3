"""`load("./c.json")`: a circuit from a file, held against the model that it is said to be of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from causalcircuit.check.arguments import sorted_out
from causalcircuit.check.sources import sites
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import AddressError, ModelRef, Site, SiteTable, Text
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits import WRITTEN, read, renamed
from causalcircuit.syntax.trees import Node

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker
    from causalcircuit.check.expressions import Lowering


def loaded(checker: Checker, arguments: list[Node], span: Span, low: Lowering, usage: str) -> Circuit:
    """A circuit from a file, of a declared model.

    Raises:
        DiagnosticError: CQ207 wrong arguments; CQ770 to CQ775, as of `read`; CQ774, it is of another model.
    """
    given = sorted_out(low, arguments, span, (usage, 'load("./c.json", model = m)'), plain=1, names=("model",))
    path = low.expr(given.plain[0])
    if not isinstance(path, Text):
        raise error("CQ207", "`load` takes a path, in quotes", low.span(given.plain[0]), help=f"write `{usage}`")
    found = read(checker.resolve(path.value), path.span)
    ref: object = None
    if "model" in given.named:
        ref = low.value(given.named["model"])
        if not isinstance(ref, ModelRef):
            place = low.span(given.named["model"])
            raise error("CQ205", f"`{place.text}` is no model", place, help="name a declared model: `model = m`")
    else:
        ref = checker.models.get(found.model)
    if not isinstance(ref, ModelRef):
        known = [f"`{n}`" for n in checker.models]
        way = f'say which: `load("{path.value}", model = m)`' if known else "declare the model: `model m = hf(…)`"
        raise error(
            "CQ774",
            f"the circuit of `{path.value}` is of a model called `{found.model}`, and none is declared by that name",
            path.span,
            "this file",
            help=(way, f"declared are {', '.join(known)}" if known else ""),
        )
    made = renamed(found, ref.name)
    of_model(made, ref.name, sites(ref), path.value, path.span)
    return made


def of_model(circuit: Circuit, model: str, table: SiteTable, file: str, span: Span | None) -> None:
    """Refuse a circuit that is of another model, as far as the model's config tells.

    Raises:
        DiagnosticError: CQ774.
    """
    origin = circuit.origin
    family = origin.model.split(" ")[0] if origin is not None else ""
    if family and family != table.family:
        raise error(
            "CQ774",
            f"the circuit of `{file}` is of the family `{family}`, and `{model}` of `{table.family}`",
            span,
            "this file",
            help="declare the model that it was attributed on",
        )
    for site in _all_sites(circuit):
        try:
            table.info(site.address)
        except AddressError as problem:
            raise error(
                "CQ774",
                f"the circuit of `{file}` is of another model: {problem}",
                span,
                "this file",
                help=f"`{model}` has not all of its nodes: declare the model that it was attributed on",
            ) from None


def _all_sites(circuit: Circuit) -> Iterable[Site]:
    return dict.fromkeys((*circuit.sites, *circuit.over, *(s for g in circuit.groups.values() for s in g)))


def check_suffix(path: Path, span: Span) -> None:
    """Refuse a file that circuits are not written to.

    Raises:
        DiagnosticError: CQ268.
    """
    if path.suffix not in WRITTEN:
        known = ", ".join(f"`{s}`" for s in WRITTEN)
        raise error("CQ268", f"`{path.name}` ends in no suffix that circuits are written by", span,
                    help=f"they are written as {known}")  # fmt: skip
