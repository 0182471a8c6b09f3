"""Statements typed at a terminal: lines that go on until a statement is whole, with history and completion."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from causalcircuit.syntax import is_complete, opening_words

PROMPT, FURTHER = "cq> ", "  > "
INDENT = "  "


def typed(names: Callable[[], Iterable[str]]) -> Iterator[str]:
    """What is typed, a statement at a time, until Ctrl-D; Ctrl-C drops the statement being typed.

    Args:
        names: the declared names, for completion.
    """
    session: PromptSession[str] = PromptSession(
        PROMPT,
        multiline=True,
        prompt_continuation=FURTHER,
        history=_history(),
        key_bindings=_keys(),
        completer=_Names(names),
        complete_while_typing=False,
        enable_suspend=True,
    )
    while True:
        try:
            yield session.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def history_path() -> Path:
    """The user's file of typed statements (XDG base directories: state that should outlive a session)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "causalcircuit" / "history"


def submits(text: str) -> bool:
    """Whether Enter after `text` ends it: it is whole, a command, or its last line is empty."""
    lines = text.split("\n")
    return text.startswith(":") or not lines[-1].strip() or is_complete(text)


def _history() -> History:
    """History in a file that only the user can read; in memory where there can be none."""
    path = history_path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with path.open("ab"):
            return FileHistory(path)
    except OSError:
        return InMemoryHistory()


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if submits(buffer.text) and not buffer.document.text_after_cursor.strip():
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n" + INDENT)

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n" + INDENT)

    return keys


class _Names(Completer):
    """Completes opening words at the margin and declared names elsewhere."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self.names = names

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """The words that begin with what stands before the cursor."""
        word = document.get_word_before_cursor()
        margin = document.current_line_before_cursor == word
        for name in sorted({*self.names(), *(opening_words() if margin else ())}):
            if name.startswith(word):
                yield Completion(name, -len(word))
