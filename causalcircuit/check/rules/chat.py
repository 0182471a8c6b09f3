"""Models with a chat template are told what they are fed: a chat, or plain prompts (CQ465 to CQ467)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.rules.fed import runs
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import Chat, Input, World


@rule
def chats(context: Context) -> Iterator[Diagnostic]:
    """Look at each model with a template that runs in a world on these data."""
    data = context.command.data
    chat = dict(data.feeds).get("chat")
    said: set[tuple[str, str]] = set()
    for model, world, span in runs(context):
        table = context.tables.get(model)
        if model not in context.templated or table is None or "input" not in table.channels:
            continue
        if chat is None and ("plain", model) not in said:
            said.add(("plain", model))
            yield Diagnostic(
                "CQ465",
                f"`{model}` has a chat template, and `{data.label}` does not say whether it is fed a chat",
                data.span or span,
                "a chat, or a plain prompt?",
                help=(
                    "write `with chat = [user row.question]`, with the turns that are meant",
                    "or `with chat = none`: it is then fed plain prompts, which it was not trained on",
                ),
            )
        if isinstance(chat, Chat) and chat.turns:
            if ("image" in table.channels) != chat.pictured and ("image", model) not in said:
                said.add(("image", model))
                yield _pictures(model, chat)
            if chat.column is None and _assigned(model, world) and (model, shown(world)) not in said:
                said.add((model, shown(world)))
                yield Diagnostic(
                    "CQ467",
                    f"`do({model}.input = …)` takes the place of the chat's column, and this chat has "
                    + ("several" if chat.columns else "none"),
                    world.span or span,
                    "in which place?",
                    help=(
                        "join what differs between worlds in one column of the data, and let the chat name that one",
                    ),
                )


def _assigned(model: str, world: World) -> bool:
    return any(isinstance(a.target, Input) and a.target == Input(model, "input") for a in world.assignments)


def _pictures(model: str, chat: Chat) -> Diagnostic:
    if chat.pictured:
        what, way = "has a place for an image, and the model reads none", "leave `image` out of the chat"
    else:
        what = "has no place for the image that the model reads"
        way = 'write where it stands: `user [image, "What is this?"]`'
    return Diagnostic("CQ466", f"the chat of `{model}` {what}", chat.span, "this chat", help=(way,))
