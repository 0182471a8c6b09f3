"""`mean` and `mean(w, pooled, on = d)` where `attribute` takes a world."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from lark import Tree

from causalcircuit.check import arguments
from causalcircuit.check.values import Builtin
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import Binary, Estimation, Expect, Query, Site, SiteTable, World
from causalcircuit.query.circuits.baseline import Baseline
from causalcircuit.query.circuits.formulas import Attributed, Method
from causalcircuit.query.circuits.wires import nodes_of
from causalcircuit.syntax.trees import Node, inner, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

_USAGE = ("mean", "mean(w)", "mean(pooled)", "mean(w, pooled, on = d)")


def side(low: Lowering, node: Node, name: Literal["from", "to"]) -> World | Baseline:
    """A world, or the means of nodes."""
    tree = tree_of(node)
    called = tree.data == "call"
    callee = inner(tree)[0] if called else tree
    if not isinstance(callee, Tree) or callee.data != "reference" or low.word(callee.children[0]) != "mean":
        return low.world(node)
    if not called:
        known = low.value(node)
        return Baseline(name) if isinstance(known, Builtin) else low.world(node)
    rest = inner(tree_of(inner(tree)[1])) if len(inner(tree)) > 1 else ()
    plain = [n for n in rest if not _option(low, n)]
    given = arguments.sorted_out(
        low, list(rest), low.span(node), _USAGE, plain=min(len(plain), 1), names=("on",), words=("pooled",)
    )
    on = arguments.data(low, given.named["on"]) if "on" in given.named else None
    made = Baseline(name, pooled="pooled" in given.words, on=on)
    return replace(made, world=low.world(given.plain[0])) if given.plain else made


def _option(low: Lowering, node: Node) -> bool:
    tree = tree_of(node)
    return tree.data == "named" or (tree.data == "reference" and low.word(tree.children[0]) == "pooled")


def of_nodes(
    given: Baseline, over: tuple[Site, ...], table: SiteTable, model: str, method: Method, span: Span | None
) -> World:
    """The world in which the nodes that are considered are their means.

    Raises:
        DiagnosticError: CQ814, integrated gradients between inputs that are alike.
    """
    nodes = over or nodes_of(table, model)
    inputs = [s for s in nodes if s.address.path[-1].name == "embed" and not s.address.attached]
    if method.name == "eap_ig" and not inputs:
        raise error(
            "CQ814",
            f"`{method}` goes from input to input, and no input is among the nodes whose means are taken",
            span,
            "inputs are alike",
            help=(
                f"name the embedding in `over`: `{model}.embed @ all`",
                f"`eap_ig_activations({int(method.arguments[0])})` moves what each node writes",
            ),
        )
    return given.of(nodes)


def contrasts(made: Attributed) -> Estimation:
    """What the rules of estimates can judge of means: each node's alone, beside the other world.

    All of them together would be assignments that hide each other, which is what they are for.
    """
    start, end = made.start, made.end
    other, means = (end, start) if made.baseline is not None and made.baseline.side == "from" else (start, end)
    alone = (World((a,)) for a in means.assignments)
    return Estimation(
        tuple(Query("attribute", Binary("-", Expect(made.readout, w), Expect(made.readout, other))) for w in alone),
        made.data,
    )


__all__ = ["contrasts", "of_nodes", "side"]
