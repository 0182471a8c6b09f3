"""Statements of circuits: `circuit C = …`, `circuit G { … }` and `save C to "…"`; circuits wherever they are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check import circuit_files, sets
from causalcircuit.check.attributing import attributed, smallest
from causalcircuit.check.criteria import criterion
from causalcircuit.check.drawing import drawn
from causalcircuit.check.expressions import Lowering
from causalcircuit.check.options import on_data, whole
from causalcircuit.check.values import kind_of
from causalcircuit.diagnostics import DiagnosticError, Label, Span, did_you_mean, error, warning
from causalcircuit.query import CircuitDecl, CircuitView, DataRef, Graph, Number, Saving, Site, Wires
from causalcircuit.query.circuits.formulas import (
    Between,
    Filtered,
    Formula,
    Grouped,
    Joined,
    Known,
    Strongest,
    asked_in,
    circuit_from,
    model_of,
    named,
)
from causalcircuit.query.discovery import Discovering
from causalcircuit.query.wiring import reads
from causalcircuit.syntax.trees import Node, inner, span_of, tree_of, unquote
from causalcircuit.syntax.trees import named as argument

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

_USAGE = {
    "attribute": "attribute(Y, from = w, to = do(), method = eap_ig(5), keep = 40 edges) on d",
    "smallest": "smallest(C, search = greedy, faithful > 0.9) on d",
    "union": "union(A, B)",
    "intersect": "intersect(A, B)",
    "strongest": "strongest(C, 20)",
    "paths": "paths(C, A, B)",
    "group": "group(C, name = [A, B])",
    "load": 'load("./c.json")',
}
_ASKED = ("attribute", "smallest")


def circuit(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`circuit C = attribute(…) on d`, `circuit U = union(A, B)`, `circuit G { A -> B -> Y }`."""
    name, *rest = inner(tree)
    word = low.word(name)
    first = rest[0]
    if word not in checker.scope.names:  # at a prompt: the earlier meaning
        _check_self(word, first, low)
    formula: Formula
    if isinstance(first, Tree) and first.data == "route":
        formula = Known(drawn(word, [tree_of(c) for c in rest], low))
    else:
        formula = _declared(checker, first, [tree_of(n) for n in rest[1:]], low)
    made = CircuitDecl(word, _evaluated(checker, word, formula, low), span=low.span(name))
    checker.scope.declare(word, made, low.span(name), again=checker.redefine)
    checker.circuits[word] = made
    for complement in (False, True):
        wires = Wires(model_of(made.formula), made.formula, complement)
        checker.remember(wires, f"outside({word})" if complement else word)


def _check_self(word: str, body: Node, low: Lowering) -> None:
    """Refuse a circuit that is made of itself."""
    inside = body.scan_values(lambda t: isinstance(t, Token) and t == word) if isinstance(body, Tree) else ()
    token = next(iter(inside), None)
    if token is not None and isinstance(body, Tree) and body.data != "route":
        said = f"`{word}` refers to itself"
        raise error("CQ304", said, low.span(token), "inside its own declaration", help="declare a second name")


