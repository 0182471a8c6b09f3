"""Statements that declare what lies in files: model, data."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from lark import Token, Tree

from causalcircuit.check import dictionaries, sources
from causalcircuit.check.chats import chat, with_pictures
from causalcircuit.check.expressions import Lowering
from causalcircuit.check.modelling import model_settings
from causalcircuit.check.options import whole
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Label, Span, did_you_mean, error
from causalcircuit.query import (
    Binary,
    Column,
    Compare,
    DataRef,
    Expr,
    Logic,
    Mentions,
    ModelRef,
    Negative,
    Number,
    Split,
    Text,
    Truth,
    Within,
    is_event,
    walk,
)
from causalcircuit.query.program import Format
from causalcircuit.rows import cached_folder, peek
from causalcircuit.syntax.trees import Node, inner, named, span_of, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

FORMATS = ("jsonl", "csv", "parquet", "images", "datasets")
FEEDS = ("prompt", "text", "image", "audio", "prefix", "chat")
_OF_COLUMNS = (Column, Number, Text, Truth, Compare, Within, Logic, Binary, Negative)


def model(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`model m = hf("./folder") with dtype = float64`, or a dictionary (see `dictionaries`)."""
    name, call, *settings = inner(tree)
    if dictionaries.kind_called(call, low) is not None:
        dictionaries.declare(checker, name, call, settings, low)
        return
    source, keywords = _source(call, low, ("hf",), "a model")
    unknown = next((k for k in keywords if k != "revision"), None)
    if unknown is not None:
        raise error("CQ224", f"`hf` takes no `{unknown}`", low.span(call), help='`hf("name", revision = "…")`')
    folder = checker.resolve(source.value) if source.value[:1] in "./" else None
    word = low.word(name)
    if folder is None and os.path.isdir(checker.resolve(source.value)):
        raise error(
            "CQ503",
            f"`{source.value}` is read as a name on the hub, and there is a folder of that name",
            source.span,
            "a hub name",
            help=f'a folder starts with `.` or `/`: write `hf("./{source.value}")`',
        )
    ref = ModelRef(word, source.value, folder, keywords.get("revision"), span=source.span)
    ref, remarks = model_settings(ref, _settings(settings, low), low)
    checker.found.extend(remarks)
    sources.sites(ref, checker.online)
    checker.scope.declare(word, checker.register(ref), low.span(name), again=checker.redefine)


