"""A text as a model's tokens, with the place of each token in the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from PIL import Image

from causalcircuit.models.feed import extent
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.multimodal import PLACE, illustrate, image_mark
from causalcircuit.models.problem import RowError
from causalcircuit.models.refusals import first_line


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens of a text.

    Attributes:
        text: as the row has it.
        ids: token numbers, special ones included.
        offsets: the half-open range of characters of each token; `(0, 0)` for special ones.
        pictured: the places of the tokens that stand for an image, in their order.
        marks: keywords of `forward` with one number a token. after: their numbers for tokens that follow, where these
            are not 0.
        seen: positions that its image takes in the image tower.
    """

    text: str
    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    pictured: tuple[int, ...] = ()
    marks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    after: Mapping[str, int] = field(default_factory=dict)
    seen: int = 0

    def marked(self, more: int) -> dict[str, list[int]]:
        """The marks of the text with so many tokens after it."""
        return {name: [*own, *[self.after.get(name, 0)] * more] for name, own in self.marks.items()}


def tokenize(model: LoadedModel, text: str, channel: str | None = None, *, special: bool = True) -> Prompt:
    """What the model reads where its text channel (that of the logits, unless `channel` says) is fed `text`.

    A plain decoder's prompt gets the tokenizer's own special tokens; a captioner's prefix gets the decoder's start
    token and no other. Without `special`, only those that stand in the text: a chat template writes its own.

    Raises:
        RowError: CQ528, no tokens or too many.
    """
    prefix = (channel or model.text_channel) == "prefix"
    try:
        coded = model.tokenizer(
            text, add_special_tokens=special and not prefix, return_offsets_mapping=True, verbose=False
        )
    except BaseException as problem:
        if type(problem).__name__ != "PanicException":  # of the Rust below, and no `Exception`
            raise
        help = "one of its patterns explodes on this text: shorten it, or mend tokenizer.json"
        raise RowError("CQ528", "the tokenizer gives up on a text", str(problem), help) from None
    ids, offsets = list(coded["input_ids"]), [tuple(o) for o in coded["offset_mapping"]]
    if prefix:
        ids, offsets = [start_token(model), *ids], [(0, 0), *offsets]
    if not ids:
        raise RowError("CQ528", f"`{model.ref.name}` is fed an empty text", "", "feed at least one token")
    check_tokens(model, ids)
    return Prompt(text, tuple(ids), tuple(offsets))


# What PaliGemma answers is no part of the prompt, which sees itself in both directions.
_AFTER: dict[str, dict[str, int]] = {"paligemma": {"token_type_ids": 1}}


def illustrated(model: LoadedModel, text: str, picture: Image.Image, *, chat: bool = False) -> Prompt:
    """What a vision-language model reads where it is fed `text` and an image.

    Args:
        model: one that has image tokens in its text.
        text: with `<image>`, or the model's own mark, where the image stands; before it where there is neither.
        picture: the image.
        chat: whether the model's chat template wrote the text, its special tokens included.

    Raises:
        RowError: CQ528, too many tokens; CQ571, an image or text that the processor refuses; CQ572, several places
            for images, or a chat without one.
    """
    mark, begin = image_mark(model.processor), model.tokenizer.bos_token
    places = max(text.count(mark), text.count(PLACE))
    if places > 1 or (chat and not places):
        raise RowError(
            "CQ572",
            f"`{model.ref.name}` is fed one image, and its " + ("chat" if chat else "text") + f" has {places} places "
            "for it",
            f"`{mark}`" if mark in text else f"`{PLACE}`" if places else "",
            "name the image once in the chat: `user [image, row.question]`"
            if chat
            else f"write `{PLACE}` once, or not at all: the image then stands before the text",
        )
    special = not (chat and begin and text.startswith(begin))  # as the processor decides for its own chats
    with refusing(model):
        made = illustrate(model.processor, picture, text, model.dtype, model.takes, special)
    check_tokens(model, list(made.ids))
    seen = sum(extent(t, made.media) for t in model.sites.towers if t.modality == "image")
    after = _AFTER.get(model.sites.family, {})
    return Prompt(made.text, made.ids, made.offsets, made.pictured, made.marks, after, seen)


@contextmanager
def refusing(model: LoadedModel) -> Iterator[None]:
    """Whatever a processor says against a picture is a problem of its row.

    Raises:
        RowError: CQ571.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, MemoryError, RowError):
        raise
    except BaseException as problem:  # a panic of the Rust below is no `Exception`
        raise RowError(
            "CQ571",
            f"the processor of `{model.ref.name}` refuses an image",
            first_line(problem),
            "some models take no images of a few pixels, or of extreme shapes: leave such rows out with `where`",
        ) from None


def check_tokens(model: LoadedModel, ids: list[int]) -> None:
    """Refuse a sequence longer than the model's context, or tokens that it has no embedding for.

    Raises:
        RowError: CQ528.
    """
    limit = model.sites.max_positions
    if limit is not None and len(ids) > limit:
        raise RowError(
            "CQ528",
            f"a text is longer than the {limit} tokens that `{model.ref.name}` can read",
            f"{len(ids)} tokens",
            "shorten the text, or leave such rows out with `where`",
        )
    known = _embedded(model)
    if max(ids) >= known:
        raise RowError(
            "CQ528",
            f"the tokenizer of `{model.ref.name}` gives tokens that the model has no embedding for",
            f"token {max(ids)}, the model has {known}",
            "the tokenizer in the folder belongs to another model",
        )


def _embedded(model: LoadedModel) -> int:
    """How many tokens have an embedding."""
    try:
        return int(model.hf.get_input_embeddings().weight.shape[0])
    except NotImplementedError:  # two towers: the text's has them
        return int(model.hf.config.get_text_config().vocab_size)


def start_token(model: LoadedModel) -> int:
    """The token that a captioner's decoder starts with.

    Raises:
        RowError: CQ528, the config names none.
    """
    inner = getattr(model.hf.config, "decoder", None)
    for config in (model.hf.config, model.hf.generation_config, inner):
        for name in ("decoder_start_token_id", "bos_token_id"):
            value = getattr(config, name, None)
            if isinstance(value, int):
                return value
    raise RowError(
        "CQ528", f"the config of `{model.ref.name}` names no decoder_start_token_id", "", "add it to config.json"
    )


def shown(model: LoadedModel, ids: tuple[int, ...]) -> str:
    """Tokens as they read, for messages: `" Ma" + "ry"`."""
    return " + ".join(f'"{model.tokenizer.decode([i])}"' for i in ids)
