"""Chats as prompts, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.engine.problems import Problems
from causalcircuit.models import LoadedModel, Prompt, spoken
from causalcircuit.query import Chat, Column, Expr, Picture, quoted

_SHOWN = 600

Read = Callable[[Expr, str], list[str | None]]
"""The strings of a part in each row, and what they are for; `None` where a row has none (a problem is kept)."""


def chat_texts(model: LoadedModel, chat: Chat, read: Read, problems: Problems, n: int) -> list[str | None]:
    """[n] the text that each row's conversation is written out as; `None` where something is wrong in it."""
    said = [
        (turn.role, [None if isinstance(p, Picture) else read(p, f"{model.ref.name}.input") for p in turn.parts])
        for turn in chat.turns
    ]
    texts: list[str | None] = [None] * n
    for i in range(n):
        if any(column is not None and column[i] is None for _, parts in said for column in parts):
            continue
        with problems.at(i, chat.span):
            texts[i] = spoken(model, [(who, [c if c is None else c[i] for c in parts]) for who, parts in said])
    return texts


def fed_by(source: Expr | None) -> str | None:
    """The column that a text is from, for positions that say so."""
    column = source.column if isinstance(source, Chat) else source
    return column.name if isinstance(column, Column) else None


def chat_note(model: str, prompts: Sequence[Prompt | None]) -> Iterator[Diagnostic]:
    """One prompt as it was written out."""
    text = next((p.text for p in prompts if p is not None), None)
    if text is not None:
        cut = text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} … {text[-_SHOWN // 2 :]}"
        yield Diagnostic("CQ468", f"the first row's chat is fed to `{model}` as {quoted(cut)}", severity="note")
