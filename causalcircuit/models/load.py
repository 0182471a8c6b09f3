"""Loading a declared model: offline, safetensors only, no remote code, every tap proven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from transformers.utils import logging as hf_logging

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.models.assemble import assemble
from causalcircuit.models.contract.prove import ContractError
from causalcircuit.models.dictionary import with_dictionaries
from causalcircuit.models.folder import find_folder, read_config
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.module_net import load_network
from causalcircuit.models.proofs import proven
from causalcircuit.models.roles import RoleError
from causalcircuit.models.signature import signature_of
from causalcircuit.models.tools import read_tools
from causalcircuit.models.weights import read_weights
from causalcircuit.query import ModelRef, SiteTable
from causalcircuit.query.outline import OutlineError, site_table
from causalcircuit.query.tables import remember_table


def load(
    ref: ModelRef, attention: Literal["sdpa", "eager"] | None = None, side: Literal["left", "right"] | None = None
) -> LoadedModel:
    """Load a model, find its roles and prove its taps.

    Args:
        ref: the declaration.
        attention: the attention implementation, where it is not the declared one; patterns are seen under `eager`.
        side: where texts are padded; that of its tokenizer where the model reads such texts right, else `right`.

    Raises:
        DiagnosticError: CQ501 to CQ503, CQ530 to CQ535, CQ540, CQ542, CQ546, before any row is run.
    """
    if ref.net is not None:
        return load_network(ref)
    folder = find_folder(ref)
    config = read_config(ref, folder)
    with quiet():
        hf = read_weights(ref, folder, config, attention or _attention(ref))
        takes = signature_of(hf)
        tokenizer, processor = read_tools(ref, folder, takes.wants)
    try:
        model = assemble(ref, hf, tokenizer, processor, side)
    except RoleError as problem:
        raise _unsupported(ref, str(problem)) from None
    _agree(ref, config, folder, model.sites)
    try:
        model = proven(model, folder)
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
    return with_dictionaries(model, ref)


def _attention(ref: ModelRef) -> str | None:
    return None if ref.attention == "auto" else ref.attention


def _agree(ref: ModelRef, config: Mapping[str, Any], folder: Path, table: SiteTable) -> None:
    """What was said of the model before it was loaded is what it is.

    Raises:
        DiagnosticError: CQ532, config and modules disagree.
    """
    try:
        said = site_table(config)
    except OutlineError:
        remember_table(folder / "config.json", table)  # the config says too little, so that checking needs it
        return
    for tower in said.towers:
        found = next((t for t in table.towers if t.name == tower.name), None)
        if found is None:
            raise _unsupported(ref, f"the config speaks of `{tower.name}`, the modules have {len(table.towers)} towers")
        for what in ("layers", "heads", "groups", "head_dim", "width", "mlp", "experts", "sparse"):
            if getattr(tower, what) != getattr(found, what):
                raise _unsupported(
                    ref,
                    f"the config says {getattr(tower, what)} {what} of `{tower.name}`, "
                    f"the modules have {getattr(found, what)}",
                )


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
def quiet() -> Iterator[None]:
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
