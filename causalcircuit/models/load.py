"""Loading a declared model: offline, safetensors only, no remote code, every tap proven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from transformers.utils import logging as hf_logging

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.models.contract import ContractError, prove
from causalcircuit.models.discover import RoleError, find_stacks
from causalcircuit.models.folder import find_folder, read_config
from causalcircuit.models.forward import Signature, collate, run, signature_of
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.probe import Probe, make_probe
from causalcircuit.models.records import recorded
from causalcircuit.models.roles import Stack
from causalcircuit.models.taps import taps_of
from causalcircuit.models.tools import read_tools
from causalcircuit.models.weights import read_weights
from causalcircuit.query import ModelRef, SiteTable
from causalcircuit.query.outline import OutlineError, site_table


def load(ref: ModelRef, attention: Literal["sdpa", "eager"] = "sdpa") -> LoadedModel:
    """Load a model and prove its taps.

    Args:
        ref: the declaration.
        attention: the attention implementation; ViT's eager softmax is float32 even in a float64 model.

    Raises:
        DiagnosticError: CQ501 to CQ503, CQ530 to CQ535, CQ540, CQ542, CQ546, before any row is run.
    """
    folder = find_folder(ref)
    config = read_config(ref, folder)
    table = _table(ref, config)
    with _quiet():
        hf = read_weights(ref, folder, config, attention)
        if hf.get_output_embeddings() is None:
            raise _unsupported(ref, f"{type(hf).__name__} has no output vocabulary to read logits from")
        tokenizer, processor = read_tools(ref, folder, table)
    output = hf.get_output_embeddings().weight
    probe = make_probe(config, table, output.shape[0], output.dtype, output.device)
    takes = signature_of(hf)
    try:
        stacks = _stacks(hf, takes, probe, table)
    except RoleError as problem:
        raise _unsupported(ref, str(problem)) from None
    side = "right" if not takes.position_ids else getattr(tokenizer, "padding_side", "right")
    model = LoadedModel(
        ref, table, hf, tokenizer, processor, stacks, taps_of(stacks), takes, _pad(tokenizer), cast(Any, side)
    )
    try:
        prove(model, probe)
    except ContractError as problem:
        raise error(
            "CQ533",
            f"`{ref.source}` does not keep the hook contract: {problem}",
            ref.span,
            "this model",
            help=(
                "its sites cannot be trusted, so none is offered",
                "dtype = float32 may help where bfloat16 was asked for",
            ),
        ) from None
    return model


def _table(ref: ModelRef, config: Mapping[str, Any]) -> SiteTable:
    try:
        return site_table(config)
    except OutlineError as problem:
        raise _unsupported(ref, str(problem)) from None


def _stacks(hf: Any, takes: Signature, probe: Probe, table: SiteTable) -> tuple[Stack, ...]:
    batch = collate(probe.even, probe.pixels, "right", 0, hf.device)
    with torch.inference_mode(), recorded(hf) as records:
        run(hf, takes, batch)
    return find_stacks(hf, records, table)


def _pad(tokenizer: Any) -> int:
    """Any token will do, since padding is masked and its outputs are never read."""
    for name in ("pad_token_id", "eos_token_id"):
        value = getattr(tokenizer, name, None)
        if isinstance(value, int):
            return value
    return 0


def _unsupported(ref: ModelRef, why: str) -> DiagnosticError:
    return error(
        "CQ532",
        f"the architecture of `{ref.source}` is not supported: {why}",
        ref.span,
        "this model",
        help="supported are decoders whose blocks add attention, then an MLP (GPT-2, Llama, Mistral, Qwen, Phi-3), "
        "and captioners of an image encoder and a decoder with cross-attention",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Transformers without its progress bars and log lines: what matters becomes a diagnostic."""
    level, bars = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity(hf_logging.CRITICAL)
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if bars:
            hf_logging.enable_progress_bar()
