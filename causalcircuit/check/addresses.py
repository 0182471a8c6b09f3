"""Addresses and positions: from names and indices to sites, readouts and inputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from lark import Token, Tree

from causalcircuit.check.generation import check_new, check_scored, uncalled
from causalcircuit.check.outputs import SCALES, class_score, distribution, similarity
from causalcircuit.check.sources import classes, sites
from causalcircuit.check.values import Path, Value
from causalcircuit.diagnostics import Span, did_you_mean, error
from causalcircuit.query import (
    Address,
    AddressError,
    Attached,
    ClassScore,
    Column,
    Expr,
    Index,
    Input,
    Items,
    Number,
    Part,
    Position,
    Readout,
    Site,
    SiteTable,
    Text,
    Word,
    is_text,
)
from causalcircuit.syntax.trees import inner, operators, span_of

READOUTS = ("logit", "logprob", "prob")
CHANNELS = ("input", "image", "audio", "prefix")
_LATER = ("score",)  # of the language, and of no release yet
_CODES = {"layer": "CQ504", "head": "CQ505", "neuron": "CQ505", "expert": "CQ505", "feature": "CQ505", "name": "CQ506"}
_PLACES = ("last", "first", "all", "token", "span", "inside", "outside", "image", "each", "new")


def step(path: Path, name: str, span: Span) -> Path | Expr:
    """`path.name`."""
    table = sites(path.model)
    if not path.parts and name == "similarity":
        return similarity(path.model, span)
    if not path.parts and name == "logits" and classes(path.model) is not None:
        return distribution(path, None, span)
    if not path.parts and name in CHANNELS:
        if name not in table.channels:
            have = ", ".join(f"`{path.model.name}.{c}`" for c in table.channels)
            raise error(
                "CQ506",
                f"the model `{path.model.name}` takes no `{name}`",
                span,
                "no such input",
                help=f"it takes {have}",
            )
        return Input(path.model.name, name, span=span)  # type: ignore[arg-type]
    if path.answer is not None:
        raise error(
            "CQ506", f"nothing follows a readout, and `.{name}` does", span, help="write its position: `@ last`"
        )
    return Path(path.model, (*path.parts, Part(name)), span)


def subscript(path: Path, index: Index | Expr, span: Span, word: str | None = None) -> Path | Expr:
    """`path[index]`: an index of a layer, head or neuron, or the answer of a readout.

    `word` is what stands behind an answer: `m.class["toxic", softmax]`, `m.logprob["a cat", per_token]`.
    """
    if not path.parts:
        raise error("CQ506", f"a model takes no index: `{span.text}`", span, help=f"write `{path.model.name}.layer[0]`")
    last = path.parts[-1]
    if path.parts == (Part("output"),) and path.model.net is not None and isinstance(index, int):
        return ClassScore(path.model.name, Number(index), "score", span=span)
    if path.parts == (Part("class"),):
        return class_score(path, index, word, span)
    if last.name in READOUTS:
        answered = isinstance(index, Text | Column | Items) or (isinstance(index, Expr) and is_text(index))
        if len(path.parts) > 1 or not isinstance(index, Expr) or not answered:
            raise error(
                "CQ508",
                f"`{last.name}` takes an answer: a string, a column, or a list of them",
                span,
                help=f'write `{path.model.name}.{last.name}["woman"] @ last`',
            )
        return replace(path, span=span, answer=index, per_token=word is not None)
    if last.name in CHANNELS:
        raise error("CQ506", f"`{last.name}` takes no index here", span, help="patches are positions: `@ image[3]`")
    if isinstance(index, Expr):
        raise error(
            "CQ506", f"`{last.name}` is indexed by numbers", span, help=f"write `{last.name}[0]`, `[*]` or `[0..3]`"
        )
    return Path(path.model, (*path.parts[:-1], Part(last.name, index)), span)


def behind(path: Path) -> tuple[str, ...]:
    """The words that may stand behind an answer, inside its brackets."""
    if path.parts == (Part("class"),):
        return SCALES
    return ("per_token",) if path.parts == (Part("logprob"),) else ()


def place(path: Path, position: Position, span: Span, where: Span | None = None) -> Expr:
    """`path @ position`: a site, several sites for a pattern, or a readout; `where` is the place of the position.

    Raises:
        DiagnosticError: CQ504 layer, CQ505 head, CQ506 name, CQ516 a position that such a site has not.
    """
    table, where = sites(path.model), where or span
    if path.answer is None and path.parts and path.parts[-1].name in (*READOUTS, "text"):
        raise unplaced(path)
    if path.answer is not None or path.parts == (Part("logits"),):
        if position.kind in ("all", "span", "list", "inside", "outside", "image", "each", "new"):
            raise error(
                "CQ516",
                f"a readout is a scalar, and `@ {position}` may be several positions",
                where,
                help="read it at one: `@ last`, `@ 5`, `@ token(row.w)`",
            )
        if path.answer is None:
            return distribution(path, position, span)
        kind = path.parts[-1].name
        if is_text(path.answer):
            check_scored(path.model, kind, path.answer, position, span)
        _within_length(position, table, where)
        return Readout(path.model.name, kind, path.answer, position, path.per_token, span=span)  # type: ignore[arg-type]
    address = Address(path.model.name, path.parts)
    try:
        found = table.expand(address)
        info = table.info(found[0])
    except AddressError as problem:
        raise no_site(path, problem, table) from None
    if info.rank < 0:  # a module: what it is, and its positions, is known when the model is loaded
        return Site(address, position, span=span)
    words, patches = table.stands_on(info)
    for p in _flat(position):
        if p.kind in ("token", "span") and not words:
            raise error(
                "CQ516", "an image tower has patches, not words", where, help="`@ inside(row.mask)`, `@ image[k]`"
            )
        if p.kind in ("inside", "outside", "image") and not patches:
            way = "a text has tokens: `@ last`, `@ 5`, `@ token(row.word)`"
            raise error("CQ516", f"`@ {p}` needs a site over image patches", where, help=way)
        if p.kind == "each" and p is not position:
            raise error(
                "CQ517",
                "`@ each` stands alone: it goes through positions one by one",
                where,
                help="`@ each [token(row.w), last]` goes through these, `@ all` is all of them jointly",
            )
        if p.new:
            check_new(path.model, table, info, p, where)
        _within_length(p, table, where)
    members = tuple(Site(a, position, span=span) for a in found)
    return members[0] if address.concrete else Items(members, span=span)


def _flat(position: Position) -> Iterator[Position]:
    """A position, and those that it is made of."""
    if position.kind not in ("list", "except") or not position.parts:
        yield position
    for part in position.parts:
        yield from _flat(part)


def unplaced(path: Path) -> Exception:
    """An address that stands where a value is needed."""
    last = path.parts[-1].name if path.parts else path.model.name
    if not path.parts:
        return error(
            "CQ205", f"`{last}` is a model, not a value", path.span, help=f"name a part of it: `{last}.layer[0].resid`"
        )
    if last in READOUTS and path.answer is None:
        return error(
            "CQ508", f"`{last}` needs an answer", path.span, help=f'write `{path.model.name}.{last}["woman"] @ last`'
        )
    if path.parts == (Part("class"),):
        way = f'write `{path.model.name}.class["toxic"]`, with a label of its config'
        return error("CQ508", "`class` needs the class that is meant", path.span, help=way)
    if path.parts == (Part("logits"),):
        distribution(path, None, path.span)
    if path.parts == (Part("text"),):
        return uncalled(path.model, path.span)
    if path.answer is None:
        table = sites(path.model)
        try:
            table.expand(Address(path.model.name, path.parts))
        except AddressError as problem:
            return no_site(path, problem, table)
    return error(
        "CQ209",
        f"`{path.span.text}` has no position",
        path.span,
        "at which positions?",
        help="add one: `@ last` for the last prompt position, `@ all` for all of them jointly",
    )


def _within_length(p: Position, table: SiteTable, span: Span) -> None:
    limit = table.max_positions
    if p.kind == "index" and p.index is not None and limit is not None and not -limit <= p.index < limit:
        raise error(
            "CQ509",
            f"position {p.index} is out of range: the model has {limit} positions at most",
            span,
            help=f"positions count from 0 to {limit - 1}; -1 is the last of the prompt",
        )


def no_site(path: Path, problem: AddressError, table: SiteTable) -> Exception:
    """What is wrong with an address that the table has not."""
    if isinstance(path.parts[0], Attached) or any(p.name == "module" for p in path.parts):
        return _no_node(path, problem)
    later = next((p.name for p in path.parts if p.name in _LATER), None)
    if later is not None and problem.kind == "name":
        return error(
            "CQ506",
            f"`.{later}` is not available in this version",
            _guilty(path, later),
            help="available: " + ", ".join(f"`{k}`" for k in problem.known),
        )
    wrong = path.parts[-1].name
    hint = did_you_mean(wrong, [k.rpartition(".")[2].partition("[")[0] for k in problem.known]) if problem.known else ""
    lines = [hint] if hint.startswith("did") else []
    if problem.known and set(problem.known) <= {t.name for t in table.towers}:
        lines.append(f"write `{path.model.name}.{table.towers[-1].name}.{path.parts[0]}…`")
    elif problem.known:
        lines.append("sites: " + ", ".join(f"`{k}`" for k in problem.known))
    if problem.kind != "name":
        layers = ", ".join(
            f"{t.layers} layers of {t.heads} heads" + (f" in `{t.name}`" if t.name else "") for t in table.towers
        )
        lines.append(f"`{path.model.name}` has {layers}; they count from 0")
    indexed = next((p.name for p in path.parts if p.index is None and p.name in ("layer", "head", "neuron")), "")
    if indexed:
        lines.append(f"write `{indexed}[0]`, or `{indexed}[*]` for all of them")
    name = indexed or (wrong if problem.kind == "name" else problem.kind)
    return error(_CODES[problem.kind], str(problem), _guilty(path, name), help=lines)


def _no_node(path: Path, problem: AddressError) -> Exception:
    """The same for a node of a dictionary, or a module."""
    head, last = path.parts[0], path.parts[-1].name
    if any(p.name == "module" for p in path.parts):
        way = f'write `{path.model.name}.module("its.path") @ last`, or `….in` for what it is given'
        return error("CQ506", str(problem), path.span, help=way)
    shown = ", ".join(f"`{head.name}.{k}`" for k in ("feature[k]", "features", "error"))
    near = did_you_mean(last, ("feature", "features", "error")) if problem.kind == "name" else ""
    return error(_CODES[problem.kind], str(problem), path.span, help=(near if near.startswith("did") else "", shown))


def _guilty(path: Path, name: str) -> Span:
    """The place of the part `name` in an address, index included, or the whole address."""
    found = list(re.finditer(rf"\b{re.escape(name)}\b(\s*\[[^\]]*\])?", path.span.text)) if name else []
    if not found:
        return path.span
    return Span(path.span.source, path.span.start + found[-1].start(), path.span.start + found[-1].end())


def position_of(tree: Tree[Token], statement: Span, lower: Callable[[Tree[Token] | Token], Value]) -> Position:
    """A position's tree as a `Position`; `lower` reads the words and numbers inside it."""
    span = span_of(tree, statement)
    parts = inner(tree)
    match str(tree.data):
        case "place":
            name = _name(parts[0])
            if name in ("last", "first", "all", "each", "new"):
                return Position(name)  # type: ignore[arg-type]
            raise _unknown_place(name, span)
        case "place_index":
            return Position("index", index=_integer(parts[0], span))
        case "place_back":
            return Position("index", index=-_integer(parts[0], span))
        case "place_of":
            within = [position_of(p, statement, lower) for p in parts[1:] if isinstance(p, Tree)]
            if _name(parts[0]) == "each":
                return Position("each", parts=tuple(dict.fromkeys(within)))
            if _name(parts[0]) != "image":
                raise _unknown_place(_name(parts[0]), span)
            if len(within) != 1 or within[0] != Position("index", index=within[0].index):
                raise error("CQ516", f"`image` takes the number of a patch, not `{span.text}`", span, help="`image[3]`")
            return Position("image", index=within[0].index)
        case "place_except":
            whole, less = (position_of(p, statement, lower) for p in parts if isinstance(p, Tree))
            return Position("except", parts=(whole, less) if whole.kind != "except" else (*whole.parts, less))
        case "places":
            found = [position_of(p, statement, lower) for p in parts if isinstance(p, Tree)]
            return Position("list", parts=tuple(found)) if len(found) > 1 else found[0]
        case "place_offset":
            base = position_of(parts[0], statement, lower) if isinstance(parts[0], Tree) else Position("last")
            sign = -1 if "-" in operators(tree) else 1
            return replace(base, offset=base.offset + sign * _integer(parts[1], span))
        case _:
            return _called(tree, statement, span, lower)


