"""`attribute(…)` and `smallest(…)`: their arguments, and what is wrong with them before a model runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check import baselines, sets
from causalcircuit.check.arguments import sorted_out
from causalcircuit.check.rules import examine
from causalcircuit.check.trusting import level_of
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Span, did_you_mean, error
from causalcircuit.query import (
    FACTUAL,
    Binary,
    DataRef,
    Estimation,
    Expect,
    Expr,
    ModelRef,
    Number,
    Query,
    Site,
    SiteTable,
    World,
    models_of,
    render,
)
from causalcircuit.query.circuits.baseline import Baseline
from causalcircuit.query.circuits.formulas import (
    METHODS,
    NODE_METHODS,
    SEARCHES,
    TRUST,
    Attributed,
    Formula,
    Keep,
    Method,
    Smallest,
    asked_in,
    effect_of,
)
from causalcircuit.query.circuits.wires import count_wires, nodes_of
from causalcircuit.query.wiring import outputs, reads, writes
from causalcircuit.syntax.trees import Node, inner, operators, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

_ATTRIBUTE = ("attribute(Y, over = [A, B], from = w, to = do(), method = eap_ig(5), keep = 40 edges, above = 0.02)",)
_SMALLEST = ("smallest(C, search = greedy, faithful > 0.9)",)
Known = Mapping[str, int]
"""Methods or searches, with how many numbers each takes."""
_DEFAULT = Method("quick")
_NAMES = ("over", "from", "to", "method", "keep", "above", "trust")


@dataclass(frozen=True, slots=True)
class Made:
    """An attribution, and what the rules had to say of it short of errors."""

    formula: Attributed
    warnings: tuple[Diagnostic, ...] = ()


def attributed(low: Lowering, arguments: list[Node], span: Span, data: DataRef, seed: int | None) -> Made:
    """`attribute(Y, from = w, to = w, …)` from the trees of its arguments."""
    given = sorted_out(low, arguments, span, _ATTRIBUTE, plain=1, names=_NAMES)
    for needed, way in (("from", "from = corrupt"), ("method", "method = eap_ig(5)")):
        if needed not in given.named:
            raise error("CQ253", f"this `attribute` says not `{needed}` what", span, help=f"add `{way}`")
    readout = low.expr(given.plain[0])
    start = baselines.side(low, given.named["from"], "from")
    end = baselines.side(low, given.named["to"], "to") if "to" in given.named else FACTUAL
    method = _method(low, given.named["method"], METHODS, "method")
    over: tuple[Site, ...] = ()
    if "over" in given.named:
        over = sets.members(low.expr(given.named["over"]), low.span(given.named["over"]))
    keep = _keep(low, given.named["keep"]) if "keep" in given.named else None
    above = _positive(low, given.named["above"], "above") if "above" in given.named else None
    trust = _DEFAULT
    if "trust" in given.named:
        name, numbers, at = _called(low, given.named["trust"], TRUST, "level of trust", "CQ794")
        trust = level_of(name, numbers, method, seed, at)
    spans = {name: low.span(node) for name, node in given.named.items()} | {"readout": low.span(given.plain[0])}
    tables = low.scope
    made = attribution(readout, over, start, end, method, keep, above, data, seed, tables.sites, spans, span, trust)
    found = examine(question(made), _models(low))
    DiagnosticError.raise_if(d.at(low.statement) for d in found)
    return Made(made, tuple(d.at(low.statement) for d in found))


def attribution(
    readout: Expr,
    over: tuple[Site, ...],
    start: World | Baseline,
    end: World | Baseline,
    method: Method,
    keep: Keep | None,
    above: float | None,
    data: DataRef,
    seed: int | None,
    tables: Callable[[str], SiteTable],
    spans: dict[str, Span] | None = None,
    span: Span | None = None,
    trust: Method = _DEFAULT,
) -> Attributed:
    """An attribution of sound parts; the same for texts and for Python objects. One world may be means of nodes.

    Raises:
        DiagnosticError: CQ251 worlds alike, CQ252 more wires than there are, CQ254 no scalar readout, CQ255 nodes that
            write nothing or are of another model; CQ814, means that move no input.
    """
    at = spans or {}

    def place(name: str) -> Span | None:
        return at.get(name, span)

    if isinstance(readout, Site) or not reads(readout):
        raise error(
            "CQ254",
            f"`{shown(readout)}` is no scalar readout of one model",
            place("readout"),
            "attributed",
            help="attribute what comes out at the end, `m.logit[row.a] @ last - m.logit[row.b] @ last`",
        )
    model = outputs(readout)[0].model
    means = [x for x in (start, end) if isinstance(x, Baseline)]
    if len(means) == 2:
        way = "one world is that of a run: `from = do(), to = mean`"
        raise error("CQ251", "`from` and `to` are both means of nodes: nothing is run", place("to"), help=way)
    if start == end and isinstance(start, World):
        raise error(
            "CQ251",
            f"`from` and `to` are one world, `{render(start)}`: nothing changes between them",
            place("to") if "to" in at else place("from"),
            help="the run of `from` is changed to values of `to`: `from = corrupt, to = do()`",
        )
    for name, given in (("from", start), ("to", end)):
        world = given.world if isinstance(given, Baseline) else given
        other = sorted(models_of(world) - {model})
        if other and model not in models_of(world):
            what = f"`{name}` changes `{other[0]}`, and `{shown(readout)}` is read from `{model}`"
            raise error("CQ255", what, place(name), help=f"name a world of `{model}`")
    table = tables(model)
    scores_nodes = method.name in NODE_METHODS
    if scores_nodes and keep is not None and keep.of == "edges":
        raise error(
            "CQ791",
            f"`{method}` scores nodes, and `keep = {keep}` asks for wires",
            place("keep"),
            help=(f"`keep = {keep.count} nodes`", "`eap_ig(5)` and `exact` score wires"),
        )
    for site in over:
        if site.address.model != model:
            what = f"`{render(site)}` is of another model than `{shown(readout)}`, which is of `{model}`"
            raise error("CQ255", what, place("over"), help=f"name nodes of `{model}`")
        if scores_nodes:
            _check_node(site, place("over"))
        elif not writes(table, site):
            way = "nodes are what writes into a stream: `embed`, `head[j].out`, `mlp.out`, `mlp.neuron[k]`, features"
            raise error("CQ255", f"`{render(site)}` writes nothing, so no wire leaves it", place("over"), help=way)
    _check_size(keep, over, table, model, place("keep"), scores_nodes)
    first, second = (
        baselines.of_nodes(x, over, table, model, method, place(name)) if isinstance(x, Baseline) else x
        for name, x in (("from", start), ("to", end))
    )
    baseline = means[0] if means else None
    return Attributed(model, readout, first, second, method, data, over, keep, above, seed, trust, baseline)


def question(made: Attributed) -> Estimation:
    """What the rules of estimates can judge of an attribution: the readout in both worlds, on its data."""
    if made.baseline is not None:
        return baselines.contrasts(made)
    contrast = Binary("-", Expect(made.readout, made.end), Expect(made.readout, made.start))
    return Estimation((Query("attribute", contrast),), made.data)


def _check_node(site: Site, span: Span | None) -> None:
    """A node is a tensor's part on what the model reads: all of it is known in one pass.

    Raises:
        DiagnosticError: CQ255.
    """
    if any(p.name == "pattern" for p in site.address.path):
        what, way = "is an attention pattern, not a node", "name the head's `q`, `k`, `v` or `out`"
    elif site.position.new:
        what, way = "stands on a text that is yet to be written", "name positions of the prompt: `@ all`, `@ last`"
    else:
        return
    raise error("CQ255", f"`{render(site)}` {what}", span, help=way)


def _check_size(
    keep: Keep | None,
    over: tuple[Site, ...],
    table: SiteTable,
    model: str,
    span: Span | None,
    scores_nodes: bool,
) -> None:
    """More than there is cannot be kept, where it is known how much there is."""
    every = nodes_of(table, model)
    plain = {s.address for s in every}
    known = all(s.address in plain for s in over) and len({s.address for s in over}) == len(over)
    if scores_nodes:  # `@ each` stands for as many as a prompt has positions
        known = all(s.position.kind != "each" for s in over)
    if keep is None or not known:
        return
    there = len(dict.fromkeys(over)) or len(every)
    if keep.of == "edges":
        there = count_wires(table, model, over)
    if keep.count > there:
        what = "nodes are considered" if keep.of == "nodes" else "wires join the nodes that are considered"
        raise error(
            "CQ252",
            f"`{keep}` cannot be kept: {there:,} {what}",
            span,
            help=f"keep fewer, {there:,} at most; without `keep` all are kept",
        )


def smallest(
    low: Lowering, arguments: list[Node], span: Span, data: DataRef, seed: int | None, read: Callable[[Node], Formula]
) -> Smallest:
    """`smallest(C, search = greedy, faithful > 0.9)` from the trees of its arguments."""
    wanted = [n for n in arguments if isinstance(n, Tree) and n.data == "compare"]
    rest = [n for n in arguments if n not in wanted]
    given = sorted_out(low, rest, span, _SMALLEST, plain=1, names=("search",))
    if len(wanted) != 1:
        raise error("CQ253", "this `smallest` says not how faithful", span, help="add `faithful > 0.9`")
    bound = _faithful(low, wanted[0])
    search = Method("greedy")
    if "search" in given.named:
        search = _method(low, given.named["search"], SEARCHES, "search")
    made = searched(read(given.plain[0]), search, bound, data, seed, low.span(given.plain[0]))
    effect = effect_of(made.of)
    if effect is not None:  # its columns are those of other data now
        found = examine(question(replace(effect, data=data)), _models(low))
        DiagnosticError.raise_if(d.at(low.statement) for d in found)
    return made


def searched(
    of: Formula, search: Method, faithful: float, data: DataRef, seed: int | None, span: Span | None = None
) -> Smallest:
    """A search among the wires of a circuit; the same for texts and for Python objects.

    Raises:
        DiagnosticError: CQ267, the circuit does not say of which effect a share is to be kept.
    """
    if effect_of(of) is None:
        several = any(True for _ in asked_in(of))
        raise error(
            "CQ267",
            "`smallest` keeps a share of an effect, and this circuit is made of attributions of different ones"
            if several
            else "`smallest` keeps a share of an effect, and this circuit says not of which",
            span,
            "two effects" if several else "not attributed here",
            help=(
                "search in a circuit of one attribution" if several else "attribute it: `attribute(…) on d`",
                "wires of a drawing that an attribution has too: `intersect(C, G)`",
            ),
        )
    return Smallest(of, search, faithful, data, seed)


def _faithful(low: Lowering, tree: Tree[Token]) -> float:
    left, right = inner(tree)
    value = low.expr(right)
    said = low.span(left).text == "faithful" and operators(tree)[0] in (">", ">=")
    if not said or not isinstance(value, Number) or not 0 < value.value < 1:
        way = "faithfulness is a share of what the readout changes by, between 0 and 1: `faithful > 0.9`"
        raise error("CQ253", f"`{low.span(tree).text}` bounds no faithfulness", low.span(tree), help=way)
    return value.value


def _method(low: Lowering, node: Node, known: Known, what: str) -> Method:
    """`eap_ig(5)`, `acdc(0.01)`: a plain name, perhaps with numbers."""
    name, numbers, span = _called(low, node, tuple(known), what)
    return method_of(name, numbers, known, span)


def _called(
    low: Lowering, node: Node, known: tuple[str, ...], what: str, code: str = "CQ250"
) -> tuple[str, tuple[float, ...], Span]:
    """A known name, perhaps with numbers in parentheses; and where it stands."""
    tree = tree_of(node)
    span = low.span(node)
    callee = inner(tree)[0] if tree.data == "call" else tree
    if not isinstance(callee, Tree) or callee.data != "reference":
        raise error(code, f"`{span.text}` is no {what}", span, help=did_you_mean("", known))
    name = low.word(callee.children[0])
    if name not in known:
        raise error(code, f"unknown {what} `{name}`", low.span(callee), help=did_you_mean(name, known))
    numbers: list[float] = []
    for argument in inner(tree_of(inner(tree)[1])) if tree.data == "call" and len(inner(tree)) > 1 else ():
        value = None if tree_of(argument).data == "named" else low.expr(argument)
        if not isinstance(value, Number) or value.unit is not None or value.value <= 0:
            raise error("CQ253", f"`{name}` takes positive numbers", low.span(argument), help=f"write `{name}(5)`")
        numbers.append(value.value)
    return name, tuple(numbers), span


def method_of(name: str, numbers: tuple[float, ...], known: Known, span: Span | None = None) -> Method:
    """A method by its name, with as many numbers as it takes.

    Raises:
        DiagnosticError: CQ250 an unknown one, CQ253 too many or too few numbers.
    """
    if name not in known:
        raise error("CQ250", f"unknown method `{name}`", span, help=did_you_mean(name, tuple(known)))
    takes = known[name]
    whole = name == "acdc" or all(x == int(x) for x in numbers)
    if len(numbers) != takes or not whole:
        example = "acdc(0.01)" if name == "acdc" else f"{name}(5)" if takes else name
        what = "no number" if not takes else "one number" if name == "acdc" else "one whole number, of steps"
        raise error("CQ253", f"`{name}` takes {what}", span, help=f"write `{example}`")
    return Method(name, numbers)


def _keep(low: Lowering, node: Node) -> Keep:
    """`40 edges`, `12 nodes`: the word stands where units do."""
    tree, span = tree_of(node), low.span(node)
    parts = [str(t) for t in inner(tree)] if tree.data == "number" else []
    if len(parts) == 2 and parts[0].isdigit() and int(parts[0]) > 0 and parts[1] in ("edges", "nodes", "edge", "node"):
        return Keep(int(parts[0]), "edges" if parts[1].startswith("edge") else "nodes")
    way = "write `keep = 40 edges`, or `keep = 12 nodes`"
    raise error("CQ253", f"`keep` takes so many edges or nodes, not `{span.text}`", span, help=way)


def _positive(low: Lowering, node: Node, name: str) -> float:
    value, span = low.expr(node), low.span(node)
    if not isinstance(value, Number) or value.value < 0:
        way = f"`{name} = 0.02`: the least absolute score, in the unit of the readout"
        raise error("CQ253", f"`{name}` takes a number from 0, not `{span.text}`", span, help=way)
    return value.value


def _models(low: Lowering) -> Mapping[str, ModelRef]:
    scope = low.scope
    while scope.parent is not None:
        scope = scope.parent
    return scope.models
