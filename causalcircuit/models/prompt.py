"""A text as a model's tokens, with the place of each token in the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from causalcircuit.models.model import LoadedModel
from causalcircuit.models.problem import RowError


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens of a text.

    Attributes:
        text: as the row has it.
        ids: token numbers, special ones included.
        offsets: the half-open range of characters of each token; `(0, 0)` for special ones.
        pictured: the places of the tokens that stand for an image, in their order.
        marks: keywords of `forward` with one number a token.
    """

    text: str
    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    pictured: tuple[int, ...] = ()
    marks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


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
    known = model.hf.get_input_embeddings().weight.shape[0]
    if max(ids) >= known:
        raise RowError(
            "CQ528",
            f"the tokenizer of `{model.ref.name}` gives tokens that the model has no embedding for",
            f"token {max(ids)}, the model has {known}",
            "the tokenizer in the folder belongs to another model",
        )


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
