"""`show saliency(Y, at = S) on d as overlay`: heat maps over patches and tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lark import Tree

from causalcircuit.check.arguments import sorted_out
from causalcircuit.check.options import on_data, read
from causalcircuit.check.rules import examine
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import (
    FACTUAL,
    Binary,
    Column,
    Counterfactual,
    DataRef,
    Estimation,
    Expect,
    Expr,
    ModelRef,
    Query,
    Site,
    World,
    models_of,
    render,
)
from causalcircuit.query.saliency import Saliency
from causalcircuit.query.wiring import outputs, reads
from causalcircuit.syntax.trees import Node, inner, text_of, tree_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from causalcircuit.check.checker import Checker
    from causalcircuit.check.expressions import Lowering

USAGE = ("saliency(Y, at = m.vision.layer[1].resid @ all)", "saliency(Y, at = S, from = w0, to = w1)")


def is_saliency(node: Node, low: Lowering) -> bool:
    """Whether a head of a `show` is a call of `saliency`, and no name of the program's own."""
    if not isinstance(node, Tree) or node.data != "call" or "saliency" in low.scope.known():
        return False
    callee = inner(node)[0]
    return isinstance(callee, Tree) and callee.data == "reference" and low.word(callee.children[0]) == "saliency"


def show(
    checker: Checker, heads: list[Node], options: list[Node], low: Lowering, comments: tuple[str, ...],
    only: Callable[[Lowering], DataRef | None],
) -> None:  # fmt: skip
    """Keep heat maps that are to be shown; `only` finds the data where there is one set of them.

    Raises:
        DiagnosticError: CQ112 an option that they do not take, CQ217 no data; what is wrong with their arguments.
    """
    other = next((h for h in heads if not is_saliency(h, low)), None)
    if other is not None:
        way = "give it a `show` of its own"
        raise error("CQ784", f"`{low.span(other).text}` is no `saliency`, beside one", low.span(other), help=way)
    given = read(options, low, ("on", "as"))
    if given.form not in (None, "overlay") or given.options.population:
        place = given.seen["as"]
        raise error("CQ112", f"`{place.text}` is no option of `saliency`", place, help="write `as overlay`")
    data = given.data or only(low)
    if data is None:
        raise error("CQ217", "this says not on which data to show it", low.statement, help=on_data(low))
    for head in heads:
        made = replace(_saliency(head, low, data), comments=comments, span=low.span(head))
        found = [d.at(low.statement) for d in examine(question(made), _models(low))]
        DiagnosticError.raise_if(found)
        checker.found.extend(found)
        if checker.asks:
            checker.maps.append(made)


def _saliency(head: Node, low: Lowering, data: DataRef) -> Saliency:
    parts = inner(tree_of(head))
    arguments = inner(tree_of(parts[1])) if len(parts) > 1 else []
    span = low.span(head)
    given = sorted_out(low, arguments, span, USAGE, plain=1, names=("at", "from", "to", "inside"))
    spans = {name: low.span(node) for name, node in given.named.items()} | {"readout": low.span(given.plain[0])}
    if "at" not in given.named:
        raise error("CQ207", "this `saliency` says not `at` which activations", span, help=f"write `{USAGE[0]}`")
    worlds = {n: low.world(given.named[n]) for n in ("from", "to") if n in given.named}
    inside = None if "inside" not in given.named else low.expr(given.named["inside"])
    return saliency(
        low.expr(given.plain[0]), low.expr(given.named["at"]), data, worlds.get("from"), worlds.get("to"), inside,
        text_of(head, low.statement), spans, span,
    )  # fmt: skip


def saliency(
    readout: Expr,
    at: Expr,
    data: DataRef,
    start: World | None,
    end: World | None,
    inside: Expr | None,
    name: str,
    spans: Mapping[str, Span] | None = None,
    span: Span | None = None,
) -> Saliency:
    """Heat maps of sound parts; the same for texts and for Python objects.

    Raises:
        DiagnosticError: CQ207 one world of two, CQ251 worlds alike, CQ254 no scalar readout, CQ255 activations of
            another model, CQ363 no column, CQ784 activations that are not at all positions.
    """
    places = spans or {}

    def place(part: str) -> Span | None:
        return places.get(part, span)

    world = FACTUAL
    if isinstance(readout, Counterfactual):
        if start is not None:
            way = "leave the bar out, `saliency(Y, at = S, from = w0, to = w1)`"
            raise error("CQ207", "`from` and the bar both name the world of the readout", place("readout"), help=way)
        readout, world = _of_bar(readout)
    if end is not None and start is None:
        raise error("CQ207", "`to` says what activations change to, and nothing says from what", place("to"),
                    help=f"write `{USAGE[1]}`")  # fmt: skip
    if isinstance(readout, Site) or not reads(readout):
        raise error(
            "CQ254",
            f"`{shown(readout)}` is no scalar readout of one model",
            place("readout"),
            help='map what comes out at the end, `m.logit["woman"] @ last`',
        )
    model = outputs(readout)[0].model
    if not isinstance(at, Site) or at.position.kind != "all":
        raise error(
            "CQ784",
            f"`{shown(at)}` is not at all positions, and a map has a value for each of them",
            place("at"),
            help="write `@ all`: `at = m.vision.layer[1].resid @ all`",
        )
    if at.address.model != model:
        what = f"`{render(at)}` is of another model than `{shown(readout)}`, which is of `{model}`"
        raise error("CQ255", what, place("at"), help=f"name activations of `{model}`")
    if inside is not None and not isinstance(inside, Column):
        way = "write `inside = row.mask`"
        raise error("CQ363", f"`inside` takes a column, and `{shown(inside)}` is none", place("inside"), help=way)
    first = world if start is None else start
    last = FACTUAL if end is None and start is not None else end
    if last is not None and first == last:
        raise error("CQ251", f"`from` and `to` are one world, `{render(first)}`: nothing changes between them",
                    place("from"), help="leave both out, or name another world")  # fmt: skip
    for side, w in (("from", first), ("to", last)):
        other = sorted(models_of(w) - {model}) if w is not None else []
        if w is not None and other and model not in models_of(w):
            what = f"`{side}` changes `{other[0]}`, and `{shown(readout)}` is read from `{model}`"
            raise error("CQ255", what, place(side), help=f"name a world of `{model}`")
    return Saliency(name, model, readout, at, data, first, last, None if inside is None else inside.name, span=span)


def _of_bar(e: Counterfactual) -> tuple[Expr, World]:
    return e.value, e.world


def question(made: Saliency) -> Estimation:
    """What the rules of estimates can judge of it: the readout in its worlds, on its data."""
    asked: Expr = Expect(made.readout, made.start)
    if made.end is not None:
        asked = Binary("-", Expect(made.readout, made.end), asked)
    return Estimation((Query("saliency", asked),), made.data)


def _models(low: Lowering) -> Mapping[str, ModelRef]:
    scope = low.scope
    while scope.parent is not None:
        scope = scope.parent
    return scope.models
