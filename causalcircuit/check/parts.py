"""Leaves with more to them than a word, and what stands after a primary: numbers with units, parts, indices."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from lark import Token, Tree

from causalcircuit.check import addresses
from causalcircuit.check.scope import Poisoned
from causalcircuit.check.values import Module, Path, Row, Value, kind_of
from causalcircuit.diagnostics import did_you_mean, error
from causalcircuit.query import Column, DataRef, Expr, Index, Items, ModelRef, Number, Split
from causalcircuit.query.units import WRITTEN
from causalcircuit.syntax.trees import inner, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering


def number(low: Lowering, node: Tree[Token]) -> Number:
    """A number, with its unit if it has one."""
    parts = inner(node)
    value, span = float(str(parts[0])), low.span(node)
    if not math.isfinite(value):
        raise error("CQ219", f"`{parts[0]}` is too large a number", span, help="1e308 is the largest")
    if len(parts) == 1:
        return Number(value, span=span)
    unit = str(parts[1])
    if unit not in WRITTEN:
        product = f"{parts[0]} * {unit}"
        raise error(
            "CQ210",
            f"`{unit}` is no unit",
            low.span(parts[1]),
            help=(
                f"a product is written `{product}`",
                "units: " + ", ".join(f"`{u}`" for u in WRITTEN if u != "%"),
            ),
        )
    if span.source.position(span.start)[0] != low.span(parts[1]).line:
        raise error(
            "CQ210",
            f"the unit `{unit}` stands on another line than its number",
            low.span(parts[1]),
            help=f"write `{parts[0]} {unit}` on one line",
        )
    return Number(value / 100 if unit == "pp" else value, "nat" if unit == "nats" else unit, span=span)


def field(low: Lowering, node: Tree[Token]) -> Value:
    """A part by its name: `row.x`, `m.layer`, `library.name`, `d.train`."""
    base_node, token = inner(node)
    base, name, span = low.value(base_node), str(token)[1:], low.span(node)
    match base:
        case Row():
            return Column(name, span=span)
        case ModelRef():
            return addresses.step(Path(base, (), span), name, span)
        case Path():
            return addresses.step(base, name, span)
        case Module(name=module, scope=scope):
            if name not in scope.names and name not in scope.failed:
                raise error(
                    "CQ201", f"`{module}` has no name `{name}`", span, help=did_you_mean(name, list(scope.names))
                )
            found = scope.find(name, span)
            if found is None:
                raise Poisoned
            return found
        case DataRef(split=split):
            if name not in ("train", "test"):
                raise error("CQ206", f"data has no part `{name}`", span, help="parts are `.train` and `.test`")
            if split is None:
                raise error(
                    "CQ206",
                    f"`{base.name}` has no `split`",
                    span,
                    help="declare one on the data: `split 70/30 seed 7`",
                )
            part: Literal["train", "test"] = "train" if name == "train" else "test"
            return replace(base, split=Split(split.train, split.seed, part))
        case _:
            what = kind_of(base)
            raise error(
                "CQ206",
                f"{what} has no part `{name}`",
                span,
                help="parts after a `.` belong to models, data, rows and files in use",
            )


def index(low: Lowering, node: Tree[Token]) -> Value:
    """A part by its number, or an answer: `m.layer[0]`, `m.logit["a"]`."""
    base_node, indices = inner(node)
    base, span = low.value(base_node), low.span(node)
    if isinstance(base, ModelRef):
        base = Path(base, (), span)
    if not isinstance(base, Path) or not isinstance(indices, Tree):
        said = low.span(base_node).text
        raise error("CQ206", f"`{said}` is {kind_of(base)} and takes no index", span, help="addresses do: `m.layer[0]`")
    indices, word = _behind(low, base, indices)
    return addresses.subscript(base, _indices(low, indices), span, word)


def _behind(low: Lowering, base: Path, indices: Tree[Token]) -> tuple[Tree[Token], str | None]:
    """What is inside brackets, less the word behind an answer: `["toxic", softmax]`, `["a cat", per_token]`."""
    *before, last = inner(indices)
    words = addresses.behind(base)
    if before and isinstance(last, Tree) and last.data == "reference" and low.word(last.children[0]) in words:
        return Tree(indices.data, list(before), indices.meta), low.word(last.children[0])
    return indices, None


def _indices(low: Lowering, tree: Tree[Token]) -> Index | Expr:
    items: list[int | tuple[int, int]] = []
    for child in inner(tree):
        kind = str(child.data) if isinstance(child, Tree) else ""
        if kind == "every":
            if len(inner(tree)) > 1:
                raise error("CQ506", "`*` stands alone in an index", low.span(tree), help="write `[*]`")
            return "*"
        if kind == "span_of":
            ends = [str(t) for t in inner(tree_of(child))]
            if not all(t.isdigit() for t in ends):
                raise error("CQ506", f"`{'..'.join(ends)}` is no range", low.span(child), help="write `[4..9]`")
            first, last = map(int, ends)
            if first > last:
                raise error(
                    "CQ506", f"the range {first}..{last} is empty", low.span(child), help=f"write `{last}..{first}`"
                )
            items.append((first, last))
            continue
        value = low.expr(child)
        if not isinstance(value, Number) or value.value != int(value.value):
            if len(inner(tree)) == 1:
                return value
            return Items(tuple(low.expr(c) for c in inner(tree)), span=low.span(tree))
        items.append(int(value.value))
    single = items[0]
    return single if len(items) == 1 and isinstance(single, int) else tuple(items)
