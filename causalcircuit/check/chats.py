"""`chat = [system "…", user [image, row.question]]`, or `chat = none`, of a data statement."""

from __future__ import annotations

from dataclasses import replace

from lark import Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Span, did_you_mean, error
from causalcircuit.query import Chat, Column, DataRef, Expr, Picture, Text, Turn
from causalcircuit.query.chat import ROLES
from causalcircuit.rows import Dataset
from causalcircuit.syntax.trees import Node, inner, tree_of

_EXAMPLE = 'chat = [system "Answer in one word.", user row.question]'
_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def chat(node: Node, low: Lowering) -> Chat:
    """The chat that a setting names.

    Raises:
        DiagnosticError: CQ466, it is neither turns nor `none`, a role that no template knows, a part that is no text.
    """
    span = low.span(node)
    if not isinstance(node, Tree) or node.data != "turns":
        if span.text == "none":
            return Chat(span=span)
        help = (f"write turns: `{_EXAMPLE}`", "or `chat = none`: prompts are fed as they are")
        raise error("CQ466", f"`{span.text}` is no chat", span, "turns stand here", help=help)
    return Chat(tuple(_turn(turn, low) for turn in inner(node)), span=span)


def _turn(node: Node, low: Lowering) -> Turn:
    who, said = inner(tree_of(node))
    nodes = inner(said) if isinstance(said, Tree) and said.data == "items" else [said]
    parts = tuple(Picture(span=low.span(n)) if low.span(n).text == "image" else low.expr(n) for n in nodes)
    return turn(low.word(who), parts, low.span(who))


def turn(role: str, parts: tuple[Expr, ...], span: Span | None = None) -> Turn:
    """A turn of a chat.

    Args:
        role: who speaks, named at `span`. parts: what is said.

    Raises:
        DiagnosticError: CQ466, a role that no template knows, a part that is no text, no part.
    """
    if role not in ROLES:
        way = did_you_mean(role, ROLES)
        raise error("CQ466", f"`{role}` takes no turn in a chat", span, "who speaks", help=way)
    if not parts:
        raise error("CQ466", "this turn says nothing", span, help=f"write `{role} row.question`")
    for part in parts:
        if not isinstance(part, Text | Column | Picture):
            help = ("a part is a string, a column or `image`", 'several are a list: `user [image, "What is this?"]`')
            raise error("CQ466", f"`{shown(part)}` is no part of a turn", part.span or span, help=help)
    return Turn(role, parts)


def _check(chat: Chat, rows: Dataset) -> None:
    """The columns of a chat are there, and none is one of images, whose file names would be read out."""
    for part in chat.parts:
        if not isinstance(part, Column):
            continue
        values = [v for v in rows.column(part.name, part.span) if v is not None]
        if values and all(isinstance(v, str) and v.lower().endswith(_IMAGES) for v in values):
            raise error(
                "CQ466",
                f"`{shown(part)}` holds image files, and a chat would read out their names",
                part.span,
                "as a text",
                help=f"say that it feeds the image: `with image = {shown(part)}, chat = …`",
            )


def with_pictures(ref: DataRef, rows: Dataset) -> DataRef:
    """The declaration, the column that feeds the image in its place in the chat; what remains of the chat is text.

    Raises:
        DiagnosticError: CQ402 a missing column, CQ466 image files as text.
    """
    feeds = dict(ref.feeds)
    chat = feeds.get("chat")
    if not isinstance(chat, Chat):
        return ref
    made = chat.showing(feeds.get("image", Column("image") if "image" in rows.columns else None))
    _check(made, rows)
    return replace(ref, feeds=tuple((key, made if key == "chat" else e) for key, e in ref.feeds))
