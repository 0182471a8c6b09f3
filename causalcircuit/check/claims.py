"""`sufficient(C, beyond = 0.9)`: claims about circuits, from the trees of their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from causalcircuit.check.arguments import Given, sorted_out, whole
from causalcircuit.check.attributing import attribution, question
from causalcircuit.check.rules import examine
from causalcircuit.check.values import Family, kind_of
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Span, error, warning
from causalcircuit.query import CircuitDecl, Column, DataRef, Expr, ModelRef, Number, SiteTable, World, columns
from causalcircuit.query.circuits.formulas import Attributed, Formula, Method, asked_in, model_of
from causalcircuit.query.highs import Alignment, variable
from causalcircuit.query.trials import SORTS, CircuitClaim, Kind, Sort, Trial
from causalcircuit.query.wiring import outputs
from causalcircuit.rows import peek
from causalcircuit.syntax.trees import Node

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker
    from causalcircuit.check.expressions import Lowering
    from causalcircuit.check.options import Given as Options

_HIGHEST = {"within": 0.5, "beyond": 1.0, "leaving": 1.0}
_NAMES = ("readout", "from", "to", "draws")


def claimed(low: Lowering, name: Kind, arguments: list[Node], span: Span) -> CircuitClaim:
    """A call of one of the claims.

    Raises:
        DiagnosticError: CQ270 no question, CQ271 a bound that is none, CQ256 no circuit; others for its arguments.
    """
    if name == "aligned":
        from causalcircuit.check.alignments import alignment

        return alignment(low, arguments, span)
    sort = SORTS[name]
    usage = (f"{name}(C{f', {sort.setting} = {sort.bound:g}' if sort.setting else ''})",)
    names = (*_NAMES, *([sort.setting] if sort.setting else []))
    given = sorted_out(low, arguments, span, usage, plain=1, names=names)
    circuit = low.value(given.plain[0])
    place = low.span(given.plain[0])
    if not isinstance(circuit, CircuitDecl):
        raise error("CQ256", f"`{place.text}` is {kind_of(circuit)}, not a circuit", place, help=f"write `{usage[0]}`")
    readout = low.expr(given.named["readout"]) if "readout" in given.named else None
    start = low.world(given.named["from"]) if "from" in given.named else None
    end = low.world(given.named["to"]) if "to" in given.named else None
    spans = {n: low.span(node) for n, node in given.named.items()}
    made = claim_of(name, circuit, readout, start, end, low.scope.sites, spans, span)
    return replace(made, bound=bound_of(low, given, sort, span), draws=draws_of(low, given, sort))


def bound_of(low: Lowering, given: Given, sort: Sort, span: Span) -> float:
    """What the number is held against: a share.

    Raises:
        DiagnosticError: CQ271.
    """
    if sort.setting not in given.named:
        return sort.bound
    node = given.named[sort.setting]
    value, highest = low.expr(node), _HIGHEST[sort.setting]
    if not isinstance(value, Number) or value.unit not in (None, "%") or not 0 < value.value < highest:
        raise unbounded(sort, low.span(node))
    return value.value


def unbounded(sort: Sort, span: Span | None = None) -> DiagnosticError:
    """A bound that bounds nothing."""
    return error(
        "CQ271",
        f"`{sort.setting}` is a share between 0 and {_HIGHEST[sort.setting]:g}",
        span,
        help=f"write `{sort.setting} = {sort.bound:g}`",
    )


def draws_of(low: Lowering, given: Given, sort: Sort) -> int:
    """How many random circuits or permutations."""
    if "draws" not in given.named:
        return sort.draws
    node = given.named["draws"]
    if not sort.draws:
        raise error("CQ271", "nothing is drawn here: `draws` is without effect", low.span(node), help="leave it out")
    return whole(low.expr(node), "draws", 1, low.span(node))


def claim_of(
    name: Kind,
    circuit: CircuitDecl,
    readout: Expr | None,
    start: World | None,
    end: World | None,
    tables: Callable[[str], SiteTable],
    spans: dict[str, Span] | None = None,
    span: Span | None = None,
) -> CircuitClaim:
    """A claim about a circuit; what it was attributed for is what it is a claim of, unless something else is said.

    Raises:
        DiagnosticError: CQ270; those of `attribution` for a question that is none.
    """
    found = _asked(circuit.formula)
    readout = readout or (found.readout if found else None)
    start = start if start is not None else (found.start if found else None)
    end = end if end is not None else (found.end if found else World())
    lacking = [f"`{n}`" for n, x in (("readout", readout), ("from", start)) if x is None]
    if readout is None or start is None:
        raise error(
            "CQ270",
            f"`{circuit.name}` was not attributed for one question, and this claim says not {' nor '.join(lacking)}",
            span,
            help=f"write `{name}({circuit.name}, readout = Y, from = w, to = do())`",
        )
    sort = SORTS[name]
    made = CircuitClaim(name, circuit.name, sort.bound, sort.draws, circuit.formula, readout, start, end, span=span)
    attribution(readout, (), start, end, Method("eap"), None, None, _NOWHERE, None, tables, spans, span)
    if outputs(readout)[0].model != model_of(circuit.formula):
        other = outputs(readout)[0].model
        said = f"`{circuit.name}` is a circuit of `{model_of(circuit.formula)}`, and the readout one of `{other}`"
        raise error("CQ255", said, span, help=f"read an output of `{model_of(circuit.formula)}`")
    return made


def _asked(formula: Formula) -> Attributed | None:
    """The only question that a circuit was attributed for."""
    found = [a for a in asked_in(formula) if isinstance(a, Attributed)]
    same = {(a.readout, a.start, a.end) for a in found}
    return found[0] if len(same) == 1 else None


# ---- tested


def tried(checker: Checker, family: Family, given: Options, comments: tuple[str, ...], low: Lowering) -> None:
    """Keep a test of claims about circuits, held against the rules.

    Raises:
        DiagnosticError: CQ112, options of tests of estimands.
    """
    for word in ("with_method", "ci", "by", "in_diagram", "under"):
        if word in given.seen:
            way = "options of claims about circuits are `on`, `for`, `correct`, `alpha` and `seed`"
            raise error("CQ112", "this is no option of claims about circuits", given.seen[word], help=way)
    if not checker.asks or given.data is None:
        return
    claims = tuple(c for c in family.claims if isinstance(c, CircuitClaim))
    seed = given.options.seed
    made = Trial(claims, given.data, family.name, family.correction, family.alpha, seed, comments, low.statement)
    checker.found.extend(examined(made, checker.models))
    checker.trials.append(made)


def examined(trial: Trial, models: Mapping[str, ModelRef]) -> list[Diagnostic]:
    """What the rules say of a test of claims about circuits: the same for texts and for Python objects."""
    found: dict[Diagnostic, None] = {}
    for claim in trial.claims:
        place = claim.span or trial.span
        if claim.alignment is not None:
            found.update({d.at(place): None for d in examine(claim.alignment.asked(trial.data), models)})
            found.update(dict.fromkeys(_lacking(claim.alignment, trial)))
            continue
        if claim.circuit is None or claim.readout is None:
            continue
        made = Attributed(
            model_of(claim.circuit), claim.readout, claim.start, claim.end, Method("eap"), trial.data
        )  # fmt: skip
        found.update({d.at(place): None for d in examine(question(made), models)})
        for asked in asked_in(claim.circuit):
            if _same_rows(asked.data, trial.data):
                found[_chosen_here(claim, trial, place)] = None
    return list(found)


def _lacking(alignment: Alignment, trial: Trial) -> list[Diagnostic]:
    """Columns of formulas that the data do not have."""
    try:
        file = peek(trial.data)
        for _, formula in alignment.graph.formulas:
            for name in columns(formula):
                if variable(name[1:]) != Column(name):
                    file.column(name, formula.span)
    except DiagnosticError as problem:
        return [d.at(trial.span) for d in problem.diagnostics]
    return []


def _same_rows(one: DataRef, other: DataRef) -> bool:
    """Whether rows may be in both: parts of one split have none in common."""
    if one.path != other.path or one.arguments != other.arguments:
        return False
    a, b = one.split, other.split
    apart = a is not None and b is not None and {a.part, b.part} == {"train", "test"}
    return not (apart and replace(one, split=None) == replace(other, split=None, span=one.span))


def _chosen_here(claim: CircuitClaim, trial: Trial, span: Span | None) -> Diagnostic:
    return warning(
        "CQ275",
        f"`{claim.of}` was chosen on rows of `{trial.data.label}`, and is tested on them",
        span,
        help="what is chosen by some rows looks better on them: attribute it on `d.train`, test it on `d.test`",
    )


_NOWHERE = DataRef("", "jsonl", Path())
"""A claim is checked before it is known on which data it is tested."""
