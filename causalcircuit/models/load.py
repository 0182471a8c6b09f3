"""Loading a declared model: offline, safetensors only, no remote code, every tap proven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import torch
import transformers
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
from causalcircuit.query import ModelRef, SiteTable
from causalcircuit.query.outline import OutlineError, site_table

_DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


def load(ref: ModelRef, attention: Literal["sdpa", "eager"] = "sdpa") -> LoadedModel:
    """Load a model and prove its taps.

    Args:
        ref: the declaration.
        attention: the attention implementation; ViT's eager softmax is float32 even in a float64 model.

    Raises:
        DiagnosticError: CQ501 to CQ503, CQ530 to CQ535, before any row is run.
    """
    folder = find_folder(ref)
    config = read_config(ref, folder)
    table = _table(ref, config)
    with _quiet():
        hf = _weights(ref, folder, config, attention)
        tokenizer, processor = _tools(ref, folder, table)
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


def _weights(ref: ModelRef, folder: Path, config: Mapping[str, Any], attention: str) -> Any:
    """The native model on its device, in evaluation mode, frozen."""
    name = next(iter(config.get("architectures") or ()), None)
    kind = getattr(transformers, str(name), None)
    if kind is None:
        code = " and its config asks for code of its own, which is never run" if "auto_map" in config else ""
        raise _unsupported(ref, f"transformers {transformers.__version__} has no class {name}{code}")
    try:
        hf, info = kind.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=_DTYPES[ref.dtype],
            attn_implementation=attention,
            ignore_mismatched_sizes=True,  # reported below, in words of our own
            output_loading_info=True,
        )
        # A pooler is often left untrained and never read; any other missing weight would be random.
        missing = sorted(k for k in info["missing_keys"] if "pooler" not in k)
        if missing:
            raise ValueError(f"{len(missing)} weights are not in the files ({', '.join(missing[:3])})")
        resized = sorted(key for key, *_ in info["mismatched_keys"])
        if resized:
            raise ValueError(f"weights in the files have other shapes than config.json says ({', '.join(resized[:3])})")
        broken = [key for key, weight in hf.named_parameters() if not weight.isfinite().all()]
        if broken:
            raise ValueError(f"weights are NaN or infinite ({', '.join(broken[:3])})")
    except Exception as problem:  # from_pretrained raises whatever its parts raise
        raise _broken(ref, problem) from None
    if hf.get_output_embeddings() is None:
        raise _unsupported(ref, f"{name} has no output vocabulary to read logits from")
    try:
        device = torch.device(ref.device)
        if device.type == "meta":
            raise RuntimeError("it holds no numbers")
        hf = hf.to(device)
    except (RuntimeError, AssertionError) as problem:
        raise error(
            "CQ535",
            f"the device `{ref.device}` of model `{ref.name}` cannot be used: {_first_line(problem)}",
            ref.span,
            "this model",
            help='the default is device = "cpu"',
        ) from None
    return hf.eval().requires_grad_(False)


def _tools(ref: ModelRef, folder: Path, table: SiteTable) -> tuple[Any, Any]:
    """The tokenizer and the image processor that the model's inputs need."""
    tokenizer = processor = None
    if table.channels != ("image",):
        if not any(path for pattern in _VOCABULARY for path in folder.glob(pattern)):
            # Without files, transformers would make up a tokenizer that knows no word.
            raise _toolless(ref, "tokenizer", "the folder holds no vocabulary")
        tokenizer = _tool(ref, "tokenizer", lambda: transformers.AutoTokenizer.from_pretrained(folder, **_LOCAL))
        if not tokenizer.is_fast:
            raise _toolless(ref, "tokenizer", "it cannot say where in the text its tokens stand (it is a slow one)")
    if "image" in table.channels:
        processor = _tool(
            ref, "image processor", lambda: transformers.AutoImageProcessor.from_pretrained(folder, **_LOCAL)
        )
    return tokenizer, processor


_VOCABULARY = ("tokenizer.json", "vocab.*", "merges.txt", "*.model", "*.tiktoken")
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def _tool(ref: ModelRef, what: str, make: Any) -> Any:
    try:
        return make()
    except Exception as problem:  # as above
        raise _toolless(ref, what, _first_line(problem)) from None


def _toolless(ref: ModelRef, what: str, why: str) -> DiagnosticError:
    return error(
        "CQ534",
        f"the {what} of `{ref.source}` does not load: {why}",
        ref.span,
        "this model",
        help=f"save the model's own {what} into the same folder with `save_pretrained`",
    )


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


def _broken(ref: ModelRef, problem: Exception) -> DiagnosticError:
    return error(
        "CQ531",
        f"the model `{ref.source}` does not load: {_first_line(problem)}",
        ref.span,
        "this model",
        help="check that config.json and the weights belong together, and that no file was cut off",
    )


def _first_line(problem: BaseException) -> str:
    return next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)


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
