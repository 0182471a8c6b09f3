"""The native model of a folder: held against its files first, then loaded, on its device, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers

from causalcircuit.diagnostics import error
from causalcircuit.models.headers import PickleError, weight_files
from causalcircuit.models.memory import PASS_TOKENS, check_memory, free_bytes, pass_bytes, spread_bytes, too_large
from causalcircuit.models.offline import offline
from causalcircuit.models.quantised import absent, check_packages, method_of
from causalcircuit.models.refusals import broken, first_line, pickled
from causalcircuit.models.remote import brought_class, native_class
from causalcircuit.models.survey import Survey, SurveyError, complain, survey
from causalcircuit.query import ModelRef
from causalcircuit.query.tensors import HeaderError, Headers, read_headers

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def read_weights(ref: ModelRef, folder: Path, config: Mapping[str, Any], attention: str | None) -> Any:
    """The model in evaluation mode, its parameters frozen.

    Args:
        ref: the declaration. folder, config: of `find_folder` and `read_config`.
        attention: the attention implementation; `None` takes the family's own choice.

    Raises:
        DiagnosticError: CQ530 pickles, CQ531 what does not load, CQ532 no class for it, CQ535 no such device,
            CQ540 too little memory, CQ542 code that is not run, CQ546 a package that is missing.
    """
    device = _device(ref)
    check_packages(ref, config)
    headers = read_files(ref, folder, config)
    with offline():
        kind, made = described(ref, folder, config)
        if attention is not None:
            made._attn_implementation = attention
        seen = _surveyed(ref, kind, made, headers, method_of(config))
        _fits(ref, seen, headers, method_of(config))
        hf = _read(ref, folder, kind, made, attention, packed=method_of(config) is not None)
    return _placed(ref, hf, device).eval().requires_grad_(False)


def read_files(ref: ModelRef, folder: Path, config: Mapping[str, Any]) -> Headers:
    """What the files of weights hold, read from their headers alone.

    Raises:
        DiagnosticError: CQ530, CQ531.
    """
    try:
        return read_headers(weight_files(folder, config))
    except PickleError as problem:
        raise pickled(ref, str(problem)) from None
    except (HeaderError, OSError) as problem:
        raise broken(ref, first_line(problem)) from None


def described(ref: ModelRef, folder: Path, config: Mapping[str, Any]) -> tuple[Any, Any]:
    """The class of the model, and its config.

    Raises:
        DiagnosticError: CQ531, CQ532, CQ542.
    """
    settings = None
    if ref.trust_remote_code:
        kind, settings = brought_class(ref, folder, config)
    else:
        found = native_class(config)
        if found is None:
            named = ", ".join(map(str, config.get("architectures") or ())) or "no class at all"
            code = " and its config asks for code of its own, which is not run" if "auto_map" in config else ""
            raise error(
                "CQ532",
                f"the architecture of `{ref.source}` is not supported: config.json names {named[:80]}, which "
                f"transformers {transformers.__version__} has not as a model{code}",
                ref.span,
                "this model",
                help=f'if the code is to be trusted, say so by name: `with trust_remote_code = "{ref.source}"`'
                if code
                else "`architectures` names a class of transformers, such as GPT2LMHeadModel",
            )
        kind = found
    settings = settings or kind.config_class
    try:
        return kind, settings.from_pretrained(folder, local_files_only=True)
    except Exception as problem:  # a config class raises whatever it likes
        raise broken(ref, f"config.json is not as {kind.__name__} takes it: {first_line(problem)}") from None


def _surveyed(ref: ModelRef, kind: Any, config: Any, headers: Headers, method: str | None) -> Survey:
    try:
        return survey(kind, config, headers, DTYPES[ref.dtype], packed=method is not None)
    except Exception as problem:  # as above, of the class itself
        raise broken(ref, first_line(problem)) from None


def _fits(ref: ModelRef, seen: Survey, headers: Headers, method: str | None) -> None:
    # Packed weights stay packed, or are unpacked while they are read: as large as the files at least.
    weights = seen.size if method is None else sum(e.size for e in headers.values())
    check_memory(ref, weights, pass_bytes(seen.model, PASS_TOKENS, DTYPES[ref.dtype]))


def _experts(ref: ModelRef, config: Any) -> dict[str, str]:
    """The experts of a mixture one by one where their numbers are float64, which the faster ways do not take."""
    inner = config.get_text_config()
    mixed = any(getattr(inner, n, None) for n in ("num_experts", "num_local_experts"))
    return {"experts_implementation": "eager"} if mixed and ref.dtype == "float64" else {}


def _read(ref: ModelRef, folder: Path, kind: Any, config: Any, attention: str | None, *, packed: bool) -> Any:
    where: Any = ref.device_map
    if packed and where is None and ref.device != "cpu":
        where = {"": ref.device}  # packed weights cannot be moved once they are read
    try:
        hf, info = kind.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=ref.trust_remote_code,
            dtype=DTYPES[ref.dtype],
            attn_implementation=attention,
            **_experts(ref, config),
            device_map=where,
            ignore_mismatched_sizes=True,  # reported below, in words of our own
            output_loading_info=True,
        )
        complain(info["missing_keys"], info["mismatched_keys"])
        bad = [key for key, weight in hf.named_parameters() if not _finite(weight)]
        if bad:
            raise SurveyError(f"weights are NaN or infinite ({', '.join(bad[:3])})")
    except ImportError as problem:
        if packed:
            raise absent(ref, "", (), f"`{ref.source}` is packed, and {first_line(problem)}") from None
        raise broken(ref, first_line(problem)) from None
    except Exception as problem:  # from_pretrained raises whatever its parts raise
        raise broken(ref, first_line(problem)) from None
    if any(p.is_meta for p in hf.parameters()):
        # Weights that come and go with every pass are not there for the contract to look at.
        size = sum(p.numel() * p.element_size() for p in hf.parameters())
        raise too_large(ref, size, size, spread_bytes() or 0, "all devices together")
    return hf


def _finite(weight: torch.Tensor) -> bool:
    if weight.is_meta or not weight.is_floating_point():
        return True
    small = weight.element_size() == 1  # float8 has no arithmetic of its own
    return bool((weight.to(torch.bfloat16) if small else weight).isfinite().all())


def _device(ref: ModelRef) -> torch.device:
    """The declared device, after making sure that it takes tensors."""
    try:
        device = torch.device(ref.device)
        if device.type == "meta":
            raise RuntimeError("it holds no numbers")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise error(
            "CQ535",
            f"the device `{ref.device}` of model `{ref.name}` cannot be used: {first_line(problem)}",
            ref.span,
            "this model",
            help='the default is device = "cpu"',
        ) from None
    return device


def _placed(ref: ModelRef, hf: Any, device: torch.device) -> Any:
    if ref.device_map is not None or getattr(hf, "is_quantized", False):
        return hf
    try:
        return hf.to(device)
    except torch.OutOfMemoryError:
        size = sum(p.numel() * p.element_size() for p in hf.parameters())
        raise too_large(ref, size, size, free_bytes(device) or 0, str(device)) from None