def data(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`data d = jsonl("./rows.jsonl") with prompt = row.clean cluster row.names`."""
    name, call, *options = inner(tree)
    source, keywords = _source(call, low, FORMATS, "data")
    form = cast(Format, low.word(tree_of(tree_of(call).children[0]).children[0]))
    ref = _located(DataRef(low.word(name), form, checker.resolve(source.value), span=source.span), source, keywords)
    rows = peek(ref)
    checker.scope.columns.update(rows.columns)
    seen: dict[str, Span] = {}
    for option in options:
        node = tree_of(option)
        kind = str(node.data)
        if kind in seen:
            word = kind.removesuffix("_feeds")
            raise error(
                "CQ112",
                f"`{word}` stands twice",
                span_of(node, low.statement),
                "again here",
                labels=[Label(seen[kind], "first here")],
                help="one `with` takes several: `with prompt = row.clean, image = row.photo`"
                if word == "with"
                else "leave one out",
            )
        seen[kind] = span_of(node, low.statement)
        ref = _data_option(ref, kind, node, low)
    ref = with_pictures(ref, rows)
    wanted = [c for _, c in ref.feeds if isinstance(c, Column)]
    wanted += [c for c in (ref.cluster, ref.weight) if c is not None]
    if ref.where is not None:
        wanted += [c for c in walk(ref.where) if isinstance(c, Column)]
    for column in wanted:
        rows.column(column.name, column.span)
    checker.scope.declare(ref.name, ref, low.span(name), again=checker.redefine)


def _located(ref: DataRef, source: Text, keywords: dict[str, str]) -> DataRef:
    """With the arguments of the call, and where the cache keeps a data set of the hub."""
    known = ("split", "config") if ref.format == "datasets" else ()
    unknown = next((k for k in keywords if k not in known), None)
    if unknown is not None:
        way = did_you_mean(unknown, known) if known else "it takes a path only"
        raise error("CQ224", f"`{ref.format}` takes no `{unknown}`", source.span, help=way)
    if ref.format == "datasets" and source.value[:1] not in "./":
        keywords = {**keywords, "name": source.value}
        ref = replace(ref, path=cached_folder(source.value, keywords.get("config"), source.span))
    elif "config" in keywords:
        help = "a folder holds one: leave it out"
        raise error("CQ224", "`config` belongs to a name on the hub", source.span, help=help)
    return replace(ref, arguments=tuple(keywords.items()))


def _data_option(ref: DataRef, kind: str, node: Tree[Token], low: Lowering) -> DataRef:
    parts, span = inner(node), span_of(node, low.statement)
    if kind == "with_feeds":
        feeds: list[tuple[str, Expr]] = []
        for key, value_node, place in _settings(parts, low):
            if key not in FEEDS:
                raise error("CQ224", f"`{key}` feeds nothing", place, help=did_you_mean(key, FEEDS))
            if key == "chat":
                feeds.append((key, chat(value_node, low)))
                continue
            value = low.expr(value_node)
            if not isinstance(value, Column | Text):
                raise error(
                    "CQ224",
                    f"`{key}` is fed by a column or a string",
                    low.span(value_node),
                    help=f'write `{key} = row.column` or `{key} = "a photo of"`',
                )
            channel = "prompt" if key == "text" else key
            if channel in dict(feeds):
                raise error("CQ112", "`prompt` and `text` are one setting", place, "again here", help="leave one out")
            if channel in ("image", "audio") and isinstance(value, Text):
                value = replace(value, value=low.scope.resolve(value.value))
            feeds.append((channel, value))
        return replace(ref, feeds=tuple(feeds))
    if kind in ("cluster", "weight"):
        column = low.value(parts[0])
        if not isinstance(column, Column):
            raise error("CQ220", f"`{kind}` takes a column", low.span(parts[0]), help=f"write `{kind} row.figure`")
        return replace(ref, cluster=column) if kind == "cluster" else replace(ref, weight=column)
    if kind == "where":
        condition = low.expr(parts[0])
        if not (isinstance(condition, Column) or is_event(condition)):
            raise error(
                "CQ314", "`where` takes a condition", low.span(parts[0]), help='write `where row.gender = "man"`'
            )
        words = [e.words for e in walk(condition) if isinstance(e, Mentions)]  # which may be a list
        known = (e for e in walk(condition) if e not in words)
        other = next((e for e in known if not (isinstance(e, _OF_COLUMNS) or is_event(e))), None)
        if other is not None:
            raise error(
                "CQ314",
                f"`{shown(other)}` has no place in `where`: it selects rows before any model runs",
                within(other.span, low.span(parts[0])),
                help="use columns of the data there, `row.length > 5`; conditions on a model stand in `E[… | …]`",
            )
        return replace(ref, where=condition)
    numbers = [str(p) for p in parts]
    seed = whole(parts[-1], low) if len(parts) == (3 if kind == "split" else 2) else None
    if seed is None:
        raise error("CQ410", f"`{kind}` is random and needs a seed", span, help=f"write `{span.text} seed 7`")
    if kind == "sample":
        return replace(ref, sample=(whole(parts[0], low), seed))
    train, test = float(numbers[0]), float(numbers[1])
    if train <= 0 or test <= 0:
        raise error("CQ219", "both parts of a split hold something", span, help="write `split 70/30 seed 7`")
    return replace(ref, split=Split(train / (train + test), seed))


def _source(call: Node, low: Lowering, known: tuple[str, ...], what: str) -> tuple[Text, dict[str, str]]:
    """The string inside `hf("…")` or `jsonl("…")`, and its named arguments."""
    callee = tree_of(call).children[0] if isinstance(call, Tree) and call.data == "call" else None
    word = low.word(callee.children[0]) if isinstance(callee, Tree) and callee.data == "reference" else ""
    if word not in known:
        raise error(
            "CQ226",
            f"{what} is declared by " + ", ".join(f'`{k}("…")`' for k in known),
            low.span(call),
            help=did_you_mean(word, known) if word else f"write `{known[0]}({low.span(call).text})`",
        )
    arguments = inner(tree_of(inner(tree_of(call))[1])) if len(inner(tree_of(call))) > 1 else []
    found: Text | None = None
    keywords: dict[str, str] = {}
    for argument in arguments:
        if isinstance(argument, Tree) and argument.data == "named":
            key, node = named(argument)
            value = low.expr(node)
            if not isinstance(value, Text):
                raise error("CQ224", f"`{key}` is a string", low.span(node), help='write `= "…"`')
            keywords[key] = value.value
        else:
            value = low.expr(argument)
            found = value if isinstance(value, Text) and found is None else found
    if found is None or not found.value:
        raise error("CQ226", f"`{word}` takes a path or a name", low.span(call), help=f'in quotes: `{word}("./…")`')
    return found, keywords


def _settings(nodes: list[Node], low: Lowering) -> list[tuple[str, Node, Span]]:
    """`name = value` pairs, with the place of the name."""
    out: list[tuple[str, Node, Span]] = []
    for group in nodes:
        for setting in inner(tree_of(group)):
            key, value = inner(tree_of(setting))
            before = next((place for k, _, place in out if k == low.word(key)), None)
            if before is not None:
                raise error(
                    "CQ112",
                    f"`{low.word(key)}` is set twice",
                    low.span(key),
                    "again here",
                    labels=[Label(before, "first here")],
                    help="leave one out",
                )
            out.append((low.word(key), value, low.span(key)))
    return out
