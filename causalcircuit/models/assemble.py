"""From a native model to one with sites: what it takes, what its modules are, how texts are padded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from torch import Tensor

from causalcircuit.models.contract.close import close
from causalcircuit.models.contract.padding import padding_holds
from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.discover import discover
from causalcircuit.models.families import exceptional
from causalcircuit.models.feed import Feed, Side
from causalcircuit.models.limits import longest_text
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.probe import Probe, make_probe
from causalcircuit.models.records import first_tensor
from causalcircuit.models.roles import RoleError, Stack
from causalcircuit.models.signature import signature_of
from causalcircuit.models.tapping import taps_of
from causalcircuit.models.unembedding import unembedding
from causalcircuit.query import ModelRef, SiteTable

_WRITERS = ("CausalLM", "LMHead", "ConditionalGeneration", "ImageTextToText", "Vision2Seq")


def assemble(
    ref: ModelRef, hf: Any, tokenizer: Any, processor: Any, side: Literal["left", "right"] | None = None
) -> LoadedModel:
    """Find the roles of a native model. Nothing is proven yet.

    Args:
        ref: the declaration. hf: the model, on its device, in evaluation mode. tokenizer, processor: its own.
        side: where texts are padded; `None` chooses.

    Raises:
        RoleError: a role cannot be found.
    """
    takes = signature_of(hf)
    dtype = next(p.dtype for p in hf.parameters() if p.is_floating_point())
    probe = make_probe(hf, takes, tokenizer, processor, dtype)
    family = str(getattr(hf.config, "model_type", type(hf).__name__))
    draft = LoadedModel(
        ref,
        SiteTable(family, (), ()),
        hf,
        tokenizer,
        processor,
        (),
        {},
        takes,
        padding_number(hf, tokenizer),
        "right",
        probe,
        Proof(),
    )
    draft = _placed(draft, probe)
    found = discover(hf, probe.even, lambda: draft.forward(draft.batch(probe.even), (), lambda _, x: x))
    stacks = tuple(_causal(draft, s, probe) for s in found.stacks)
    table = SiteTable(
        family,
        tuple(s.tower for s in stacks),
        _channels(probe.one, stacks),
        longest_text(hf),
        0 if found.projector is None else found.projector.width,
        _readout(hf),
        0 if found.projector is None else found.projector.each,
    )
    model = replace(draft, sites=table, stacks=stacks, taps=taps_of(stacks, found.projector, table))
    return replace(model, side=side or _side(model, probe))


def _placed(model: LoadedModel, probe: Probe) -> LoadedModel:
    """Whether the places of tokens can be passed as 0, 1, 2, …: some families count them otherwise."""
    if not model.takes.position_ids:
        return model
    plain = model.plain(probe.one)
    ours = model.forward(model.batch([probe.one]), (), lambda _, x: x)
    return model if close(plain, ours) else replace(model, takes=replace(model.takes, position_ids=False))


def _side(model: LoadedModel, probe: Probe) -> Literal["left", "right"]:
    """The tokenizer's side, or else the other, where padding there is seen through."""
    first = "left" if getattr(model.tokenizer, "padding_side", "right") == "left" else "right"
    sides: tuple[Side, Side] = ("left", "right") if first == "left" else ("right", "left")
    return next((side for side in sides if padding_holds(replace(model, side=side), probe)), "right")


def _causal(model: LoadedModel, stack: Stack, probe: Probe) -> Stack:
    """A tower with what its positions see.

    A text tower that writes must be causal, and the contract holds it to that; one that is read from and masked words
    are filled into is not. Where the class says neither, a pass with another last token tells.
    """
    return replace(stack, tower=replace(stack.tower, causal=_expected(model, stack, probe)))


def _expected(model: LoadedModel, stack: Stack, probe: Probe) -> bool:
    kind, tower = type(model.hf).__name__, stack.tower
    if tower.modality != "text" or tower.name == "encoder":
        return False
    known = exceptional(str(model.hf.config.model_type))
    if known is not None:
        return known.causal
    if tower.name == "decoder" or any(w in kind for w in _WRITERS):
        return True
    return "MaskedLM" not in kind and not _sees_later(model, stack, probe)


def _sees_later(model: LoadedModel, stack: Stack, probe: Probe) -> bool:
    """Whether another last token changes what the last block gives at earlier positions."""
    ids = list(probe.one.ids or ())
    other = replace(probe.one, ids=[*ids[:-1], ids[0] if ids[0] != ids[-1] else ids[1]])
    seen: list[Tensor] = []

    def keep(_: object, args: object, output: object) -> None:
        made = first_tensor(output)
        if made is not None:
            seen.append(made.reshape(-1, made.shape[-1])[: len(ids) - 1].clone())

    handle = stack.blocks[-1].module.register_forward_hook(keep)
    try:
        for feed in (probe.one, other):
            model.forward(model.batch([feed]), (), lambda _, x: x)
    finally:
        handle.remove()
    return not close(seen[0], seen[1])


def _channels(one: Feed, stacks: tuple[Stack, ...]) -> tuple[str, ...]:
    media = [s.tower.channel for s in stacks if s.tower.modality != "text"]
    writes = any(s.tower.name == "decoder" for s in stacks)
    texts = [] if one.ids is None else ["prefix" if writes else "input"]
    sources = [] if one.source is None else ["input"]
    return tuple(dict.fromkeys([*media, *sources, *texts]))


def _readout(hf: Any) -> Literal["vocabulary", "classes", "none"]:
    if unembedding(hf) is not None:
        return "vocabulary"
    return "classes" if "Classification" in type(hf).__name__ else "none"


def padding_number(hf: Any, tokenizer: Any) -> int:
    """Any token will do, since padding is masked and its outputs are never read.

    But a decoder that scores classes looks for its last token that is no padding, by number.

    Raises:
        RoleError: it does not say which number that is.
    """
    if "SequenceClassification" in type(hf).__name__ and tokenizer is not None:
        own = getattr(hf.config.get_text_config(), "pad_token_id", None)
        if not isinstance(own, int):
            raise RoleError("its config names no `pad_token_id`, by which it finds the last token of a text")
        return own
    for name in ("pad_token_id", "eos_token_id"):
        value = getattr(tokenizer, name, None)
        if isinstance(value, int):
            return value
    return 0
