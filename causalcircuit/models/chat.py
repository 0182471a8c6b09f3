"""A conversation written out by the model's own chat template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from transformers.utils import chat_template_utils

from causalcircuit.models.model import LoadedModel
from causalcircuit.models.problem import RowError

Said = tuple[str, Sequence[str | None]]
"""Who speaks, and the parts of the message; `None` where the image stands."""

_AS_DATA = ("{'type': '", '{"type": "')
_TODAY = datetime(2024, 7, 26)


def has_template(model: LoadedModel) -> bool:
    """Whether the model's processor or tokenizer has a chat template."""
    return _writer(model) is not None


def spoken(model: LoadedModel, turns: Sequence[Said]) -> str:
    """The text that the model reads for a conversation, its control tokens included.

    A last turn of the assistant is left open, for the model to go on with; after any other the template opens a turn
    of the assistant. A template that asks for today's date is told the same day always, so that an answer repeats.

    Args:
        model: one with a template. turns: the messages, in order.

    Raises:
        RowError: CQ463 the template refuses the conversation, CQ464 it leaves out part of it, CQ470 a text that holds
            a control token.
    """
    _check_texts(model, turns)
    pictured = any(part is None for _, parts in turns for part in parts)
    text = _written(model, turns, parted=pictured)
    lost = _lost(text, turns)
    if lost is not None and not pictured:
        # Some templates read a list of parts only, and see nothing in a string.
        parted = _written(model, turns, parted=True)
        text, lost = (parted, None) if _lost(parted, turns) is None else (text, lost)
    if lost is None and pictured and text == _written(model, [(r, [p for p in ps if p]) for r, ps in turns], True):
        lost = "the image"
    if lost is not None:
        raise RowError(
            "CQ464",
            f"the chat template of `{model.ref.name}` leaves out part of the chat",
            lost,
            "say it in another turn: some templates drop what a system says, or all but the last answer",
        )
    return text


def _check_texts(model: LoadedModel, turns: Sequence[Said]) -> None:
    """No text may speak for the template: a row that ends a turn by itself would open another one."""
    control = [t.content for t in model.tokenizer.added_tokens_decoder.values() if t.special and t.content]
    for _, parts in turns:
        for part in parts:
            found = next((t for t in control if part is not None and t in part), None)
            if found is not None:
                raise RowError(
                    "CQ470",
                    "a text of a chat holds a control token of the model",
                    f"`{found}`",
                    "leave it out: the template writes such tokens, and `image` stands for an image",
                )


def _written(model: LoadedModel, turns: Sequence[Said], parted: bool) -> str:
    messages = [{"role": role, "content": _content(parts, parted)} for role, parts in turns]
    open_ = turns[-1][0] == "assistant"
    try:
        with _one_day():
            text: str = _writer(model).apply_chat_template(
                messages, tokenize=False, add_generation_prompt=not open_, continue_final_message=open_
            )
    except RecursionError as problem:
        raise _refused(model, problem) from None
    except Exception as problem:  # a template is a program: it raises what it likes
        if parted or _names_parts(problem):
            raise _refused(model, problem) from None
        return _written(model, turns, True)
    return text


def _names_parts(problem: Exception) -> bool:
    """Whether a template says itself what it does not like, rather than stumbling over strings for content."""
    return type(problem).__name__ in ("TemplateError", "TemplateSyntaxError", "SecurityError")


def _content(parts: Sequence[str | None], parted: bool) -> str | list[dict[str, str]]:
    if not parted:
        return "".join(map(str, parts))
    return [{"type": "image"} if p is None else {"type": "text", "text": p} for p in parts]


def _lost(text: str, turns: Sequence[Said]) -> str | None:
    """The first part that does not stand in the text, after those before it; templates trim space at its ends."""
    said_all = [part for _, parts in turns for part in parts if part is not None]
    if any(mark in text and not any(mark in part for part in said_all) for mark in _AS_DATA):
        return "it prints a list where the message stands"
    at = 0
    for role, parts in turns:
        for part in parts:
            said = (part or "").strip()
            found = text.find(said, at)
            if found < 0:
                return f"{role}: {said[:60]!r}"
            at = found + len(said)
    return None


def _refused(model: LoadedModel, problem: BaseException) -> RowError:
    why = next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)
    return RowError(
        "CQ463",
        f"the chat template of `{model.ref.name}` refuses the chat: {why[:200]}",
        "",
        "most want an optional turn of the system, then the user and the assistant by turns; several parts of one "
        "message stand in one turn: `user [row.context, row.question]`",
    )


def _writer(model: LoadedModel) -> Any:
    """What has the template: the processor, whose own one knows images, or the tokenizer."""
    tools = (model.processor, model.tokenizer)
    return next((t for t in tools if getattr(t, "chat_template", None)), None)


class _Day(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return _TODAY


@contextmanager
def _one_day() -> Iterator[None]:
    """Templates ask the library for the date, and the library asks `datetime`."""
    before = chat_template_utils.datetime
    chat_template_utils.datetime = _Day
    try:
        yield
    finally:
        chat_template_utils.datetime = before