def _called(tree: Tree[Token], statement: Span, span: Span, lower: Callable[[Tree[Token] | Token], Value]) -> Position:
    parts = inner(tree)
    arguments = parts[-1]
    name = _name(parts[0]) if len(parts) > 1 else "outside"
    items = [inner(a) for a in inner(arguments) if isinstance(a, Tree)] if isinstance(arguments, Tree) else []
    if name in ("inside", "outside"):
        mask = lower(items[0][0]) if len(items) == 1 and len(items[0]) == 1 else None
        if not isinstance(mask, Column):
            raise error("CQ516", f"`{name}` takes one mask column", span, help=f"write `@ {name}(row.figure_mask)`")
        return Position(name, mask=mask.name)  # type: ignore[arg-type]
    if name not in ("token", "span"):
        raise _unknown_place(name, span)
    words: list[Word] = []
    number: int | None = None
    for at, item in enumerate(items):
        value = lower(item[0])
        within = lower(item[1]) if len(item) > 1 else None
        if isinstance(value, Number) and at == len(items) - 1 and at > 0 and value.value == int(value.value) > 0:
            number = int(value.value)
        elif isinstance(value, Column | Text) and (within is None or isinstance(within, Column)):
            column = value.name if isinstance(value, Column) else None
            literal = value.value if isinstance(value, Text) else None
            words.append(Word(column, literal, within.name if isinstance(within, Column) else None))
        else:
            raise error(
                "CQ516",
                f"`{name}` takes words, and then which occurrence (from 1)",
                span_of(item[0], statement),
                help=f"`{name}(row.s)`, `{name}(row.s, 2)`, `{name}(row.a in row.base, row.b in row.other)`",
            )
    if len(words) > 1 and any(w.within is None for w in words):
        raise error(
            "CQ516",
            f"`{name}` with several words must say in which column each holds",
            span,
            help=f"write `@ {name}(row.a in row.base, row.b in row.source)`",
        )
    return Position(name, words=tuple(words), number=number)  # type: ignore[arg-type]


def _unknown_place(name: str, span: Span) -> Exception:
    return error("CQ516", f"unknown position `{name}`", span, help=did_you_mean(name, _PLACES))


def _integer(node: Tree[Token] | Token, span: Span) -> int:
    text = str(node)
    if not text.isdigit():
        raise error("CQ516", f"a position is a whole number, and `{text}` is none", span, help="positions count from 0")
    return int(text)


def _name(node: Tree[Token] | Token) -> str:
    return str(node.children[0]) if isinstance(node, Tree) else str(node)