def save(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`save C to "./c.json"`, of a circuit or a diagram."""
    what, path = inner(tree)
    made = circuit_at(low, what)
    file = checker.resolve(unquote(str(path)))
    if made is None:
        said = low.span(what)
        value = low.value(what)
        if isinstance(value, Graph):
            from causalcircuit.check.made import saved  # most programs have no diagrams

            saved(checker, value, file, said, low.span(path))
            return
        if isinstance(value, Discovering):
            from causalcircuit.check.discovering import saved as found  # most programs find no diagrams

            found(checker, value, file, low.span(path))
            return
        way = "`save` writes circuits and diagrams"
        raise error("CQ205", f"`{said.text}` is {kind_of(value)}, not a circuit", said, help=way)
    circuit_files.check_suffix(file, low.span(path))
    if checker.asks:
        checker.savings.append(Saving(made, file, span=low.span(path)))


def show(checker: Checker, heads: list[Node], low: Lowering, comments: tuple[str, ...]) -> bool:
    """`show C`, `show compare(A, B)`: whether the heads of a `show` are circuits, which are kept then.

    Raises:
        DiagnosticError: CQ256, circuits beside something else.
    """
    views = [_view(low, head) for head in heads]
    if not any(views):
        return False
    for head, found in zip(heads, views, strict=True):
        if found is None:
            way = "give it a `show` of its own"
            raise error("CQ256", f"`{low.span(head).text}` is no circuit, beside one", low.span(head), help=way)
        if checker.asks:
            checker.views.append(CircuitView(found, comments, low.span(head)))
    return True


def _view(low: Lowering, head: Node) -> tuple[CircuitDecl, ...] | None:
    found = circuit_at(low, head)
    if found is not None:
        return (found,)
    if _called(low, head) != "compare":
        return None
    arguments, span = _arguments(head), low.span(head)
    both = [circuit_at(low, a) for a in arguments]
    if len(both) != 2 or None in both:
        raise error("CQ207", "these are no arguments of `compare`", span, help="write `compare(A, B)`, of two circuits")
    return tuple(c for c in both if c is not None)


def circuit_at(low: Lowering, node: Node) -> CircuitDecl | None:
    """The declared circuit that a name stands for, if it stands for one."""
    if not isinstance(node, Tree) or node.data not in ("reference", "field", "group"):
        return None
    value = low.value(node)
    return value if isinstance(value, CircuitDecl) else None


# ---- what stands right of `=`


def _declared(checker: Checker, body: Node, options: list[Tree[Token]], low: Lowering) -> Formula:
    seen: dict[str, Tree[Token]] = {}
    for option in options:
        kind = str(option.data)
        if kind in seen:
            first = span_of(seen[kind], low.statement)
            twice = span_of(option, low.statement)
            raise error("CQ112", f"`{kind}` stands twice", twice, labels=[Label(first, "first here")],
                        help="leave one out")  # fmt: skip
        seen[kind] = option
    asked = _called(low, body) in _ASKED
    data = _data(seen["on"], low) if "on" in seen else None
    if asked and data is None:
        word = _called(low, body)
        raise error("CQ217", f"this `{word}` says not on which data", low.span(body), help=on_data(low))
    for kind in ("on", "seed"):
        if kind in seen and not asked:
            _formula(checker, body, low, data, None)  # a misspelt name comes first: it may be why they stand here
            place = span_of(seen[kind], low.statement)
            way = "`on` and `seed` belong to `attribute` and `smallest`"
            raise error("CQ112", f"`{kind}` is no option of this circuit", place, help=way)
    seed = _seed(seen["seed"], low) if "seed" in seen else None
    formula = _formula(checker, body, low, data, seed)
    if "where" in seen:
        formula = Filtered(formula, criterion(inner(seen["where"])[0], low))
    return formula


def _formula(
    checker: Checker, node: Node, low: Lowering, data: DataRef | None = None, seed: int | None = None
) -> Formula:
    """A circuit by name, or made of others."""
    if isinstance(node, Tree) and node.data == "group":
        return _formula(checker, inner(node)[0], low, data, seed)
    if isinstance(node, Tree) and node.data == "except":
        left, right = (_formula(checker, n, low) for n in inner(node))
        return Joined("except", left, right)
    found = circuit_at(low, node)
    if found is not None:
        return found.formula
    word, span = _called(low, node), low.span(node)
    if word in _ASKED and data is None:
        way = f"give it a statement of its own: `circuit X = {_USAGE[word]}`"
        raise error("CQ256", f"`{word}` stands inside another circuit", span, help=way)
    arguments = _arguments(node)
    if word == "attribute" and data is not None:
        made = attributed(low, arguments, span, data, seed)
        checker.found.extend(made.warnings)
        return made.formula
    if word == "smallest" and data is not None:
        return smallest(low, arguments, span, data, seed, lambda n: _formula(checker, n, low))
    if word in ("union", "intersect"):
        return _joined(checker, word, arguments, span, low)
    if word in _READ:
        return _READ[word](checker, arguments, span, low)
    if word and not isinstance(inner(tree_of(node))[0], Token):
        known = did_you_mean(word, tuple(_USAGE))
        raise error("CQ256", f"`{word}` makes no circuit", span, help=(known, f"write `circuit C = {_USAGE['union']}`"))
    value = low.value(node)
    help = "circuits are drawn, `circuit C { A -> B }`, or made: " + ", ".join(f"`{w}(…)`" for w in _USAGE)
    raise error("CQ256", f"`{span.text}` is {kind_of(value)}, not a circuit", span, "no circuit", help=help)


def _joined(checker: Checker, word: str, arguments: list[Node], span: Span, low: Lowering) -> Formula:
    if len(arguments) < 2:
        raise _wrong(word, span)
    out = _formula(checker, arguments[0], low)
    for node in arguments[1:]:
        out = Joined("union" if word == "union" else "intersect", out, _formula(checker, node, low))
    return out


def _strongest(checker: Checker, arguments: list[Node], span: Span, low: Lowering) -> Formula:
    if len(arguments) != 2:
        raise _wrong("strongest", span)
    count = low.expr(arguments[1])
    if not isinstance(count, Number) or count.unit is not None or count.value != int(count.value) or count.value < 1:
        raise error(
            "CQ252", "`strongest` takes a whole number of wires", low.span(arguments[1]), help="`strongest(C, 20)`"
        )
    return Strongest(_formula(checker, arguments[0], low), int(count.value))


def _paths(checker: Checker, arguments: list[Node], span: Span, low: Lowering) -> Formula:
    if len(arguments) != 3:
        raise _wrong("paths", span)
    of = _formula(checker, arguments[0], low)
    end = low.expr(arguments[2])
    goal = None if not isinstance(end, Site) and reads(end) else _nodes(low, arguments[2], model_of(of))
    return Between(of, _nodes(low, arguments[1], model_of(of)), goal)


def _group(checker: Checker, arguments: list[Node], span: Span, low: Lowering) -> Formula:
    groups: dict[str, tuple[Site, ...]] = {}
    for node in arguments[1:]:
        tree = tree_of(node)
        name, value = argument(tree) if tree.data == "named" else ("", None)
        if value is None or name in groups:
            raise _wrong("group", low.span(node))
        groups[name] = _nodes(low, value, model_of(_formula(checker, arguments[0], low)))
    if not groups:
        raise _wrong("group", span)
    return Grouped(_formula(checker, arguments[0], low), tuple(groups.items()))


def _load(checker: Checker, arguments: list[Node], span: Span, low: Lowering) -> Formula:
    return Known(circuit_files.loaded(checker, arguments, span, low, _USAGE["load"]))


def _nodes(low: Lowering, node: Node, model: str) -> tuple[Site, ...]:
    """Nodes of the circuit's model."""
    found = sets.members(low.expr(node), low.span(node))
    if found[0].address.model != model:
        raise error(
            "CQ255",
            f"`{low.span(node).text}` is of `{found[0].address.model}`, and the circuit of `{model}`",
            low.span(node),
            help=f"name nodes of `{model}`",
        )
    return found


def _evaluated(checker: Checker, word: str, formula: Formula, low: Lowering) -> Formula:
    """What needs no model is made now, so that what is wrong with it is said now."""
    if any(True for _ in asked_in(formula)):
        return formula
    try:
        found = circuit_from(formula)
    except DiagnosticError as problem:
        raise DiagnosticError(*(d.at(low.statement) for d in problem.diagnostics)) from None
    if not found.edges and not found.nodes:
        empty = warning("CQ258", f"the circuit `{word}` is empty: it has no wire", low.statement, "nothing is left",
                        help="`show` the circuits that it is made of")  # fmt: skip
        checker.found.append(empty)
    return Known(named(found, word))


def _data(option: Tree[Token], low: Lowering) -> DataRef:
    node = inner(option)[0]
    value = low.value(node)
    if not isinstance(value, DataRef):
        place = low.span(node)
        raise error("CQ217", f"`{place.text}` is {kind_of(value)}, not data", place, help=on_data(low))
    return value


def _seed(option: Tree[Token], low: Lowering) -> int:
    return whole(inner(option)[0], low)


def _called(low: Lowering, node: Node) -> str:
    """The plain name that a call calls."""
    if not isinstance(node, Tree) or node.data != "call":
        return ""
    callee = inner(node)[0]
    return low.word(callee.children[0]) if isinstance(callee, Tree) and callee.data == "reference" else ""


def _arguments(node: Node) -> list[Node]:
    parts = inner(tree_of(node)) if isinstance(node, Tree) and node.data == "call" else []
    return inner(tree_of(parts[1])) if len(parts) > 1 else []


def _wrong(word: str, span: Span) -> DiagnosticError:
    return error("CQ207", f"these are no arguments of `{word}`", span, help=f"write `{_USAGE[word]}`")


_READ: dict[str, Callable[[Checker, list[Node], Span, Lowering], Formula]] = {
    "strongest": _strongest,
    "paths": _paths,
    "group": _group,
    "load": _load,
}
